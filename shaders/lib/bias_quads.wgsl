// The gradient of a convolution's bias by vec4s: what the lanes of a workgroup add up each, before they meet. Stands on lib/convolution_params.

override EPILOGUE: u32 = 0u;   // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> db: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// For the four elements of a quad.
fn passes(quad: u32) -> vec4<bool> {
    if EPILOGUE == 1u { return bitcast<vec4<f32>>(mask[quad]) > vec4<f32>(0.0); }
    if EPILOGUE == 2u {
        let codes = mask[quad / 4u][quad % 4u];
        return ((vec4<u32>(codes) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u)) != vec4<u32>(255u);
    }
    return vec4<bool>(true);
}

// Every 64th quad of filter k.
fn sum_of_lane(k: u32, lane: u32) -> f32 {
    let plane = params.ph * params.pw;
    var sums = vec4<f32>();
    for (var n = 0u; n < params.n; n++) {
        // A plane may begin and end within a quad: leave out what belongs to its neighbours (or to nobody).
        let start = (n * params.k + k) * plane;
        let end = start + plane;
        for (var quad = start / 4u + lane; quad * 4u < end; quad += 64u) {
            let at = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
            let counts = (at >= vec4<u32>(start)) & (at < vec4<u32>(end)) & passes(quad);
            sums += select(vec4<f32>(), dy[quad], counts);
        }
    }
    return sums.x + sums.y + sums.z + sums.w;
}
