// Dropout in place: x[i] = x[i] * scale where u(i) >= threshold, else 0; u(i) is a 16-bit hash of (seed, layer, step, i).
// x: any shape, the batch outermost, viewed as vec4s; the last vec4 reaches into the padding. Backward runs it on dy.
// One invocation: one vec4, for one call of the generator (two if the micro-batch does not start on a multiple of 4). One workgroup: 64.
// Traffic: reads and writes x once; 25 integer operations per element hide behind the memory on a GPU. No mask in memory.
// Next rung: fused into the batch norm before it, which saves this read and write altogether.

struct Params { quads: u32, per_sample: u32, layer: u32, threshold: u32, scale: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i < params.quads {
        x[i] *= dropout_quad(4u * i);
    }
}
