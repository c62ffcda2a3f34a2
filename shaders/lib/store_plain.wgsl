// Where a tile of a convolution goes when nothing is pooled: y [N,K,H,W], with bias and ReLU. Stands on lib/tile_params.

override RELU: u32 = 0u;
override BIAS: u32 = 1u;       // 0: the gradient of x, which has no bias (b is bound, but not added)

@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// The 2x2 sums z (row by row) of sample n of the chunk and filter k, whose first is at this row and column; what lies outside is dropped.
fn store(n: u32, k: u32, row: u32, column: u32, sums: vec4<f32>) {
    if k >= params.k { return; }
    var z = sums;
    if BIAS == 1u { z += b[k]; }
    if RELU == 1u { z = max(z, vec4<f32>(0.0)); }
    for (var o = 0u; o < 4u; o++) {
        let i = row + o / 2u;
        let j = column + o % 2u;
        if i < params.h && j < params.w {
            y[(((params.first + n) * params.k + k) * params.h + i) * params.w + j] = z[o];
        }
    }
}
