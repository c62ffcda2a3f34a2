// ReLU in place, forward: y[i] = max(y[i], 0), where y starts as x.
// y: any shape, viewed as vec4s; the last vec4 reaches into the padding.
// One invocation: one vec4. One workgroup: 64 of them, no shared memory.
// Traffic: reads and writes y once, 1 compare per 8 bytes: memory-bound.
// Next rung: the convolution's epilogue does the same on values that are still in registers, for no traffic at all.

struct Params { quads: u32, value: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i < params.quads {
        y[i] = max(y[i], vec4<f32>(0.0));
    }
}
