// Convolution 3x3, stride 1, 'same': y[n,k,i,j] = b[k] + sum over c,u,v of w[k,c,u,v] * x[n,c,i+u-1,j+v-1], then ReLU; through workgroup memory.
// x: [chunk,C,H,W], zero outside; w: [K,C,3,3]; b: [K]; y: [N,K,H,W].
// One invocation: 2x2 outputs of 8 filters, 32 sums in registers. One workgroup: 256 of them, 8 rows x 16 columns of 64 filters; an implicit GEMM.
// Traffic: 380 floats of x and 1152 of w per 147,456 multiply-adds: 48 FLOP per byte from memory; inside, 4 floats and 2 vec4s per 32 multiply-adds.
// Next rung: implicit_gemm, the same for any window and stride; subgroup, without workgroup memory: lanes share through shuffles. That wins on CPU drivers, where a load from workgroup memory costs as much as any.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
// y, argmax and params are bound by lib/store_plain or lib/store_pooled.

const CHANNELS: u32 = 2u;                             // channels per stage
const PITCH: u32 = 19u;                               // of an x row in memory: 18 columns, and odd, so that rows start in different banks
const IMAGE: u32 = CHANNELS * 10u * PITCH;            // x of a stage: 10 rows
const WEIGHTS: u32 = CHANNELS * 9u * 16u;             // w of a stage: 16 vec4s of 4 filters per channel and tap

// Two of each: while one is read, the next stage is written into the other, so one barrier per stage is enough. 12.0 KiB.
var<workgroup> image: array<f32, 2u * IMAGE>;
var<workgroup> weights: array<vec4<f32>, 2u * WEIGHTS>;

// Element e of the stage of channels c, c+1: consecutive e are neighbours in x, so that loads coalesce.
fn load_pixel(e: u32, n: u32, c: u32, i: u32, j: u32) -> f32 {
    let s = e % PITCH;
    let r = e / PITCH % 10u;
    let channel = c + e / (PITCH * 10u);
    let row = i + r - 1u;                             // unsigned: -1 wraps round to a huge number
    let column = j + s - 1u;
    if e >= IMAGE || channel >= params.c || row >= params.h || column >= params.w { return 0.0; }
    return x[((n * params.c + channel) * params.h + row) * params.w + column];
}

// Element e: 4 filters of one channel and tap. Filters lie C*9 floats apart, but the neighbouring e use the rest of the cache lines.
fn load_weights(e: u32, k: u32, c: u32) -> vec4<f32> {
    let tap = e / 16u;                                // channel * 9 + u * 3 + v
    let filter_ = k + e % 16u * 4u;
    var quad = vec4<f32>(0.0);
    if e < WEIGHTS && c * 9u + tap < params.c * 9u {
        for (var f = 0u; f < 4u; f++) {
            if filter_ + f < params.k { quad[f] = w[(filter_ + f) * params.c * 9u + c * 9u + tap]; }
        }
    }
    return quad;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let across = (params.w + 15u) / 16u;
    let i = group.x / across * 8u;                    // the workgroup's tile: 8 rows x 16 columns of 64 filters
    let j = group.x % across * 16u;
    let k = group.y * 64u;
    let n = group.z;
    let window = lane % 32u;                          // the invocation's 2x2 outputs: 4 x 8 of them in the tile …
    let r = window / 8u * 2u;
    let s = window % 8u * 2u;
    let eight = lane / 32u;                           // … and its 8 filters: the same for 32 neighbours, so reads of w are broadcasts

    // First stage: 380 floats of x and 288 vec4s of w, in two rounds of 256 invocations.
    image[lane] = load_pixel(lane, n, 0u, i, j);
    if lane + 256u < IMAGE { image[lane + 256u] = load_pixel(lane + 256u, n, 0u, i, j); }
    weights[lane] = load_weights(lane, k, 0u);
    if lane + 256u < WEIGHTS { weights[lane + 256u] = load_weights(lane + 256u, k, 0u); }
    workgroupBarrier();

    var low: array<vec4<f32>, 4>;                     // element 2a+b: output row a, column b; component: filters 0..3
    var high: array<vec4<f32>, 4>;                    // filters 4..7
    var stage = 0u;
    for (var c = 0u; c < params.c; c += CHANNELS) {
        // Start the loads of the next stage now; they arrive while this one is computed.
        let next0 = load_pixel(lane, n, c + CHANNELS, i, j);
        let next1 = load_pixel(lane + 256u, n, c + CHANNELS, i, j);
        let filters0 = load_weights(lane, k, c + CHANNELS);
        let filters1 = load_weights(lane + 256u, k, c + CHANNELS);

        for (var channel = 0u; channel < CHANNELS; channel++) {
            let from_x = stage * IMAGE + (channel * 10u + r) * PITCH + s;
            let from_w = stage * WEIGHTS + channel * 144u + eight * 2u;
            for (var u = 0u; u < 3u; u++) {
                for (var v = 0u; v < 3u; v++) {
                    let at = from_x + u * PITCH + v;
                    let z = vec4<f32>(image[at], image[at + 1u], image[at + PITCH], image[at + PITCH + 1u]);
                    let w0 = weights[from_w + (u * 3u + v) * 16u];
                    let w1 = weights[from_w + (u * 3u + v) * 16u + 1u];
                    for (var o = 0u; o < 4u; o++) {
                        low[o] += z[o] * w0;
                        high[o] += z[o] * w1;
                    }
                }
            }
        }

        stage = 1u - stage;
        image[stage * IMAGE + lane] = next0;
        if lane + 256u < IMAGE { image[stage * IMAGE + lane + 256u] = next1; }
        weights[stage * WEIGHTS + lane] = filters0;
        if lane + 256u < WEIGHTS { weights[stage * WEIGHTS + lane + 256u] = filters1; }
        workgroupBarrier();
    }

    // The invocation's 2x2 outputs are exactly one window.
    for (var f = 0u; f < 8u; f++) {
        var z: vec4<f32>;
        for (var o = 0u; o < 4u; o++) { z[o] = select(low[o][f % 4u], high[o][f % 4u], f >= 4u); }
        store(n, k + eight * 8u + f, i + r, j + s, z);
    }
}
