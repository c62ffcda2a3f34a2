// Planes with the padding that a kernel reads, four channels to a texel: zero where the source has no pixel.
// planes[c,r,s] = source[n, c, (r - top) / DOWN, (s - left) / DOWN] for padded pixel (r,s).
// Source x, DOWN 1; or dy read through the epilogue, DOWN the stride where its rows are to lie as far apart as those of x.
// g0..g3: planes of four neighbouring channels from row `skip / pw` on, m0..m3: their masks (y or argmax), or four more channels where
// nothing masks, all uniform windows; planes: [channel quad][padded pixel] over the four channels.
// One invocation: one pixel of four channels, of eight where nothing masks. One workgroup: 64 pixels; y counts quads of a window; no
// shared memory.
// Traffic: one read and one write per pixel, and the padding. What reads the planes then has 4 channels in one load, no borders to
// check and no mask to look through, as often as tiles overlap or taps meet.
// Next rung: none; the op before could write its output so.
override EPILOGUE: u32 = 0u;   // 0 the source as it is, 1 where the mask is > 0, 2 un-pooled by argmax
override DOWN_H: i32 = 1;
override DOWN_W: i32 = 1;

struct Params {
    rows: u32, columns: u32,           // of the source, before pooling
    ph: u32, pw: u32,                  // of a stored plane
    pitch: u32, pixels: u32,           // pixels of a padded row, of a padded plane
    top: i32, left: i32,               // rows of padding above the source's first row (fewer than none: rows left out), columns to its left
    skip: u32, channels: u32,          // elements of a plane in front of the windows; channels to pack, of several samples where these fill quads
    first: u32, all_quads: u32,        // texel of channel 0; quads of these channels
    first_quad: u32, quads: u32,       // channel quad of g0; quads of a window
    first_pixel: u32, count: u32,      // the pixels to write
    shift: vec4<u32>,                  // where the band of channel i starts in window i, in elements
    mask_shift: vec4<u32>,             // the same of its mask, in bytes for argmax
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
@group(0) @binding(9) var planes: texture_storage_2d<rgba32float, write>;

fn plane(i: vec4<u32>) -> vec4<f32> {
    return vec4(g0[i.x >> 2u][i.x & 3u], g1[i.y >> 2u][i.y & 3u], g2[i.z >> 2u][i.z & 3u], g3[i.w >> 2u][i.w & 3u]);
}

fn mask(i: vec4<u32>) -> vec4<u32> {
    return vec4(m0[i.x >> 2u][i.x & 3u], m1[i.y >> 2u][i.y & 3u], m2[i.z >> 2u][i.z & 3u], m3[i.w >> 2u][i.w & 3u]);
}

// Element e of four channels whose un-pooled pixel is (r,s), through the mask.
fn pixel(e: u32, r: u32, s: u32) -> vec4<f32> {
    let value = plane(params.shift + e);
    if EPILOGUE == 1u {
        return select(vec4(0.0), value, bitcast<vec4<f32>>(mask(params.mask_shift + e)) > vec4(0.0));
    }
    if EPILOGUE == 2u {
        let byte = params.mask_shift + e;
        let code = (mask(byte >> vec4(2u)) >> ((byte & vec4(3u)) * 8u)) & vec4(255u);
        return select(vec4(0.0), value, code == vec4(2u * (r & 1u) + (s & 1u)));
    }
    return value;
}

fn put(quad: u32, padded: u32, inside: bool, value: vec4<f32>) {
    let alive = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u) < vec4(params.channels);
    let at = params.first + quad * params.pixels + padded;
    textureStore(planes, vec2(at % 2048u, at / 2048u), select(vec4(0.0), value, alive & vec4(inside)));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = group.x * 64u + lane;
    if index >= params.count {
        return;
    }
    let padded = params.first_pixel + index;
    let padded_row = padded / params.pitch;
    let r0 = i32(padded_row) - params.top;
    let s0 = i32(padded - padded_row * params.pitch) - params.left;
    let r = r0 / DOWN_H;
    let s = s0 / DOWN_W;
    var inside = r0 >= 0 && s0 >= 0 && r * DOWN_H == r0 && s * DOWN_W == s0 && r < i32(params.rows) && s < i32(params.columns);
    var e = u32(r) * params.pw + u32(s);
    if EPILOGUE == 2u {
        // An odd last row or column is not pooled, so it has no gradient.
        inside = inside && u32(r) / 2u < params.ph && u32(s) / 2u < params.pw;
        e = u32(r) / 2u * params.pw + u32(s) / 2u;
    }
    // Window i shows channels i, i + 4, i + 8, … of this dispatch.
    let place = group.y * 4u * params.ph * params.pw + select(0u, e - params.skip, inside);
    let quad = params.first_quad + group.y;
    put(quad, padded, inside, pixel(place, u32(r), u32(s)));
    if EPILOGUE == 0u && quad + params.quads < params.all_quads {
        put(quad + params.quads, padded, inside, bitcast<vec4<f32>>(mask(params.mask_shift + place)));
    }
}
