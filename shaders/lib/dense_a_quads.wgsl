// A dense product's factor a, whose rows begin with a vec4: see dense/workgroup/product.

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec4<f32>>;

const A_QUADS: bool = true;

// Four elements of a, 0 behind the last k, and on to the next stage. Behind the last row they are some others: nobody sees those sums.
fn next_a(k: u32) -> vec4<f32> {
    var quad: vec4<f32>;
    let i = min(of_a.at, params.m * params.k / 4u - 1u);
    let inside = of_a.k + k < params.k;
    if MASK == 1u {
        quad = select(vec4<f32>(0.0), a[i], mask[i] > vec4<f32>(select(3.4e38, 0.0, inside))); // one comparison for both
    } else {
        quad = select(vec4<f32>(0.0), a[i], inside);
    }
    of_a.at += STEP * params.a_k / 4u;
    return quad;
}
