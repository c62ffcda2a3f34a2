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

// The sums of channel k at four positions.
fn store(position: u32, k: u32, phase: Phase, sums: vec4<f32>) {
    if k >= params.k { return; }
    var z = sums;
    if BIAS == 1u { z += b[k]; }
    if RELU == 1u { z = max(z, vec4<f32>(0.0)); }
    let plane = phase.rows * phase.columns;
    for (var o = 0u; o < 4u; o++) {
        let at = position + o;
        if at < params.n * plane {
            let n = params.first + at / plane;
            let i = phase.row + at % plane / phase.columns * phase.up;
            let j = phase.column + at % phase.columns * phase.across;
            y[((n * params.k + k) * params.oh + i) * params.ow + j] = z[o];
        }
    }
}
