// Planes with the padding that a kernel reads, four channels to a texel, from dy of a pooled convolution: zero where no pixel is, and
// where argmax names another pixel of the 2x2 window.
// planes[c,r,s] = dy[n, c, (r - top) / 2, (s - left) / 2] if argmax there is 2 * ((r - top) % 2) + (s - left) % 2.
// g0..g3: planes of four neighbouring channels from row `skip / pw` on, h0..h3: of four further ones, mask: argmax of all of them, all
// uniform windows; planes: [channel quad][padded pixel] over the four channels.
// One invocation: the 2x2 pixels of one element of eight channels, or as many pixels of padding. One workgroup: 64 of them; y counts
// quads of a window; no shared memory.
// Traffic: one read and four writes per element: a quarter of the reads of texels/pad, which looks at every pixel's window.
// Next rung: none; the op before could write its gradient so.
struct Params {
    rows: u32, columns: u32,           // of the source, before pooling
    ph: u32, pw: u32,                  // of a stored plane
    pitch: u32, pixels: u32,           // pixels of a padded row, of a padded plane
    top: i32, left: i32,               // rows of padding above the source's first row (fewer than none: rows left out), columns to its left
    skip: u32, channels: u32,          // elements of a plane in front of the windows; channels to pack, of several samples where these fill quads
    first: u32, all_quads: u32,        // texel of channel 0; quads of these channels
    first_quad: u32, quads: u32,       // channel quad of g0; quads of a window
    first_row: i32, end_row: i32,      // padded rows to write
    first_cell: i32, cells: u32,       // rows of 2x2 pixels: the first, counted from the source's first; cells of a row
    first_column: i32, cell_rows: u32, // the same for columns; rows of cells
    shift: vec4<u32>,                  // where the band of channel i starts in window i, in elements
    more_shift: vec4<u32>,             // the same in the second four
    mask_shift: u32, reserved0: u32, reserved1: u32, reserved2: u32,  // where the band of g0's first channel starts, in bytes
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> g0: array<vec4<f32>, 4096>;
@group(0) @binding(2) var<uniform> g1: array<vec4<f32>, 4096>;
@group(0) @binding(3) var<uniform> g2: array<vec4<f32>, 4096>;
@group(0) @binding(4) var<uniform> g3: array<vec4<f32>, 4096>;
@group(0) @binding(5) var<uniform> h0: array<vec4<f32>, 4096>;
@group(0) @binding(6) var<uniform> h1: array<vec4<f32>, 4096>;
@group(0) @binding(7) var<uniform> h2: array<vec4<f32>, 4096>;
@group(0) @binding(8) var<uniform> h3: array<vec4<f32>, 4096>;
@group(0) @binding(9) var<uniform> mask: array<vec4<u32>, 4096>;
@group(0) @binding(10) var planes: texture_storage_2d<rgba32float, write>;

fn plane(i: vec4<u32>) -> vec4<f32> {
    return vec4(g0[i.x >> 2u][i.x & 3u], g1[i.y >> 2u][i.y & 3u], g2[i.z >> 2u][i.z & 3u], g3[i.w >> 2u][i.w & 3u]);
}

fn more_plane(i: vec4<u32>) -> vec4<f32> {
    return vec4(h0[i.x >> 2u][i.x & 3u], h1[i.y >> 2u][i.y & 3u], h2[i.z >> 2u][i.z & 3u], h3[i.w >> 2u][i.w & 3u]);
}

fn code(byte: u32) -> u32 {
    return (mask[byte >> 4u][(byte >> 2u) & 3u] >> ((byte & 3u) * 8u)) & 255u;
}

// Argmax of four channels, of which the first has its code at `byte`.
fn codes(byte: u32, plane: u32) -> vec4<u32> {
    return vec4(code(byte), code(byte + plane), code(byte + 2u * plane), code(byte + 3u * plane));
}

fn put(at: u32, row: i32, column: i32, value: vec4<f32>) {
    if row >= params.first_row && row < params.end_row && column >= 0 && column < i32(params.pitch) {
        let here = at + u32(row) * params.pitch + u32(column);
        textureStore(planes, vec2(here % 2048u, here / 2048u), value);
    }
}

// The 2x2 pixels of cell (i,j), which is an element of dy or padding.
fn put_cell(quad: u32, i: i32, j: i32, inside: bool, dy: vec4<f32>, code: vec4<u32>) {
    let alive = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u) < vec4(params.channels);
    let value = select(vec4(0.0), dy, alive & vec4(inside));
    let at = params.first + quad * params.pixels;
    let row = params.top + 2 * i;
    let column = params.left + 2 * j;
    put(at, row, column, select(vec4(0.0), value, code == vec4(0u)));
    put(at, row, column + 1, select(vec4(0.0), value, code == vec4(1u)));
    put(at, row + 1, column, select(vec4(0.0), value, code == vec4(2u)));
    put(at, row + 1, column + 1, select(vec4(0.0), value, code == vec4(3u)));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = group.x * 64u + lane;
    let cell_row = index / params.cells;
    if cell_row >= params.cell_rows {
        return;
    }
    let i = params.first_cell + i32(cell_row);
    let j = params.first_column + i32(index - cell_row * params.cells);
    let inside = i >= 0 && j >= 0 && i < i32(params.ph) && j < i32(params.pw);
    // Window k of four shows channels k, k + 4, k + 8, … from its first on, the mask's all in a row.
    let size = params.ph * params.pw;
    let e = select(0u, u32(i) * params.pw + u32(j) - params.skip, inside);
    let place = group.y * 4u * size + e;
    let byte = params.mask_shift + place;
    let quad = params.first_quad + group.y;
    put_cell(quad, i, j, inside, plane(params.shift + place), codes(byte, size));
    if quad + params.quads < params.all_quads {
        put_cell(quad + params.quads, i, j, inside, more_plane(params.more_shift + place), codes(byte + 4u * params.quads * size, size));
    }
}
