// ReLU and 2x2 max-pooling of four filters at once.

struct Pooled { value: vec4<f32>, code: vec4<u32> }

// ReLU and the maximum of a 2x2 window; the first of equals wins, 255 where ReLU lets nothing pass.
fn pool(w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> Pooled {
    var best = w0;
    var code = vec4(0u);
    code = select(code, vec4(1u), w1 > best);
    best = max(best, w1);
    code = select(code, vec4(2u), w2 > best);
    best = max(best, w2);
    code = select(code, vec4(3u), w3 > best);
    best = max(best, w3);
    let alive = best > vec4(0.0);
    return Pooled(select(vec4(0.0), best, alive), select(vec4(255u), code, alive));
}
