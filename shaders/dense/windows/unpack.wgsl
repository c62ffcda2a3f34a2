// What products/windows left, as a matrix: c[m,n] = bias[n] + p[n,m], then ReLU.
// p: [N/4][M] vec4 over four n; bias: [N/4] vec4; c: [M][N/4] vec4.
// One invocation: one vec4 of c. One workgroup: 64 that follow each other in c; no shared memory.
// Traffic: one read and one write per element, as vec4s; no arithmetic to speak of.
// Next rung: fused into the product, which has the sums in registers (dense/workgroup/product does so).

override RELU: u32 = 0u;
override BIAS: u32 = 0u;             // 0: bias is bound, but not added

struct Params { rows: u32, quads: u32, reserved0: u32, reserved1: u32 }   // M; N/4

@group(0) @binding(0) var<storage, read> p: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.rows * params.quads { return; }
    let m = index / params.quads;
    let quad = index % params.quads;
    var z = p[quad * params.rows + m];
    if BIAS == 1u { z += bias[quad]; }
    if RELU == 1u { z = max(z, vec4<f32>(0.0)); }
    c[index] = z;
}
