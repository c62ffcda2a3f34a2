// Convolution 3x3 of few channels: y[n,k,i,j] = b[k] + Σ w[k,c,u,v] · x[n,c,i+u-1,j+v-1], then ReLU, or ReLU and 2x2 max-pooling.
// x0..x3: a band of rows of one plane each, w0: all weights [K,C,3,3], as uniform windows; b: [K]; y: [N,K,PH,PW];
// codes: window index of each maximum, one u32 each in the order of y (pooled only; packed to bytes afterwards).
// One invocation: a 2x2 block of outputs of 8 filters, from a 4x4 patch in registers. One workgroup: 8 blocks in row order; y counts
// groups of 8 filters: lane i loads the taps of filter i, and all lanes share them by subgroupShuffle with a constant lane.
// Traffic: 16 reads per 288 multiply-adds and 8 (pooled) to 32 writes: the writes bound it, as they must with one input channel.
// Next rung: with more channels one vec4 of four channels per read, and a matrix product that keeps 128 sums (im2col).
override EPILOGUE: u32 = 0u;    // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling
override CHANNELS: u32 = 1u;    // 1 to 4; a constant, so that the code for the others disappears

struct Params {
    h: u32, w: u32, ph: u32, pw: u32,
    blocks: u32, blocks_x: u32,        // blocks of this band, in a row
    first_row: u32, skip: u32,         // first row of blocks; elements of a plane in front of what the band starts with
    filters: u32, sample: u32,         // K; n
    first_code: u32, weight: u32,      // codes: where the sample starts; where the weights start in their window
    shift: vec4<u32>,                  // where the band starts in window c
}

@group(0) @binding(0) var<storage, read> b: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> codes: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;
@group(0) @binding(4) var<uniform> w0: array<vec4<f32>, 4096>;
@group(0) @binding(5) var<uniform> x0: array<vec4<f32>, 4096>;
@group(0) @binding(6) var<uniform> x1: array<vec4<f32>, 4096>;
@group(0) @binding(7) var<uniform> x2: array<vec4<f32>, 4096>;
@group(0) @binding(8) var<uniform> x3: array<vec4<f32>, 4096>;

// Pixels (0,0) (0,1) (1,0) (1,1) of the block, moved by each tap: what the tap multiplies.
struct Patch {
    t00: vec4<f32>, t01: vec4<f32>, t02: vec4<f32>,
    t10: vec4<f32>, t11: vec4<f32>, t12: vec4<f32>,
    t20: vec4<f32>, t21: vec4<f32>, t22: vec4<f32>,
}

struct Taps {
    t00: f32, t01: f32, t02: f32,
    t10: f32, t11: f32, t12: f32,
    t20: f32, t21: f32, t22: f32,
}

fn load(channel: u32, e: u32) -> f32 {
    if channel == 0u {
        return x0[e >> 2u][e & 3u];
    }
    if channel == 1u {
        return x1[e >> 2u][e & 3u];
    }
    if channel == 2u {
        return x2[e >> 2u][e & 3u];
    }
    return x3[e >> 2u][e & 3u];
}

// Columns s..s+3 of row r; zeros outside the plane.
fn row(channel: u32, r: i32, s: i32, start: u32) -> vec4<f32> {
    let across = vec4(s) + vec4(0, 1, 2, 3);
    let inside = vec4(r >= 0 && r < i32(params.h)) & (across >= vec4(0)) & (across < vec4(i32(params.w)));
    let e = select(vec4(start + params.skip), vec4(start) + vec4<u32>(across + r * i32(params.w)), inside);
    return select(vec4(0.0), vec4(load(channel, e.x), load(channel, e.y), load(channel, e.z), load(channel, e.w)), inside);
}

fn patch_at(channel: u32, i: i32, j: i32) -> Patch {
    let start = params.shift[channel] - params.skip;
    let r0 = row(channel, 2 * i - 1, 2 * j - 1, start);
    let r1 = row(channel, 2 * i, 2 * j - 1, start);
    let r2 = row(channel, 2 * i + 1, 2 * j - 1, start);
    let r3 = row(channel, 2 * i + 2, 2 * j - 1, start);
    return Patch(
        vec4(r0.xy, r1.xy), vec4(r0.yz, r1.yz), vec4(r0.zw, r1.zw),
        vec4(r1.xy, r2.xy), vec4(r1.yz, r2.yz), vec4(r1.zw, r2.zw),
        vec4(r2.xy, r3.xy), vec4(r2.yz, r3.yz), vec4(r2.zw, r3.zw));
}

fn weight(e: u32) -> f32 {
    return w0[e >> 2u][e & 3u];
}

fn taps_of(channel: u32, k: u32) -> Taps {
    let e = params.weight + (min(k, params.filters - 1u) * CHANNELS + channel) * 9u;
    return Taps(
        weight(e), weight(e + 1u), weight(e + 2u), weight(e + 3u), weight(e + 4u), weight(e + 5u),
        weight(e + 6u), weight(e + 7u), weight(e + 8u));
}

