// Convolution of few input channels, gradient of w: dw[k,c,u,v] = sum over n,i,j of g[n,k,i,j] * x[n,c,i*stride_h+u-pad_top,j*stride_w+v-pad_left];
// g is dy seen through the epilogue. Any small window, stride and padding.
// x: [N,C,H,W], zero outside; dy: [N,K,OH,OW] or [N,K,PH,PW]; mask: y (ReLU) or argmax (pooling); dw: [SPLITS,K,C,KH,KW] partial sums (sum_partials adds
// them up, always in the same order).
// One invocation: all taps of one channel for FILTERS filters (72 sums for 3x3), over every 64th tile of four outputs of a split. One workgroup: 64 of
// them side by side, whose sums meet in workgroup memory at the end, in a fixed order.
// Traffic: dy and its mask once per channel, whole lines: 4 bytes (5 pooled, 8 under ReLU) per KH*KW multiply-adds, and x under a tile once per FILTERS
// filters, from the cache. Bound by reading dy: pooled 3.6 FLOP per byte for 3x3, 62 instructions where a card could issue 85 meanwhile.
// Under pooling one position of a window has a gradient: the code chooses what of the patch lies under it, 21 selects for 9 multiply-adds, where adding
// up all four positions, three of them zero, takes 36 (70 instructions in all).
// A tile of 128 weights, as in implicit_gemm, would be empty but for C*KH*KW rows: 9 of 128.
// Next rung: none; implicit_gemm from where the sums of a few filters no longer fit the registers.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> mask: array<u32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

override EPILOGUE: u32 = 0u;                          // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling
override FILTERS: u32 = 8u;

const SUMS: u32 = 80u;                                // the most
const ROUND: u32 = 8u;                                // sums that meet at a time
const PITCH: u32 = 72u;                               // 8 banks from one sum to the next: 32 lanes, 8 to a sum, read 32 banks
var<workgroup> parts: array<array<f32, PITCH>, ROUND>;
var<workgroup> eighths: array<f32, 64>;

alias Sums = array<f32, SUMS>;                        // f * taps + tap

// Where nothing is pooled: g at the four outputs of a tile, the first of which is element `at` of dy; `count` of them exist.
fn gradient(at: u32, count: u32) -> vec4<f32> {
    var g: vec4<f32>;
    for (var o = 0u; o < 4u; o++) {
        let value = dy[at + o * params.ow];
        var passes = o < count;
        if EPILOGUE == 1u { passes = passes & (bitcast<f32>(mask[at + o * params.ow]) > 0.0); }
        g[o] = select(0.0, value, passes);
    }
    return g;
}

// What a tile adds to all taps of filter f, of whose dy `at` is the tile's first, or its only one when pooled.
fn add(sums: ptr<function, Sums>, f: u32, at: u32, count: u32, pixels: ptr<function, Patch>) {
    if f >= FILTERS { return; }
    if EPILOGUE == 2u {
        let code = mask[at / 4u] >> ((at * 8u) & 31u);
        let g = select(dy[at], 0.0, (code & 128u) != 0u);
        let right = (code & 1u) != 0u;
        let below = (code & 2u) != 0u;
        for (var u = 0u; u < KH; u++) {
            for (var v = 0u; v < KW; v++) {
                let upper = select((*pixels)[under(0u, 0u, u, v)], (*pixels)[under(0u, 1u, u, v)], right);
                let lower = select((*pixels)[under(0u, 2u, u, v)], (*pixels)[under(0u, 3u, u, v)], right);
                (*sums)[f * KH * KW + u * KW + v] += g * select(upper, lower, below);
            }
        }
        return;
    }
    let g = gradient(at, count);
    for (var u = 0u; u < KH; u++) {
        for (var v = 0u; v < KW; v++) {
            for (var o = 0u; o < 4u; o++) { (*sums)[f * KH * KW + u * KW + v] += g[o] * (*pixels)[under(0u, o, u, v)]; }
        }
    }
}

// Add up sums first … first+7 of all lanes, and write them.
fn meet(first: u32, sums: ptr<function, Sums>, group: vec3<u32>, lane: u32) {
    let taps = KH * KW;
    if first >= FILTERS * taps { return; }
    for (var s = 0u; s < ROUND; s++) { parts[s][lane] = (*sums)[first + s]; }
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < 8u; i++) { sum += parts[lane / 8u][lane % 8u + i * 8u]; }
    eighths[lane] = sum;
    workgroupBarrier();
    let e = first + lane;
    let filter_ = group.y * FILTERS + e / taps;
    if lane < ROUND && e < FILTERS * taps && filter_ < params.k {
        var total = 0.0;
        for (var i = 0u; i < 8u; i++) { total += eighths[lane * 8u + i]; }
        dw[((group.x * params.k + filter_) * C + group.z) * taps + e % taps] = total;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let k = group.y * FILTERS;
    let c = group.z;
    let count = params.n * params.down * params.across;
    let end = min((group.x + 1u) * params.share, count);
    var tile = tile_of(group.x * params.share + lane);

    // From one filter to the next; one beyond the last repeats it, and is not written.
    let plane = select(params.oh * params.ow, params.down * params.across, EPILOGUE == 2u);
    var filters: array<u32, 8>;
    for (var f = 0u; f < 8u; f++) { filters[f] = min(k + f, params.k - 1u) * plane; }

    var sums: Sums;
    for (var t = group.x * params.share + lane; t < end; t += 64u) {
        var pixels: Patch;
        load_patch(&pixels, tile, c, 1u);
        var at = tile.n * params.k * plane;
        var count = 4u;
        if EPILOGUE == 2u {
            at += tile.i * params.across + tile.j;
        } else {
            at += tile.i * 4u * params.ow + tile.j;
            count = params.oh - tile.i * 4u;
        }
        // Written out: a loop this long stays a loop, and then the sums live in memory.
        add(&sums, 0u, at + filters[0], count, &pixels);
        add(&sums, 1u, at + filters[1], count, &pixels);
        add(&sums, 2u, at + filters[2], count, &pixels);
        add(&sums, 3u, at + filters[3], count, &pixels);
        add(&sums, 4u, at + filters[4], count, &pixels);
        add(&sums, 5u, at + filters[5], count, &pixels);
        add(&sums, 6u, at + filters[6], count, &pixels);
        add(&sums, 7u, at + filters[7], count, &pixels);
        // 64 tiles on.
        tile.j += params.step_j;
        let right = tile.j >= params.across;
        tile.j -= select(0u, params.across, right);
        tile.i += params.step_i + u32(right);
        let below = tile.i >= params.down;
        tile.i -= select(0u, params.down, below);
        tile.n += params.step_n + u32(below);
    }

    meet(0u, &sums, group, lane);
    meet(8u, &sums, group, lane);
    meet(16u, &sums, group, lane);
    meet(24u, &sums, group, lane);
    meet(32u, &sums, group, lane);
    meet(40u, &sums, group, lane);
    meet(48u, &sums, group, lane);
    meet(56u, &sums, group, lane);
    meet(64u, &sums, group, lane);
    meet(72u, &sums, group, lane);
}
