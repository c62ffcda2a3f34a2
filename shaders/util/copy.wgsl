// Copy: y[i] = x[i], bit by bit.
// x, y: any shape and type, viewed as vec4s; the last vec4 reaches into the padding.
// One invocation: one vec4. One workgroup: 64 of them, no shared memory.
// Traffic: reads x once, writes y once; no arithmetic, so this is the roof that memory-bound kernels are measured against.
// Next rung: none, it moves the fewest bytes that it can.

struct Params { quads: u32, value: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i < params.quads {
        y[i] = x[i];
    }
}
