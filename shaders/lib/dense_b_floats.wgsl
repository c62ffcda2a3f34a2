// A dense product's factor b, whose rows may begin within a vec4: see dense/workgroup/product.

@group(0) @binding(2) var<storage, read> b: array<f32>;

const B_QUADS: bool = false;

// Four elements of b; behind the last k some others, which a's zeros take out: so these have to be b's own, and not whatever lies behind it.
fn next_b(p: ptr<private, Cursor>) -> vec4<f32> {
    var quad: vec4<f32>;
    for (var j = 0u; j < 4u; j++) { quad[j] = b[min((*p).at + j, params.n * params.k - 1u)]; }
    (*p).at += STEP * params.b_k;
    return quad;
}
