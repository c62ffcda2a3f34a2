// Winograd F(4x4,3x3), input transform: V = Bᵀ d B for every 6x6 tile d of x (tiles overlap by two), or of dy read through the
// epilogue; Bᵀ d B, with the points 0, ±1, ±2, ∞, is from Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2015).
// g0..g3: four neighbouring planes [H,W] (f32) of one sample, m0..m3: their masks (y or argmax); texels: [36][block of 32 tiles][C/4][tile] over c.
// One invocation: one tile of four channels. One workgroup: 8 tiles in row order; y counts channel quads; no shared memory.
// Traffic: 36 reads (72 with the mask of ReLU, 32 when pooled) and 36 writes per 16 pixels and channel, 6 operations each: bound by loads, which is why the planes come in
// through uniform windows: a CPU driver gathers from a uniform block 2 to 15 times faster than from a storage buffer.
// Next rung: fused into the product, which would transform tiles as it loads them and save v.
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

struct Six { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>, e: vec4<f32>, f: vec4<f32> }

// Bᵀ times a column of six; the rows share p, q, r, s.
fn transform(x: Six) -> Six {
    let p = x.e - 4.0 * x.c;
    let q = x.d - 4.0 * x.b;
    let r = x.e - x.c;
    let s = 2.0 * (x.d - x.b);
    return Six(4.0 * x.a - 5.0 * x.c + x.e, p + q, p - q, r + s, r - s, 4.0 * x.b - 5.0 * x.d + x.f);
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
    let inside = r >= 0 && s >= 0 && u32(r) < params.h && u32(s) < params.w;
    let e = select(0u, first + u32(r) * params.w + u32(s), inside);
    let value = select(vec4(0.0), plane(e), alive & vec4(inside));
    if EPILOGUE == 1u {
        return select(vec4(0.0), value, bitcast<vec4<f32>>(mask(params.m_shift + e)) > vec4(0.0));
    }
    return value;
}

// Bᵀ times column s of the tile that starts in row r.
fn column(r: i32, s: i32, first: u32, alive: vec4<bool>) -> Six {
    return transform(Six(
        pixel(r, s, first, alive), pixel(r + 1, s, first, alive), pixel(r + 2, s, first, alive),
        pixel(r + 3, s, first, alive), pixel(r + 4, s, first, alive), pixel(r + 5, s, first, alive)));
}

struct Pooled { value: vec4<f32>, code: vec4<u32> }

// Element (i,j) of dy stands for 2x2 pixels, of which its code names the one that gets it.
fn pooled(i: i32, j: i32, first: u32, alive: vec4<bool>) -> Pooled {
    let inside = i >= 0 && j >= 0 && u32(i) < params.ph && u32(j) < params.pw;
    let e = select(0u, first + u32(i) * params.pw + u32(j), inside);
    let byte = params.m_shift + e;
    let code = (mask(byte >> vec4(2u)) >> ((byte & vec4(3u)) * 8u)) & vec4(255u);
    return Pooled(select(vec4(0.0), plane(e), alive & vec4(inside)), code);
}

fn part(p: Pooled, code: u32) -> vec4<f32> {
    return select(vec4(0.0), p.value, p.code == vec4(code));
}

struct Strip { a: Pooled, b: Pooled, c: Pooled, d: Pooled }

// The four elements of dy that a column of six pixels meets: of the first and the last it meets one pixel.
fn strip(i: i32, j: i32, first: u32, alive: vec4<bool>) -> Strip {
    return Strip(pooled(i, j, first, alive), pooled(i + 1, j, first, alive),
        pooled(i + 2, j, first, alive), pooled(i + 3, j, first, alive));
}

// Bᵀ times a column of pixels, left (0) or right (1) in its elements of dy.
fn column_of(x: Strip, side: u32) -> Six {
    return transform(Six(part(x.a, 2u + side), part(x.b, side), part(x.b, 2u + side),
        part(x.c, side), part(x.c, 2u + side), part(x.d, side)));
}

fn store(at: u32, value: vec4<f32>) {
    textureStore(texels, vec2(at % 2048u, at / 2048u), value);
}

fn put(at: u32, x: Six) {
    let s = params.position_stride;
    store(at, x.a);
    store(at + s, x.b);
    store(at + 2u * s, x.c);
    store(at + 3u * s, x.d);
    store(at + 4u * s, x.e);
    store(at + 5u * s, x.f);
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
    let r = i32(4u * ty) - 1;
    let s = i32(4u * (tile - ty * params.tiles_x)) - 1;
    var y0: Six;
    var y1: Six;
    var y2: Six;
    var y3: Six;
    var y4: Six;
    var y5: Six;
    if EPILOGUE == 2u {
        // The tile starts in an odd row and column: in the lower right of an element of dy.
        let i = (r - 1) / 2;
        let j = (s - 1) / 2;
        y0 = column_of(strip(i, j, first, alive), 1u);
        let left = strip(i, j + 1, first, alive);
        y1 = column_of(left, 0u);
        y2 = column_of(left, 1u);
        let right = strip(i, j + 2, first, alive);
        y3 = column_of(right, 0u);
        y4 = column_of(right, 1u);
        y5 = column_of(strip(i, j + 3, first, alive), 0u);
    } else {
        y0 = column(r, s, first, alive);
        y1 = column(r, s + 1, first, alive);
        y2 = column(r, s + 2, first, alive);
        y3 = column(r, s + 3, first, alive);
        y4 = column(r, s + 4, first, alive);
        y5 = column(r, s + 5, first, alive);
    }
    let row = 6u * params.position_stride;
    put(at, transform(Six(y0.a, y1.a, y2.a, y3.a, y4.a, y5.a)));
    put(at + row, transform(Six(y0.b, y1.b, y2.b, y3.b, y4.b, y5.b)));
    put(at + 2u * row, transform(Six(y0.c, y1.c, y2.c, y3.c, y4.c, y5.c)));
    put(at + 3u * row, transform(Six(y0.d, y1.d, y2.d, y3.d, y4.d, y5.d)));
    put(at + 4u * row, transform(Six(y0.e, y1.e, y2.e, y3.e, y4.e, y5.e)));
    put(at + 5u * row, transform(Six(y0.f, y1.f, y2.f, y3.f, y4.f, y5.f)));
}
