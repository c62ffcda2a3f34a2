// Winograd F(4x4,3x3), input transform for the weight gradient: V = Bᵀ d B for every 6x6 tile d of x, packed over tiles instead of
// channels, because tiles are what the weight gradient sums over (Lavin & Gray 2015).
// x: some planes [H,W] of one sample, as a uniform window; v: [panel][36][channel][tile/4] vec4 over four tiles in row order.
// One invocation: four tiles of one channel. One workgroup: 8 such quads; y counts channels; no shared memory.
// Traffic: 36 reads and 36 writes per 16 pixels; loads bound it, so they go through the uniform address space.
// Next rung: fused into the product, which would transform tiles as it loads them and save v.
struct Params {
    h: u32, w: u32,
    tiles_x: u32, tiles: u32,      // tiles in a row, in a sample
    first: u32, first_quad: u32,   // channel of the window's first plane, tile quad of tile 0
    panel: u32, panel_stride: u32, // channels of a panel
    position_stride: u32, shift: u32,
    row_step: u32, reserved: u32,  // vec4s from one channel to the next
}

@group(0) @binding(0) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> x: array<vec4<f32>, 4096>;

struct Six { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>, e: vec4<f32>, f: vec4<f32> }

// Bᵀ times a column of six; the rows share p, q, r, s.
fn transform(x: Six) -> Six {
    let p = x.e - 4.0 * x.c;
    let q = x.d - 4.0 * x.b;
    let r = x.e - x.c;
    let s = 2.0 * (x.d - x.b);
    return Six(4.0 * x.a - 5.0 * x.c + x.e, p + q, p - q, r + s, r - s, 4.0 * x.b - 5.0 * x.d + x.f);
}

// Row r, column s of four tiles; zero outside the plane and for tiles that don't exist.
fn pixel(r: vec4<i32>, s: vec4<i32>, first: u32, alive: vec4<bool>) -> vec4<f32> {
    let inside = alive & (r >= vec4(0)) & (s >= vec4(0)) & (r < vec4(i32(params.h))) & (s < vec4(i32(params.w)));
    let e = vec4(first) + select(vec4(0u), vec4<u32>(r * i32(params.w) + s), inside);
    let value = vec4(x[e.x >> 2u][e.x & 3u], x[e.y >> 2u][e.y & 3u], x[e.z >> 2u][e.z & 3u], x[e.w >> 2u][e.w & 3u]);
    return select(vec4(0.0), value, inside);
}

// Bᵀ times column s of the tile that starts in row r.
fn column(r: vec4<i32>, s: vec4<i32>, first: u32, alive: vec4<bool>) -> Six {
    return transform(Six(
        pixel(r, s, first, alive), pixel(r + 1, s, first, alive), pixel(r + 2, s, first, alive),
        pixel(r + 3, s, first, alive), pixel(r + 4, s, first, alive), pixel(r + 5, s, first, alive)));
}

fn put(at: u32, x: Six) {
    let s = params.position_stride;
    v[at] = x.a;
    v[at + s] = x.b;
    v[at + 2u * s] = x.c;
    v[at + 3u * s] = x.d;
    v[at + 4u * s] = x.e;
    v[at + 5u * s] = x.f;
}

// Loads a part of every cache line that the group will write. A store to a line that is not in the cache waits for it, and stores
// wait one after the other; loads wait together.
fn touch(first: u32, lane: u32) -> u32 {
    let stride = params.position_stride;
    var seen = 0u;
    for (var p = lane; p < 36u; p += 8u) {
        let line = first + p * stride;
        seen |= bitcast<u32>(v[line].x) | bitcast<u32>(v[line + 4u].x) | bitcast<u32>(v[line + 7u].x);
    }
    return seen;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quad = group.x * 8u + lane;
    if 4u * quad >= params.tiles {
        return;
    }
    let channel = params.first + group.y;
    let panel = channel / params.panel;
    var at = panel * params.panel_stride + (channel - panel * params.panel) * params.row_step + params.first_quad + quad;
    // What was seen adds nothing, for the grid is 1 deep; but what is not used is not loaded.
    at += touch(at - lane, lane) & group.z;
    let tile = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u);
    let alive = tile < vec4(params.tiles);
    let ty = tile / params.tiles_x;
    let r = vec4<i32>(4u * ty) - 1;
    let s = vec4<i32>(4u * (tile - ty * params.tiles_x)) - 1;
    let first = params.shift + group.y * params.h * params.w;
    let y0 = column(r, s, first, alive);
    let y1 = column(r, s + 1, first, alive);
    let y2 = column(r, s + 2, first, alive);
    let y3 = column(r, s + 3, first, alive);
    let y4 = column(r, s + 4, first, alive);
    let y5 = column(r, s + 5, first, alive);
    let row = 6u * params.position_stride;
    put(at, transform(Six(y0.a, y1.a, y2.a, y3.a, y4.a, y5.a)));
    put(at + row, transform(Six(y0.b, y1.b, y2.b, y3.b, y4.b, y5.b)));
    put(at + 2u * row, transform(Six(y0.c, y1.c, y2.c, y3.c, y4.c, y5.c)));
    put(at + 3u * row, transform(Six(y0.d, y1.d, y2.d, y3.d, y4.d, y5.d)));
    put(at + 4u * row, transform(Six(y0.e, y1.e, y2.e, y3.e, y4.e, y5.e)));
    put(at + 5u * row, transform(Six(y0.f, y1.f, y2.f, y3.f, y4.f, y5.f)));
}
