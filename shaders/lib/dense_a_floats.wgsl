// A dense product's factor a, whose rows may begin within a vec4: see dense/workgroup/product.

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<f32>;

const A_QUADS: bool = false;

// Four elements of a, 0 behind the last k, and on to the next stage. What lies behind the last row, or behind a itself, is whatever such a read
// gives: nobody sees those sums. So no index is clamped, and four loads share their address.
fn next_a(k: u32) -> vec4<f32> {
    var quad: vec4<f32>;
    for (var j = 0u; j < 4u; j++) {
        // Where four k are loaded, the j-th is inside if the first is before the last but j: the lane's k is compared with a constant.
        let end = params.k - select(0u, min(j, params.k), A_ALONG_K == 1u);
        // Both sides are computed, so that no load stands in a branch.
        var passes = 1.0;
        if MASK == 1u { passes = mask[of_a.at + j]; }
        quad[j] = select(0.0, a[of_a.at + j], (of_a.k + k < end) & (passes > 0.0));
    }
    of_a.at += STEP * params.a_k;
    return quad;
}
