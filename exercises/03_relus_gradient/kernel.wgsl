// ReLU in place, backward: dx[i] = dy[i] where y[i] > 0, else 0; dx starts as dy.
// dx, y: any shape, viewed as vec4s; the last vec4 reaches into the padding.
// One invocation: one vec4. One workgroup: 64 of them, no shared memory.
// Traffic: reads dy and y, writes dx: 1 compare per 12 bytes, so memory-bound. The output y is the mask: x is not kept.
// Next rung: fused into the backward kernels of the op before, which then read dy through the mask.

struct Params { quads: u32, value: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i < params.quads {
        dx[i] = select(vec4<f32>(0.0), dx[i], y[i] >= vec4<f32>(0.0)); // planted: a comparison
    }
}
