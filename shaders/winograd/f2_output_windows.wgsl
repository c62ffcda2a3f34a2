// Winograd F(2x2,3x3), output transform: Y = Aᵀ M A turns the 4x4 products of a tile into its 2x2 outputs (Lavin & Gray 2015),
// then bias, ReLU and 2x2 max-pooling (a tile is one window), so that the activation before the epilogue is never in memory.
// m0..m7: products of positions 2q and 2q+1, [K/4][2][tile] vec4 over k, as uniform windows; b: [K]; y: [N,K,PH,PW];
// codes: window index of each maximum, one u32 each in the order of y (pooled only; packed to bytes afterwards).
// One invocation: one tile of four filters. One workgroup: 8 tiles; y counts filter quads; no shared memory.
// Traffic: 16 reads, 4 writes (1 when pooled) per tile and filter, 24 additions: bound by memory.
// Next rung: F(4x4,3x3), which reads 2.25 values per output instead of 4.
override EPILOGUE: u32 = 0u;    // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling
override BIAS: bool = true;     // add b first

struct Params {
    oh: u32, ow: u32, ph: u32, pw: u32,
    tiles_x: u32, tiles: u32,          // tiles in a row, in a sample
    samples: u32, first_sample: u32,   // of this chunk
    columns: u32, filters: u32,        // tiles of a row of m, padded; K
    first_quad: u32, first_column: u32,  // first filter quad; tile of the chunk that column 0 of m belongs to
}

@group(0) @binding(0) var<storage, read> b: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> codes: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;
@group(0) @binding(4) var<uniform> m0: array<vec4<f32>, 4096>;
@group(0) @binding(5) var<uniform> m1: array<vec4<f32>, 4096>;
@group(0) @binding(6) var<uniform> m2: array<vec4<f32>, 4096>;
@group(0) @binding(7) var<uniform> m3: array<vec4<f32>, 4096>;
@group(0) @binding(8) var<uniform> m4: array<vec4<f32>, 4096>;
@group(0) @binding(9) var<uniform> m5: array<vec4<f32>, 4096>;
@group(0) @binding(10) var<uniform> m6: array<vec4<f32>, 4096>;
@group(0) @binding(11) var<uniform> m7: array<vec4<f32>, 4096>;

struct Two { a: vec4<f32>, b: vec4<f32> }

// Aᵀ times a column of four.
fn transform(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> Two {
    return Two(a + b + c, b - c - d);
}

// Component i to `at` + step[i]. A filter that does not exist has step 0: component 0, written last, overwrites it.
fn put(at: u32, step: vec4<u32>, inside: bool, value: vec4<f32>) {
    if !inside {
        return;
    }
    let v = select(value, max(value, vec4(0.0)), EPILOGUE == 1u);
    y[at + step.w] = v.w;
    y[at + step.z] = v.z;
    y[at + step.y] = v.y;
    y[at] = v.x;
}

// ReLU and the maximum of a 2x2 window; the first of equals wins, 255 where ReLU lets nothing pass.
fn pool(at: u32, step: vec4<u32>, inside: bool, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) {
    if !inside {
        return;
    }
    var best = w0;
    var code = vec4(0u);
    code = select(code, vec4(1u), w1 > best);
    best = max(best, w1);
    code = select(code, vec4(2u), w2 > best);
    best = max(best, w2);
    code = select(code, vec4(3u), w3 > best);
    best = max(best, w3);
    let alive = best > vec4(0.0);
    let v = select(vec4(0.0), best, alive);
    code = select(vec4(255u), code, alive);
    let c = at - params.first_sample * params.filters * params.ph * params.pw;
    y[at + step.w] = v.w;
    y[at + step.z] = v.z;
    y[at + step.y] = v.y;
    y[at] = v.x;
    codes[c + step.w] = code.w;
    codes[c + step.z] = code.z;
    codes[c + step.y] = code.y;
    codes[c] = code.x;
}

// Loads a part of every cache line of y (and codes) that the group will write, each lane for one of the four filters. A store to a line
// that is not in the cache waits for it, and stores wait one after the other; loads wait together.
fn touch(at: u32, lane: u32) -> u32 {
    let plane = params.ph * params.pw;
    let line = at + (lane & 3u) * plane;
    if EPILOGUE == 2u {
        return bitcast<u32>(y[line]) | codes[line - params.first_sample * params.filters * plane];
    }
    return bitcast<u32>(y[line + (lane >> 2u) * params.ow]);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = group.x * 8u + lane;
    let chunk_tile = params.first_column + column;
    let sample = chunk_tile / params.tiles;
    if sample >= params.samples {
        return;
    }
    let tile = chunk_tile - sample * params.tiles;
    let quad = params.first_quad + group.y;
    let k = 4u * quad;
    let ty = tile / params.tiles_x;
    let tx = tile - ty * params.tiles_x;
    let plane = ((params.first_sample + sample) * params.filters + k) * params.ph * params.pw;
    var e = plane + 2u * ty * params.ow + 2u * tx;
    if EPILOGUE == 2u {
        e = plane + ty * params.pw + tx;
    }
    // What was seen adds nothing, for the grid is 1 deep; but what is not used is not loaded.
    e += touch(e, lane) & group.z;
    let n = params.columns;
    let at = group.y * 2u * n + column;
    let c0 = transform(m0[at], m2[at], m4[at], m6[at]);
    let c1 = transform(m0[at + n], m2[at + n], m4[at + n], m6[at + n]);
    let c2 = transform(m1[at], m3[at], m5[at], m7[at]);
    let c3 = transform(m1[at + n], m3[at + n], m5[at + n], m7[at + n]);
    var bias = vec4(0.0);
    if BIAS {
        let last = params.filters - 1u;
        bias = vec4(b[k], b[min(k + 1u, last)], b[min(k + 2u, last)], b[min(k + 3u, last)]);
    }
    let r0 = transform(c0.a, c1.a, c2.a, c3.a);
    let r1 = transform(c0.b, c1.b, c2.b, c3.b);
    let filters = vec4(k) + vec4(0u, 1u, 2u, 3u);
    let step = select(vec4(0u), vec4(0u, 1u, 2u, 3u) * (params.ph * params.pw), filters < vec4(params.filters));
    if EPILOGUE == 2u {
        pool(e, step, ty < params.ph && tx < params.pw, r0.a + bias, r0.b + bias, r1.a + bias, r1.b + bias);
        return;
    }
    let i = 2u * ty;
    let j = 2u * tx;
    let right = j + 1u < params.ow;
    let down = i + 1u < params.oh;
    put(e, step, true, r0.a + bias);
    put(e + 1u, step, right, r0.b + bias);
    put(e + params.ow, step, down, r1.a + bias);
    put(e + params.ow + 1u, step, right && down, r1.b + bias);
}
