// What matrix units left, as planes: y[first+n,k,p] = b[k] + product[k][n*positions+p], then ReLU; the padding is dropped.
// product: rows of `pitch` floats; b: [K]; y: [N,K,positions].
// One invocation: one y. One workgroup: 64 of them that follow each other in memory.
// Traffic: one read and one write of 4 bytes per y; no arithmetic to speak of.
// Next rung: fused into the product, which has the sums in registers; matrix units do not tell which.

override RELU: u32 = 0u;
override BIAS: u32 = 0u;             // 0: b is bound, but not added

struct Params { first: u32, n: u32, k: u32, positions: u32, pitch: u32, reserved0: u32, reserved1: u32, reserved2: u32 }

@group(0) @binding(0) var<storage, read> product: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.n * params.k * params.positions { return; }
    let k = index / params.positions % params.k;
    let n = index / (params.positions * params.k);
    var z = product[k * params.pitch + n * params.positions + index % params.positions];
    if BIAS == 1u { z += b[k]; }
    if RELU == 1u { z = max(z, 0.0); }
    y[params.first * params.k * params.positions + index] = z;
}
