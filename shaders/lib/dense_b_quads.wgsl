// A dense product's factor b, whose rows begin with a vec4: see dense/workgroup/product.

@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

const B_QUADS: bool = true;

// Four elements of b; behind the last k some others, which a's zeros take out.
fn next_b(p: ptr<private, Cursor>) -> vec4<f32> {
    let quad = b[min((*p).at, params.n * params.k / 4u - 1u)];
    (*p).at += STEP * params.b_k / 4u;
    return quad;
}
