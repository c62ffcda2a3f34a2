// Where the strips of conv2d/subgroup/forward go when nothing is pooled: y [N,K,H,W], with bias and ReLU. Stands on lib/subgroup_params.

override RELU: u32 = 0u;
override BIAS: u32 = 1u;       // 0: the gradient of x, which has no bias (b is bound, but not added)

@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// Both rows of filter k at strip positions q, q + 8, q + 16 and q + 24.
fn store(k: u32, q: u32, lane: u32, top: vec4<f32>, bottom: vec4<f32>) {
    for (var g = 0u; g < 4u; g++) {
        let pair = (q + g * 8u) / params.pitch;
        let column = (q + g * 8u) % params.pitch;
        let n = pair / params.pairs;
        let i = pair % params.pairs * 2u;
        if n < params.n && column < params.w && k < params.k {
            var z = vec2<f32>(top[g], bottom[g]);
            if BIAS == 1u { z += b[k]; }
            if RELU == 1u { z = max(z, vec2<f32>(0.0)); }
            let at = (((params.first + n) * params.k + k) * params.h + i) * params.w + column;
            y[at] = z.x;
            if i + 1u < params.h { y[at + params.w] = z.y; }
        }
    }
}
