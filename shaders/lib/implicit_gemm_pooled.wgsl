// Where the implicit product goes under ReLU and 2x2 max-pooling. Four positions that follow each other are one window: 4q+2a+b is row a, column b
// of window q. y: [N,K,PH,PW]; codes: [K/4,N*PH*PW], a byte for each of four channels: 2a+b of the maximum or 255 where y is 0 (order_argmax
// makes argmax of them). Stands on lib/implicit_gemm and lib/pooled.

@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> codes: array<u32>;
@group(0) @binding(6) var<uniform> params: Params;

fn place_of(phase: Phase, position: u32) -> Place {
    let wide = params.ow / 2u;
    let plane = params.oh / 2u * wide;
    let window = position / 4u;
    if window >= params.n * plane { return Place(); }
    let n = window / plane;
    let i = window % plane / wide * 2u + position / 2u % 2u;
    let j = window % wide * 2u + position % 2u;
    return place_in(phase, n, i, j);
}

// The sums of channels k to k+3 at the four positions of a window.
fn store(position: u32, k: u32, phase: Phase, w: array<vec4<f32>, 4>) {
    let plane = params.oh / 2u * (params.ow / 2u);
    let window = position / 4u;
    if k >= params.k || window >= params.n * plane { return; }
    var bias: vec4<f32>;
    for (var o = 0u; o < 4u; o++) { bias[o] = b[min(k + o, params.k - 1u)]; }
    let z = pool(w[0] + bias, w[1] + bias, w[2] + bias, w[3] + bias);
    let at = (window / plane * params.k + k) * plane + window % plane;
    for (var o = 0u; o < 4u; o++) {
        if k + o < params.k { y[at + o * plane] = z.value[o]; }
    }
    codes[k / 4u * params.n * plane + window] = z.code.x | (z.code.y << 8u) | (z.code.z << 16u) | (z.code.w << 24u);
}
