// What the output transforms of Winograd share: sizes, bindings, and the epilogue: bias, ReLU and 2x2 max-pooling.

// Four channels.
alias Value = vec4<f32>;

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

// Of a tile: its sample's plane of y for filter k, its row and column of tiles.
struct Tile { plane: u32, k: u32, y: u32, x: u32, inside: bool }

fn tile_of(column: u32, quad: u32) -> Tile {
    let chunk_tile = params.first_column + column;
    let sample = chunk_tile / params.tiles;
    let tile = chunk_tile - sample * params.tiles;
    let k = 4u * (params.first_quad + quad);
    let y = tile / params.tiles_x;
    let plane = ((params.first_sample + sample) * params.filters + k) * params.ph * params.pw;
    return Tile(plane, k, y, tile - y * params.tiles_x, sample < params.samples);
}

// Bias of filters k..k+3; one that does not exist repeats the last.
fn biases(k: u32) -> vec4<f32> {
    if !BIAS {
        return vec4(0.0);
    }
    let last = params.filters - 1u;
    return vec4(b[k], b[min(k + 1u, last)], b[min(k + 2u, last)], b[min(k + 3u, last)]);
}

// From filter k's plane of y to those of k..k+3; 0 for a filter that does not exist.
fn steps(k: u32) -> vec4<u32> {
    let filters = vec4(k) + vec4(0u, 1u, 2u, 3u);
    return select(vec4(0u), vec4(0u, 1u, 2u, 3u) * (params.ph * params.pw), filters < vec4(params.filters));
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
