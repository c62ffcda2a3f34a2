// Where the implicit product goes when nothing is pooled: y [N,K,OH,OW], with bias and ReLU. Stands on lib/implicit_gemm.

override RELU: u32 = 0u;
override BIAS: u32 = 1u;       // 0: the gradient of x, which has no bias (b is bound, but not added)

@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

// Position p of a phase: column p % columns of row p / columns % rows of sample p / (columns * rows).
fn place_of(phase: Phase, position: u32) -> Place {
    let plane = phase.rows * phase.columns;
    if position >= params.n * plane { return Place(); }
    let n = position / plane;
    let i = position % plane / phase.columns;
    let j = position % phase.columns;
    return place_in(phase, n, i, j);
}

// The sums of channels k to k+3 at four positions that follow each other.
fn store(position: u32, k: u32, phase: Phase, sums: array<vec4<f32>, 4>) {
    let plane = phase.rows * phase.columns;
    for (var c = 0u; c < 4u; c++) {
        if k + c >= params.k { return; }
        var z = vec4<f32>(sums[0][c], sums[1][c], sums[2][c], sums[3][c]);
        if BIAS == 1u { z += b[k + c]; }
        if RELU == 1u { z = max(z, vec4<f32>(0.0)); }
        for (var o = 0u; o < 4u; o++) {
            let at = position + o;
            if at < params.n * plane {
                let n = params.first + at / plane;
                let i = phase.row + at % plane / phase.columns * phase.up;
                let j = phase.column + at % phase.columns * phase.across;
                y[((n * params.k + k + c) * params.oh + i) * params.ow + j] = z[o];
            }
        }
    }
}
