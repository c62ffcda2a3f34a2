// Dropout's factors, computed anew wherever they are needed. The kernel's params have `layer`, `threshold` and `scale`; it binds `step`.
// Stands on lib/step and lib/threefry.

// Whether there is dropout, and whether every sample begins on a quad of the generator (its size is a multiple of 4).
// Both are decided when the pipeline is built: what is not needed is not compiled.
override DROPOUT: bool = false;
override ALIGNED: bool = false;

// 16-bit uniforms of batch elements 4 quad .. 4 quad + 3.
fn uniforms(quad: u32) -> vec4<u32> {
    let words = threefry(vec2<u32>(step.seed, params.layer), vec2<u32>(step.step, quad));
    return vec4<u32>(words.x & 0xFFFFu, words.x >> 16u, words.y & 0xFFFFu, words.y >> 16u);
}

// The factor, 0 or scale, of the element at this position of the whole batch; 1 without dropout.
fn dropout_one(index: u32) -> f32 {
    if !DROPOUT {
        return 1.0;
    }
    let u = uniforms(index / 4u);
    return select(0.0, params.scale, u[index % 4u] >= params.threshold);
}

// Factors of the four elements from this position of the whole batch on.
fn dropout_quad(first: u32) -> vec4<f32> {
    if !DROPOUT {
        return vec4<f32>(1.0);
    }
    var u = uniforms(first / 4u);
    let shift = first % 4u;
    if !ALIGNED && shift != 0u { // the four elements straddle two quads of the batch
        let next = uniforms(first / 4u + 1u);
        switch shift {
            case 1u: { u = vec4<u32>(u.yzw, next.x); }
            case 2u: { u = vec4<u32>(u.zw, next.xy); }
            default: { u = vec4<u32>(u.w, next.xyz); }
        }
    }
    return select(vec4<f32>(0.0), vec4<f32>(params.scale), u >= vec4<u32>(params.threshold));
}
