// Where the window of each output of a sample begins, for the gradient of w, which walks through the outputs: tables instead of divisions.
// places: [4][count] u32: the first tap's element of the sample, which taps are inside, the first tap's row, its column. Position p is output p;
// under pooling four follow each other that are one window, row by row.
// One invocation: one position. One workgroup: 64 of them.
// Traffic: writes 16 bytes per position of one sample, whatever the batch and the channels.
// Next rung: none; the first two rows are read once per position and tile.

struct Params {
    c: u32, h: u32, w: u32,                           // x: [N,C,H,W]
    kh: u32, kw: u32,
    stride_h: u32, stride_w: u32, pad_top: u32, pad_left: u32,
    width: u32,                                       // columns of dy
    count: u32,                                       // positions of a sample
    pooled: u32,
}

@group(0) @binding(0) var<storage, read_write> places: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let p = id.y * groups.x * 64u + id.x;
    if p >= params.count { return; }
    var i = p / params.width;
    var j = p % params.width;
    if params.pooled == 1u {
        i = p / 4u / params.width * 2u + p / 2u % 2u;
        j = p / 4u % params.width * 2u + p % 2u;
    }
    let z = place(0u, i * params.stride_h - params.pad_top, j * params.stride_w - params.pad_left, params.kh, params.kw);
    places[p] = z.at;
    places[params.count + p] = z.valid;
    places[params.count * 2u + p] = z.row;
    places[params.count * 3u + p] = z.column;
}
