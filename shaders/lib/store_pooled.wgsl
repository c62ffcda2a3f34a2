// Where a tile of a convolution goes under ReLU and 2x2 max-pooling: y [N,K,PH,PW], and codes [N,K,PH,PW] u32: the window index 2a+b of the
// maximum, or 255 where y is 0 (pack_argmax makes bytes of them). The convolution itself is never written. Stands on lib/tile_params.

@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

// The 2x2 sums of sample n of the chunk and filter k, whose first is at this (even) row and column: exactly one window.
fn store(n: u32, k: u32, row: u32, column: u32, sums: vec4<f32>) {
    let p = row / 2u;
    let q = column / 2u;
    if k >= params.k || p >= params.ph || q >= params.pw { return; }
    let z = sums + b[k];
    var code = 0u;                                    // strictly greater: the first maximum wins
    if z.y > z[code] { code = 1u; }
    if z.z > z[code] { code = 2u; }
    if z.w > z[code] { code = 3u; }
    let best = max(z[code], 0.0);
    let at = (((params.first + n) * params.k + k) * params.ph + p) * params.pw + q;
    y[at] = best;
    codes[at] = select(255u, code, best > 0.0);
}
