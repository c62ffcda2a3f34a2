// Addition in place: y[i] += b[i], where y starts as the other addend.
// y, b: any shape, viewed as vec4s; beyond the last element y keeps what it holds: the flat gradients' gaps must stay 0.
// One invocation: one vec4. One workgroup: 64 of them, no shared memory.
// Traffic: reads y and b, writes y: 1 addition per 12 bytes, so memory-bound. In place: no third tensor.
// Next rung: fused into the kernel that produces b, which would save a read and a write of b.

struct Params { quads: u32, value: f32, elements: u32, pad: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y; // TODO: the number of this invocation in the whole grid
    if i < params.quads {
        let inside = 4u * i + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.elements);
        y[i] += select(vec4<f32>(0.0), b[i], inside);
    }
}
