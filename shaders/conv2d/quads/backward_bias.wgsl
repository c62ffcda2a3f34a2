// Convolution, gradient of b: db[k] = sum over n,p,q of dy[n,k,p,q] where the epilogue lets a gradient pass.
// dy: [N,K,PH,PW] as vec4s; mask: y (ReLU) or argmax (ReLU and pooling, 16 codes to a vec4); db: [K].
// One invocation: every 64th quad of one filter. One workgroup: one filter; 64 partial sums, then a tree in workgroup memory.
// Traffic: as tree/backward_bias, in a quarter of the loads: a vec4 of dy and one word of argmax (or a vec4 of y) per 4 additions.
// Next rung: fused into the gradient of w, which reads the same dy.

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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let k = group.y * groups.x + group.x;
    if k >= params.k { return; }
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
    let total = tree_sum(lane, sums.x + sums.y + sums.z + sums.w);
    if lane == 0u { db[k] = total; }
}
