// im2col: matrix[t,p] = source[n, c, (i·UP + u - top) / DOWN, (j·UP + v - left) / DOWN] for output position p = (i,j), tap (u,v);
// zero where that is no pixel (Chellapilla, Puri & Simard, "High Performance Convolutional Neural Networks", 2006).
// Forward: source x, UP the stride, DOWN 1. Gradient of x: source dy read through the epilogue, UP 1, DOWN the stride.
// g0..g3: planes of four neighbouring channels, m0..m3: their masks (y or argmax), from row `skip / pw` on, all uniform windows;
// matrix: [panel][channel quad, tap][position] vec4 over the four channels.
// One invocation: one position, all taps of four channels. One workgroup: 8 positions; y counts channel quads; no shared memory.
// Traffic: every pixel is read and written KH·KW times: the price of turning any convolution into one fast product.
// Next rung: conv2d/implicit_texels/product, which reads every pixel where it is, so that none is copied.
override EPILOGUE: u32 = 0u;   // 0 the source as it is, 1 where the mask is > 0, 2 un-pooled by argmax
override UP_H: i32 = 1;
override UP_W: i32 = 1;
override DOWN_H: i32 = 1;
override DOWN_W: i32 = 1;

struct Params {
    rows: u32, columns: u32,           // of the source, before pooling
    ph: u32, pw: u32,                  // of a stored plane
    width: u32, positions: u32,        // positions of an output row, of this band
    first_row: u32, first_column: u32, // output row of position 0, column of the matrix that it becomes
    kh: u32, kw: u32, top: i32, left: i32,
    skip: u32, channels: u32,          // elements of a plane in front of the band; channels of the source
    first_channel: u32, first_quad: u32,  // channel of g0; its place in the contraction, in channel quads
    panel: u32, panel_stride: u32,     // columns of a panel; vec4s from one to the next
    reserved0: u32, reserved1: u32,
    shift: vec4<u32>,                  // where the band of channel i starts in window i, in elements
    mask_shift: vec4<u32>,             // the same of its mask, in bytes for argmax
}

@group(0) @binding(0) var<storage, read_write> matrix: array<vec4<f32>>;
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
    let position = group.x * 8u + lane;
    if position >= params.positions {
        return;
    }
    let down = position / params.width;
    let i = i32(params.first_row + down);
    let j = i32(position - down * params.width);
    // Copies, since a load from params in a loop would be a gather each time; the grid is 1 deep, and adding z keeps Mesa from
    // compiling the kernel anew for every size of window.
    let kh = i32(params.kh + group.z);
    let kw = i32(params.kw + group.z);
    let rows = i32(params.rows);
    let columns = i32(params.columns);
    let pw = params.pw;
    let ph = params.ph;
    let skip = params.skip;
    let top = i * UP_H - params.top;
    let left = j * UP_W - params.left;
    let plane_start = group.y * 4u * ph * pw;
    let shift = params.shift + plane_start;
    let mask_shift = params.mask_shift + plane_start;
    let alive = vec4(params.first_channel + 4u * group.y) + vec4(0u, 1u, 2u, 3u) < vec4(params.channels);
    let panel = params.panel;
    let column = params.first_column + position;
    let block = column / panel;
    var at = block * params.panel_stride + column - block * panel
        + (params.first_quad + group.y) * params.kh * params.kw * panel;
    for (var u = 0; u < kh; u++) {
        var r = top + u;
        let row = r >= 0 && r % DOWN_H == 0 && r / DOWN_H < rows;
        r /= DOWN_H;
        for (var v = 0; v < kw; v++) {
            var s = left + v;
            var inside = row && s >= 0 && s % DOWN_W == 0 && s / DOWN_W < columns;
            s /= DOWN_W;
            var e = u32(r) * pw + u32(s);
            if EPILOGUE == 2u {
                // An odd last row or column is not pooled, so it has no gradient.
                inside = inside && u32(r) / 2u < ph && u32(s) / 2u < pw;
                e = u32(r) / 2u * pw + u32(s) / 2u;
            }
            let value = pixel(select(0u, e - skip, inside), u32(r), u32(s), shift, mask_shift);
            matrix[at] = select(vec4(0.0), value, alive & vec4(inside));
            at += panel;
        }
    }
}