fn products(w: Taps, lane: u32, x: Patch) -> vec4<f32> {
    return (subgroupShuffle(w.t00, lane) * x.t00 + subgroupShuffle(w.t01, lane) * x.t01 + subgroupShuffle(w.t02, lane) * x.t02)
        + (subgroupShuffle(w.t10, lane) * x.t10 + subgroupShuffle(w.t11, lane) * x.t11 + subgroupShuffle(w.t12, lane) * x.t12)
        + (subgroupShuffle(w.t20, lane) * x.t20 + subgroupShuffle(w.t21, lane) * x.t21 + subgroupShuffle(w.t22, lane) * x.t22);
}

// The block whose first output is at `at`; `right` and `down` say whether its second column and row exist.
fn put(at: u32, right: bool, down: bool, value: vec4<f32>) {
    if EPILOGUE == 2u {
        // The first of equals wins; 255 where ReLU lets nothing pass.
        var best = value.x;
        var code = 0u;
        code = select(code, 1u, value.y > best);
        best = max(best, value.y);
        code = select(code, 2u, value.z > best);
        best = max(best, value.z);
        code = select(code, 3u, value.w > best);
        best = max(best, value.w);
        y[at] = select(0.0, best, best > 0.0);
        codes[params.first_code + at - params.sample * params.filters * params.ph * params.pw] = select(255u, code, best > 0.0);
        return;
    }
    let v = select(value, max(value, vec4(0.0)), EPILOGUE == 1u);
    y[at] = v.x;
    if right {
        y[at + 1u] = v.y;
    }
    if down {
        y[at + params.pw] = v.z;
    }
    if right && down {
        y[at + params.pw + 1u] = v.w;
    }
}

// Filter first + f of the block: f is a constant where this is called, which makes the shuffles single instructions.
fn filter_at(f: u32, sums: vec4<f32>, first: u32, place: u32, inside: vec3<bool>) {
    if inside.x && first + f < params.filters {
        put(place + f * params.ph * params.pw, inside.y, inside.z, sums);
    }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = group.x * 8u + lane;
    let down = block / params.blocks_x;
    let i = params.first_row + down;
    let j = block - down * params.blocks_x;
    let first = group.y * 8u;
    // Every lane takes part in the shuffles, also those whose block or filter does not exist.
    let k = min(first + lane, params.filters - 1u);
    let bias = b[k];
    let p = patch_at(0u, i32(i), i32(j));
    let w = taps_of(0u, k);
    var s0 = vec4(subgroupShuffle(bias, 0u)) + products(w, 0u, p);
    var s1 = vec4(subgroupShuffle(bias, 1u)) + products(w, 1u, p);
    var s2 = vec4(subgroupShuffle(bias, 2u)) + products(w, 2u, p);
    var s3 = vec4(subgroupShuffle(bias, 3u)) + products(w, 3u, p);
    var s4 = vec4(subgroupShuffle(bias, 4u)) + products(w, 4u, p);
    var s5 = vec4(subgroupShuffle(bias, 5u)) + products(w, 5u, p);
    var s6 = vec4(subgroupShuffle(bias, 6u)) + products(w, 6u, p);
    var s7 = vec4(subgroupShuffle(bias, 7u)) + products(w, 7u, p);
    if CHANNELS > 1u {
        let q = patch_at(1u, i32(i), i32(j));
        let v = taps_of(1u, k);
        s0 += products(v, 0u, q); s1 += products(v, 1u, q); s2 += products(v, 2u, q); s3 += products(v, 3u, q);
        s4 += products(v, 4u, q); s5 += products(v, 5u, q); s6 += products(v, 6u, q); s7 += products(v, 7u, q);
    }
    if CHANNELS > 2u {
        let q = patch_at(2u, i32(i), i32(j));
        let v = taps_of(2u, k);
        s0 += products(v, 0u, q); s1 += products(v, 1u, q); s2 += products(v, 2u, q); s3 += products(v, 3u, q);
        s4 += products(v, 4u, q); s5 += products(v, 5u, q); s6 += products(v, 6u, q); s7 += products(v, 7u, q);
    }
    if CHANNELS > 3u {
        let q = patch_at(3u, i32(i), i32(j));
        let v = taps_of(3u, k);
        s0 += products(v, 0u, q); s1 += products(v, 1u, q); s2 += products(v, 2u, q); s3 += products(v, 3u, q);
        s4 += products(v, 4u, q); s5 += products(v, 5u, q); s6 += products(v, 6u, q); s7 += products(v, 7u, q);
    }
    let plane = params.ph * params.pw;
    let size = select(1u, 2u, EPILOGUE != 2u);
    let place = (params.sample * params.filters + first) * plane + size * (i * params.pw + j);
    let inside = vec3(block < params.blocks, size * j + 1u < params.pw, size * i + 1u < params.ph);
    filter_at(0u, s0, first, place, inside);
    filter_at(1u, s1, first, place, inside);
    filter_at(2u, s2, first, place, inside);
    filter_at(3u, s3, first, place, inside);
    filter_at(4u, s4, first, place, inside);
    filter_at(5u, s5, first, place, inside);
    filter_at(6u, s6, first, place, inside);
    filter_at(7u, s7, first, place, inside);
}
