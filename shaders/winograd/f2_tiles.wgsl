// Winograd F(2x2,3x3), input transform: V = Bᵀ d B for every 4x4 tile d of x (tiles overlap by two), or of dy read through the
// epilogue; Bᵀ, with the points 0, ±1, ∞, is from Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2015).
// g0..g3: four neighbouring planes [H,W] (f32) of one sample, m0..m3: their masks (y or argmax); texels: [16][block of 32 tiles][C/4][tile] over c.
// One invocation: one tile of four channels. One workgroup: 8 tiles in row order; y counts channel quads; no shared memory.
// Traffic: 16 reads and 16 writes per 4 pixels and channel, 2 additions each and no multiplication: bound by memory.
// Next rung: F(4x4,3x3), whose tiles overlap less (2.25 values per pixel instead of 4) and save more products, but round more.
override EPILOGUE: u32 = 0u;   // 0 x or dy as it is, 1 dy where y > 0, 2 dy un-pooled by argmax

struct Params {
    h: u32, w: u32,                // plane of the convolution
    ph: u32, pw: u32,              // plane of g: half of it when pooled
    tiles_x: u32, tiles: u32,      // tiles in a row, in a sample
    channels: u32, first: u32,     // channels of g, first channel quad of this dispatch
    first_tile: u32, quads: u32,   // tile 0's column, channel quads of g
    first_texel: u32, position_stride: u32,
    g_shift: vec4<u32>,            // where channel 4*first + i starts in window i, in elements
    m_shift: vec4<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> g0: array<vec4<f32>, 4096>;
@group(0) @binding(2) var<uniform> g1: array<vec4<f32>, 4096>;
@group(0) @binding(3) var<uniform> g2: array<vec4<f32>, 4096>;
@group(0) @binding(4) var<uniform> g3: array<vec4<f32>, 4096>;
@group(0) @binding(5) var<uniform> m0: array<vec4<u32>, 4096>;
@group(0) @binding(6) var<uniform> m1: array<vec4<u32>, 4096>;
@group(0) @binding(7) var<uniform> m2: array<vec4<u32>, 4096>;
@group(0) @binding(8) var<uniform> m3: array<vec4<u32>, 4096>;
@group(0) @binding(9) var texels: texture_storage_2d<rgba32float, write>;

struct Four { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32> }

// Bᵀ times a column of four.
fn transform(x: Four) -> Four {
    return Four(x.a - x.c, x.b + x.c, x.c - x.b, x.b - x.d);
}

fn plane(e: u32) -> vec4<f32> {
    let i = params.g_shift + e;
    return vec4(g0[i.x >> 2u][i.x & 3u], g1[i.y >> 2u][i.y & 3u], g2[i.z >> 2u][i.z & 3u], g3[i.w >> 2u][i.w & 3u]);
}

fn mask(e: vec4<u32>) -> vec4<u32> {
    return vec4(m0[e.x >> 2u][e.x & 3u], m1[e.y >> 2u][e.y & 3u], m2[e.z >> 2u][e.z & 3u], m3[e.w >> 2u][e.w & 3u]);
}

// Row r, column s of four channels; zero outside the plane and beyond the last channel.
fn pixel(r: i32, s: i32, first: u32, alive: vec4<bool>) -> vec4<f32> {
    if EPILOGUE == 2u {
        let i = u32(r) >> 1u;
        let j = u32(s) >> 1u;
        let inside = r >= 0 && s >= 0 && i < params.ph && j < params.pw;
        let e = select(0u, first + i * params.pw + j, inside);
        let byte = params.m_shift + e;
        let code = (mask(byte >> vec4(2u)) >> ((byte & vec4(3u)) * 8u)) & vec4(255u);
        let here = code == vec4(2u * (u32(r) & 1u) + (u32(s) & 1u));
        return select(vec4(0.0), plane(e), here & alive & vec4(inside));
    }
    let inside = r >= 0 && s >= 0 && u32(r) < params.h && u32(s) < params.w;
    let e = select(0u, first + u32(r) * params.w + u32(s), inside);
    let value = select(vec4(0.0), plane(e), alive & vec4(inside));
    if EPILOGUE == 1u {
        return select(vec4(0.0), value, bitcast<vec4<f32>>(mask(params.m_shift + e)) > vec4(0.0));
    }
    return value;
}

// Bᵀ times column s of the tile that starts in row r.
fn column(r: i32, s: i32, first: u32, alive: vec4<bool>) -> Four {
    return transform(Four(
        pixel(r, s, first, alive), pixel(r + 1, s, first, alive),
        pixel(r + 2, s, first, alive), pixel(r + 3, s, first, alive)));
}

fn store(at: u32, value: vec4<f32>) {
    textureStore(texels, vec2(at % 2048u, at / 2048u), value);
}

fn put(at: u32, x: Four) {
    let s = params.position_stride;
    store(at, x.a);
    store(at + s, x.b);
    store(at + 2u * s, x.c);
    store(at + 3u * s, x.d);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = group.x * 8u + lane;
    if tile >= params.tiles {
        return;
    }
    let quad = params.first + group.y;
    let place = params.first_tile + tile;
    let at = params.first_texel + (place / 32u * params.quads + quad) * 32u + place % 32u;
    let alive = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u) < vec4(params.channels);
    let first = 4u * group.y * params.ph * params.pw;
    let ty = tile / params.tiles_x;
    let r = i32(2u * ty) - 1;
    let s = i32(2u * (tile - ty * params.tiles_x)) - 1;
    let y0 = column(r, s, first, alive);
    let y1 = column(r, s + 1, first, alive);
    let y2 = column(r, s + 2, first, alive);
    let y3 = column(r, s + 3, first, alive);
    let row = 4u * params.position_stride;
    put(at, transform(Four(y0.a, y1.a, y2.a, y3.a)));
    put(at + row, transform(Four(y0.b, y1.b, y2.b, y3.b)));
    put(at + 2u * row, transform(Four(y0.c, y1.c, y2.c, y3.c)));
    put(at + 3u * row, transform(Four(y0.d, y1.d, y2.d, y3.d)));
}
