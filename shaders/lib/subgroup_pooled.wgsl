// Where the strips of conv2d/subgroup/forward go under ReLU and 2x2 max-pooling: y [N,K,PH,PW], and codes [N,K,PH,PW] u32: the window index
// 2a+b of the maximum, or 255 where y is 0 (pack_argmax makes bytes of them). Stands on lib/subgroup_params.

@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

// Both rows of filter k at strip positions q, q + 8, q + 16 and q + 24. The pitch is even, so even columns are in even lanes and a window's
// other column is one lane to the right.
fn store(k: u32, q: u32, lane: u32, top: vec4<f32>, bottom: vec4<f32>) {
    let top_right = subgroupShuffle(top, lane ^ 1u);
    let bottom_right = subgroupShuffle(bottom, lane ^ 1u);
    // All four groups at once; strictly greater: the first maximum wins.
    var best = top;
    var code = vec4<u32>(0u);
    code = select(code, vec4<u32>(1u), top_right > best);
    best = max(best, top_right);
    code = select(code, vec4<u32>(2u), bottom > best);
    best = max(best, bottom);
    code = select(code, vec4<u32>(3u), bottom_right > best);
    best = max(best, bottom_right) + b[min(k, params.k - 1u)];   // the bias moves all four alike
    code = select(vec4<u32>(255u), code, best > vec4<f32>(0.0));
    best = max(best, vec4<f32>(0.0));
    for (var g = 0u; g < 4u; g++) {
        let pair = (q + g * 8u) / params.pitch;
        let column = (q + g * 8u) % params.pitch;
        let n = pair / params.pairs;
        if lane % 2u == 0u && k < params.k && n < params.n && column / 2u < params.pw {
            let at = (((params.first + n) * params.k + k) * params.ph + pair % params.pairs) * params.pw + column / 2u;
            y[at] = best[g];
            codes[at] = code[g];
        }
    }
}
