// Winograd F(4x4,3x3), gradient transform: D = A g Aᵀ for every 4x4 tile g of dy, read through the epilogue: the adjoint of the
// output transform (Lavin & Gray 2015). Then dU = Σ over tiles of D ⊙ V.
// dy: some planes [PH,PW] of one sample and mask: y or argmax, both uniform windows; d: [panel][36][filter][tile/4] vec4 over tiles.
// One invocation: four tiles of one filter. One workgroup: 8 such quads; y counts filters; no shared memory.
// Traffic: 16 reads (32 with the mask of ReLU, 8 when pooled) and 36 writes per 16 pixels; D[1][1] is the sum of a tile, which gives
// the bias gradient.
// Next rung: storage buffers in place of windows, for GPUs, which load from them as fast.
override EPILOGUE: u32 = 0u;   // 0 dy as it is, 1 dy where y > 0, 2 dy un-pooled by argmax

struct Params {
    h: u32, w: u32,                // plane of the convolution
    tiles_x: u32, tiles: u32,      // tiles in a row, in a sample
    first: u32, first_quad: u32,   // filter of the window's first plane, tile quad of tile 0
    panel: u32, panel_stride: u32, // filters of a panel
    position_stride: u32, shift: u32,
    row_step: u32, ph: u32, pw: u32,  // vec4s from one filter to the next; plane of dy: half of the convolution's when pooled
    mask_shift: u32, reserved0: u32, reserved1: u32,
}

@group(0) @binding(0) var<storage, read_write> d: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> dy: array<vec4<f32>, 4096>;
@group(0) @binding(3) var<uniform> mask: array<vec4<u32>, 4096>;

struct Six { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>, e: vec4<f32>, f: vec4<f32> }

// A times a column of four: sums at 0, 1, -1, 2, -2 and infinity.
fn transform(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> Six {
    let p = a + c;
    let q = b + d;
    let r = a + 4.0 * c;
    let s = 2.0 * b + 8.0 * d;
    return Six(a, p + q, p - q, r + s, r - s, d);
}

fn gather(e: vec4<u32>) -> vec4<f32> {
    return vec4(dy[e.x >> 2u][e.x & 3u], dy[e.y >> 2u][e.y & 3u], dy[e.z >> 2u][e.z & 3u], dy[e.w >> 2u][e.w & 3u]);
}

fn gather_mask(e: vec4<u32>) -> vec4<u32> {
    return vec4(mask[e.x >> 2u][e.x & 3u], mask[e.y >> 2u][e.y & 3u], mask[e.z >> 2u][e.z & 3u], mask[e.w >> 2u][e.w & 3u]);
}

// Row r, column s of four tiles; zero outside the plane and for tiles that don't exist.
fn pixel(r: vec4<u32>, s: vec4<u32>, plane: u32, alive: vec4<bool>) -> vec4<f32> {
    let inside = alive & (r < vec4(params.h)) & (s < vec4(params.w));
    let e = vec4(plane) + select(vec4(0u), r * params.w + s, inside);
    let value = select(vec4(0.0), gather(e + params.shift), inside);
    if EPILOGUE == 1u {
        return select(vec4(0.0), value, bitcast<vec4<f32>>(gather_mask(e + params.mask_shift)) > vec4(0.0));
    }
    return value;
}

// A times column s of the tile that starts in row r.
fn column(r: vec4<u32>, s: vec4<u32>, plane: u32, alive: vec4<bool>) -> Six {
    return transform(
        pixel(r, s, plane, alive), pixel(r + 1u, s, plane, alive),
        pixel(r + 2u, s, plane, alive), pixel(r + 3u, s, plane, alive));
}

struct Pooled { value: vec4<f32>, code: vec4<u32> }

// One element of dy stands for 2x2 pixels, of which its code names the one that gets it.
fn pooled(i: vec4<u32>, j: vec4<u32>, plane: u32, alive: vec4<bool>) -> Pooled {
    let inside = alive & (i < vec4(params.ph)) & (j < vec4(params.pw));
    let e = vec4(plane) + select(vec4(0u), i * params.pw + j, inside);
    let byte = e + params.mask_shift;
    let code = (gather_mask(byte >> vec4(2u)) >> ((byte & vec4(3u)) * 8u)) & vec4(255u);
    return Pooled(select(vec4(0.0), gather(e + params.shift), inside), code);
}

fn part(p: Pooled, code: u32) -> vec4<f32> {
    return select(vec4(0.0), p.value, p.code == vec4(code));
}

// A times a column of pixels, left (0) or right (1) in its two elements of dy.
fn column_of(up: Pooled, down: Pooled, side: u32) -> Six {
    return transform(part(up, side), part(up, 2u + side), part(down, side), part(down, 2u + side));
}

fn put(at: u32, x: Six) {
    let s = params.position_stride;
    d[at] = x.a;
    d[at + s] = x.b;
    d[at + 2u * s] = x.c;
    d[at + 3u * s] = x.d;
    d[at + 4u * s] = x.e;
    d[at + 5u * s] = x.f;
}

// Loads a part of every cache line that the group will write. A store to a line that is not in the cache waits for it, and stores
// wait one after the other; loads wait together.
fn touch(first: u32, lane: u32) -> u32 {
    let stride = params.position_stride;
    var seen = 0u;
    for (var p = lane; p < 36u; p += 8u) {
        let line = first + p * stride;
        seen |= bitcast<u32>(d[line].x) | bitcast<u32>(d[line + 4u].x) | bitcast<u32>(d[line + 7u].x);
    }
    return seen;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quad = group.x * 8u + lane;
    if 4u * quad >= params.tiles {
        return;
    }
    let filter_index = params.first + group.y;
    let panel = filter_index / params.panel;
    var at = panel * params.panel_stride + (filter_index - panel * params.panel) * params.row_step + params.first_quad + quad;
    // What was seen adds nothing, for the grid is 1 deep; but what is not used is not loaded.
    at += touch(at - lane, lane) & group.z;
    let tile = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u);
    let alive = tile < vec4(params.tiles);
    let ty = tile / params.tiles_x;
    let r = 4u * ty;
    let s = 4u * (tile - ty * params.tiles_x);
    let plane = group.y * params.ph * params.pw;
    var y0: Six;
    var y1: Six;
    var y2: Six;
    var y3: Six;
    if EPILOGUE == 2u {
        let i = r >> vec4(1u);
        let j = s >> vec4(1u);
        let left_up = pooled(i, j, plane, alive);
        let left_down = pooled(i + 1u, j, plane, alive);
        let right_up = pooled(i, j + 1u, plane, alive);
        let right_down = pooled(i + 1u, j + 1u, plane, alive);
        y0 = column_of(left_up, left_down, 0u);
        y1 = column_of(left_up, left_down, 1u);
        y2 = column_of(right_up, right_down, 0u);
        y3 = column_of(right_up, right_down, 1u);
    } else {
        y0 = column(r, s, plane, alive);
        y1 = column(r, s + 1u, plane, alive);
        y2 = column(r, s + 2u, plane, alive);
        y3 = column(r, s + 3u, plane, alive);
    }
    let row = 6u * params.position_stride;
    put(at, transform(y0.a, y1.a, y2.a, y3.a));
    put(at + row, transform(y0.b, y1.b, y2.b, y3.b));
    put(at + 2u * row, transform(y0.c, y1.c, y2.c, y3.c));
    put(at + 3u * row, transform(y0.d, y1.d, y2.d, y3.d));
    put(at + 4u * row, transform(y0.e, y1.e, y2.e, y3.e));
    put(at + 5u * row, transform(y0.f, y1.f, y2.f, y3.f));
}
