// Winograd F(2x2,3x3), gradient transform: D = A g Aᵀ for every 2x2 tile g of dy, read through the epilogue: the adjoint of the
// output transform (Lavin & Gray 2015). Then dU = Σ over tiles of D ⊙ V.
// dy: some planes [PH,PW] of one sample and mask: y or argmax, both uniform windows; d: [panel][16][filter][tile/4] vec4 over tiles.
// One invocation: four tiles of one filter. One workgroup: 8 such quads; y counts filters; no shared memory.
// Traffic: 4 reads (8 with the mask) and 16 writes per 4 pixels; D[1][1] is the sum of a tile, which gives the bias gradient.
// Next rung: F(4x4,3x3), which writes 2.25 values per pixel instead of 4.
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

struct Four { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32> }

// A times a column of two: sums at 0, 1, -1 and infinity.
fn transform(a: vec4<f32>, b: vec4<f32>) -> Four {
    return Four(a, a + b, a - b, -b);
}

fn gather(e: vec4<u32>) -> vec4<f32> {
    return vec4(dy[e.x >> 2u][e.x & 3u], dy[e.y >> 2u][e.y & 3u], dy[e.z >> 2u][e.z & 3u], dy[e.w >> 2u][e.w & 3u]);
}

fn gather_mask(e: vec4<u32>) -> vec4<u32> {
    return vec4(mask[e.x >> 2u][e.x & 3u], mask[e.y >> 2u][e.y & 3u], mask[e.z >> 2u][e.z & 3u], mask[e.w >> 2u][e.w & 3u]);
}

// Row r, column s of four tiles; zero outside the plane and for tiles that don't exist.
fn pixel(r: vec4<u32>, s: vec4<u32>, plane: u32, alive: vec4<bool>) -> vec4<f32> {
    if EPILOGUE == 2u {
        let i = r >> vec4(1u);
        let j = s >> vec4(1u);
        let inside = alive & (i < vec4(params.ph)) & (j < vec4(params.pw));
        let e = vec4(plane) + select(vec4(0u), i * params.pw + j, inside);
        let byte = e + params.mask_shift;
        let code = (gather_mask(byte >> vec4(2u)) >> ((byte & vec4(3u)) * 8u)) & vec4(255u);
        let here = code == 2u * (r & vec4(1u)) + (s & vec4(1u));
        return select(vec4(0.0), gather(e + params.shift), here & inside);
    }
    let inside = alive & (r < vec4(params.h)) & (s < vec4(params.w));
    let e = vec4(plane) + select(vec4(0u), r * params.w + s, inside);
    let value = select(vec4(0.0), gather(e + params.shift), inside);
    if EPILOGUE == 1u {
        return select(vec4(0.0), value, bitcast<vec4<f32>>(gather_mask(e + params.mask_shift)) > vec4(0.0));
    }
    return value;
}

// A times column s of the tile that starts in row r.
fn column(r: vec4<u32>, s: vec4<u32>, plane: u32, alive: vec4<bool>) -> Four {
    return transform(pixel(r, s, plane, alive), pixel(r + 1u, s, plane, alive));
}

fn put(at: u32, x: Four) {
    let s = params.position_stride;
    d[at] = x.a;
    d[at + s] = x.b;
    d[at + 2u * s] = x.c;
    d[at + 3u * s] = x.d;
}

// Loads a part of every cache line that the group will write. A store to a line that is not in the cache waits for it, and stores
// wait one after the other; loads wait together.
fn touch(first: u32, lane: u32) -> u32 {
    let stride = params.position_stride;
    var seen = 0u;
    for (var p = lane; p < 16u; p += 8u) {
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
    let r = 2u * ty;
    let s = 2u * (tile - ty * params.tiles_x);
    let plane = group.y * params.ph * params.pw;
    let y0 = column(r, s, plane, alive);
    let y1 = column(r, s + 1u, plane, alive);
    let row = 4u * params.position_stride;
    put(at, transform(y0.a, y1.a));
    put(at + row, transform(y0.b, y1.b));
    put(at + 2u * row, transform(y0.c, y1.c));
    put(at + 3u * row, transform(y0.d, y1.d));
}
