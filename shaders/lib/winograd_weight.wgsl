// What the transforms of Winograd's weight share: sizes, bindings, the taps. Stands on lib/texel_factors.

// Four channels.
alias Value = vec4<f32>;

struct Params {
    rows: u32, contracted: u32,
    row_stride: u32, contracted_stride: u32,   // in w, in elements
    turned: u32, quads: u32,                   // contraction/4
    position_stride: u32, reserved: u32,
}

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;

// Tap t of four contracted channels of a row, turned by 180 degrees for backward-input.
fn tap(t: u32, row: u32, quad: u32) -> vec4<f32> {
    let at = row * params.row_stride + select(t, 8u - t, params.turned == 1u);
    var value = vec4(0.0);
    for (var i = 0u; i < 4u; i++) {
        let c = 4u * quad + i;
        if c < params.contracted {
            value[i] = w[at + c * params.contracted_stride];
        }
    }
    return value;
}

// Where a row's values go: [block of 32 rows][contraction/4][row].
fn factor_of(row: u32, quad: u32) -> u32 {
    return (row / 32u * params.quads + quad) * 32u + row % 32u;
}
