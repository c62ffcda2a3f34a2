// Implicit GEMM, source: blocks of the padded source, four channels to a vec4; zero where the source has no pixel.
// block[c,o] = source[n, c, (r - top) / DOWN, (s - left) / DOWN] for padded pixel (r,s), which is o pixels in row order after the one that
// the block's first position reads first.
// Forward: source x, DOWN 1. Gradient of x: source dy read through the epilogue, DOWN the stride.
// g0..g3: planes of four neighbouring channels, m0..m3: their masks (y or argmax), from row `skip / pw` on, all uniform windows;
// packed: [block][channel quad][o] vec4 over the four channels.
// One invocation: one pixel of four channels. One workgroup: 8 pixels; y counts channel quads; no shared memory.
// Traffic: every pixel is read and written about twice, for neighbouring blocks share the rows that a filter spans.
// Next rung: Winograd's transform writes 36 vec4s per 16 pixels and saves multiplications.
override EPILOGUE: u32 = 0u;   // 0 the source as it is, 1 where the mask is > 0, 2 un-pooled by argmax
override UP_H: i32 = 1;         // padded rows from one output row to the next
override UP_W: i32 = 1;
override DOWN_H: i32 = 1;
override DOWN_W: i32 = 1;

struct Params {
    rows: u32, columns: u32,           // of the source, before pooling
    ph: u32, pw: u32,                  // of a stored plane
    width: u32, pitch: u32,            // positions of an output row, pixels of a padded row
    first_position: u32, blocks: u32,  // of this band
    len: u32, block: u32,              // positions and pixels of a block
    first_block: u32, block_stride: u32,  // place of the band's first block; vec4s from one block to the next
    top: i32, left: i32,
    skip: u32, channels: u32,          // elements of a plane in front of the band; channels of the source
    first_channel: u32, first_quad: u32,  // channel of g0; its place in a block, in channel quads
    reserved0: u32, reserved1: u32,
    shift: vec4<u32>,                  // where the band of channel i starts in window i, in elements
    mask_shift: vec4<u32>,             // the same of its mask, in bytes for argmax
}

@group(0) @binding(0) var<storage, read_write> packed: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> g0: array<vec4<f32>, 4096>;
@group(0) @binding(3) var<uniform> g1: array<vec4<f32>, 4096>;
@group(0) @binding(4) var<uniform> g2: array<vec4<f32>, 4096>;
@group(0) @binding(5) var<uniform> g3: array<vec4<f32>, 4096>;
@group(0) @binding(6) var<uniform> m0: array<vec4<u32>, 4096>;
@group(0) @binding(7) var<uniform> m1: array<vec4<u32>, 4096>;
@group(0) @binding(8) var<uniform> m2: array<vec4<u32>, 4096>;
@group(0) @binding(9) var<uniform> m3: array<vec4<u32>, 4096>;

fn plane(i: vec4<u32>) -> vec4<f32> {
    return vec4(g0[i.x >> 2u][i.x & 3u], g1[i.y >> 2u][i.y & 3u], g2[i.z >> 2u][i.z & 3u], g3[i.w >> 2u][i.w & 3u]);
}

fn mask(i: vec4<u32>) -> vec4<u32> {
    return vec4(m0[i.x >> 2u][i.x & 3u], m1[i.y >> 2u][i.y & 3u], m2[i.z >> 2u][i.z & 3u], m3[i.w >> 2u][i.w & 3u]);
}

// Element e (from the window's band on) of four channels whose un-pooled pixel is (r,s).
fn pixel(e: u32, r: u32, s: u32, shift: vec4<u32>, mask_shift: vec4<u32>) -> vec4<f32> {
    let value = plane(shift + e);
    if EPILOGUE == 1u {
        return select(vec4(0.0), value, bitcast<vec4<f32>>(mask(mask_shift + e)) > vec4(0.0));
    }
    if EPILOGUE == 2u {
        let byte = mask_shift + e;
        let code = (mask(byte >> vec4(2u)) >> ((byte & vec4(3u)) * 8u)) & vec4(255u);
        return select(vec4(0.0), value, code == vec4(2u * (r & 1u) + (s & 1u)));
    }
    return value;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = group.x * 8u + lane;
    let block = index / params.block;
    let o = index - block * params.block;
    if block >= params.blocks {
        return;
    }
    let start = params.first_position + block * params.len;
    let start_row = start / params.width;
    let pixel_index = i32(start_row * params.pitch) * UP_H + i32(start - start_row * params.width) * UP_W + i32(o);
    let padded_row = pixel_index / i32(params.pitch);
    let r0 = padded_row - params.top;
    let s0 = pixel_index - padded_row * i32(params.pitch) - params.left;
    let r = r0 / DOWN_H;
    let s = s0 / DOWN_W;
    var inside = r0 >= 0 && s0 >= 0 && r * DOWN_H == r0 && s * DOWN_W == s0 && r < i32(params.rows) && s < i32(params.columns);
    var e = u32(r) * params.pw + u32(s);
    if EPILOGUE == 2u {
        // An odd last row or column is not pooled, so it has no gradient.
        inside = inside && u32(r) / 2u < params.ph && u32(s) / 2u < params.pw;
        e = u32(r) / 2u * params.pw + u32(s) / 2u;
    }
    let plane_start = group.y * 4u * params.ph * params.pw;
    let alive = vec4(params.first_channel + 4u * group.y) + vec4(0u, 1u, 2u, 3u) < vec4(params.channels);
    let value = pixel(select(0u, e - params.skip, inside), u32(r), u32(s), params.shift + plane_start, params.mask_shift + plane_start);
    packed[(params.first_block + block) * params.block_stride + (params.first_quad + group.y) * params.block + o] =
        select(vec4(0.0), value, alive & vec4(inside));
}
