// im2col for the weight gradient: matrix[p,e] = x[n, c, i·STRIDE + u - top, j·STRIDE + v - left] for output position p = (i,j) and
// e = (c,u,v), packed over positions instead of channels, because positions are what the weight gradient sums over.
// x: bands of some planes of one sample, as a uniform window; matrix: [panel][e][position/4] vec4 over four positions in row order.
// One invocation: four positions of one channel, all taps. One workgroup: 8 such quads; y counts channels; no shared memory.
// Traffic: every pixel is read and written KH·KW times, for K multiply-adds each.
// Next rung: Winograd's transform, which writes 36 vec4s instead of 144 per 16 pixels.
override UP_H: i32 = 1;    // stride
override UP_W: i32 = 1;

struct Params {
    h: u32, w: u32,                    // plane of x
    width: u32, positions: u32,        // positions of an output row, of this band
    first_row: u32, first_quad: u32,   // output row of position 0; its quad in the matrix
    kh: u32, kw: u32, top: i32, left: i32,
    skip: u32, first_channel: u32,     // elements of a plane in front of the band; the window's first channel
    panel: u32, panel_stride: u32,     // columns of a panel; vec4s from one to the next
    shift: u32, row_step: u32,         // where the band starts in the window; vec4s from one e to the next
}

@group(0) @binding(0) var<storage, read_write> matrix: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> x: array<vec4<f32>, 4096>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quad = group.x * 8u + lane;
    if 4u * quad >= params.positions {
        return;
    }
    // Copies, since a load from params in a loop would be a gather each time; the grid is 1 deep, and adding z keeps Mesa from
    // compiling the kernel anew for every size of window.
    let kh = i32(params.kh + group.z);
    let kw = i32(params.kw + group.z);
    let h = vec4(i32(params.h));
    let w = vec4(i32(params.w));
    let p = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u);
    let down = p / params.width;
    let top = vec4<i32>(down + params.first_row) * UP_H - params.top;
    let left = vec4<i32>(p - down * params.width) * UP_W - params.left;
    let alive = p < vec4(params.positions);
    let safe = params.shift + group.y * params.h * params.w;
    let start = safe - params.skip;
    let panel = params.panel;
    let panel_stride = params.panel_stride;
    let channel = params.first_channel + group.y;
    var column = channel * params.kh * params.kw;
    let block = column / panel;
    column -= block * panel;
    let row_step = params.row_step;
    var at = block * panel_stride + params.first_quad + quad;
    for (var u = 0; u < kh; u++) {
        let r = top + u;
        let row = alive & (r >= vec4(0)) & (r < h);
        for (var v = 0; v < kw; v++) {
            let s = left + v;
            let inside = row & (s >= vec4(0)) & (s < w);
            let e = select(vec4(safe), vec4(start) + vec4<u32>(r * w + s), inside);
            let value = vec4(x[e.x >> 2u][e.x & 3u], x[e.y >> 2u][e.y & 3u], x[e.z >> 2u][e.z & 3u], x[e.w >> 2u][e.w & 3u]);
            matrix[at + column * row_step] = select(vec4(0.0), value, inside);
            column++;
            if column == panel {
                column = 0u;
                at += panel_stride;
            }
        }
    }
}
