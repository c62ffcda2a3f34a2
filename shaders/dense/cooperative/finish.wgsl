// What cooperative left, as a matrix: c[m,n] = bias[n] + p[m,n], then ReLU; the padding is dropped.
// p: rows of `pitch` elements; bias: [N]; c: [M,N].
// One invocation: one element. One workgroup: 64 that follow each other in c; no shared memory.
// Traffic: one read and one write per element; no arithmetic to speak of.
// Next rung: fused into the product, which has the sums in registers; matrix units do not tell which.

override RELU: u32 = 0u;
override BIAS: u32 = 0u;             // 0: bias is bound, but not added

struct Params { m: u32, n: u32, pitch: u32, reserved: u32 }

@group(0) @binding(0) var<storage, read> p: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.m * params.n { return; }
    let n = index % params.n;
    var z = p[index / params.n * params.pitch + n];
    if BIAS == 1u { z += bias[n]; }
    if RELU == 1u { z = max(z, 0.0); }
    c[index] = z;
}
