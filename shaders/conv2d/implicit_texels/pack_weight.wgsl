// Implicit GEMM, weight: a[t,i] = w of filter i, or of channel i turned by 180° for dx, in blocks of 32 rows; t = (channel quad, tap).
// w: [K,C,KH,KW]; factors: [block of 32 rows][C/4,KH,KW][row] over four channels at one tap, zero where there is no row or channel.
// One invocation: one texel. One workgroup: 32 rows at two t; y counts blocks; no shared memory.
// Traffic: 4 reads and one texel written; once per step and small beside everything else.
// Next rung: none.
struct Params {
    rows: u32, contracted: u32,               // filters and channels, exchanged for dx
    row_stride: u32, contracted_stride: u32,  // in w
    taps: u32, turned: u32,
    k4: u32, reserved: u32,                   // texels along the contraction
}

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var factors: texture_storage_2d<rgba32float, write>;

@compute @workgroup_size(32, 2)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let t = group.x * 2u + id.y;
    if t >= params.k4 {
        return;
    }
    let row = group.y * 32u + id.x;
    let quad = t / params.taps;
    let tap = t - quad * params.taps;
    let at = row * params.row_stride + select(tap, params.taps - 1u - tap, params.turned != 0u);
    var value = vec4(0.0);
    for (var i = 0u; i < 4u; i++) {
        if row < params.rows && 4u * quad + i < params.contracted {
            value[i] = w[at + (4u * quad + i) * params.contracted_stride];
        }
    }
    let index = (group.y * params.k4 + t) * 32u + id.x;
    textureStore(factors, vec2(index % 2048u, index / 2048u), value);
}
