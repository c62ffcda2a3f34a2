// What the kernels for few input channels share: a patch of x in registers, under a tile of four outputs. Window, stride and channels are
// constants of the pipeline, so that every loop over them is written out and every element of the patch is a register.

override C: u32 = 1u;
override KH: u32 = 3u;
override KW: u32 = 3u;
override STRIDE_H: u32 = 1u;
override STRIDE_W: u32 = 1u;
// The tile: 4x1 outputs, so that neighbouring lanes are neighbours in memory; 2x2, a window, where pooling follows.
override TILE_H: u32 = 4u;
override TILE_W: u32 = 1u;

struct Params {
    n: u32, h: u32, w: u32,                           // x: [N,C,H,W]
    k: u32, oh: u32, ow: u32,                         // y: [N,K,OH,OW] before pooling
    pad_top: u32, pad_left: u32,
    down: u32, across: u32,                           // tiles of a plane
    share: u32,                                       // of a workgroup: fours of filters (forward), tiles (backward_weight)
    step_n: u32, step_i: u32, step_j: u32,            // 64 tiles on, as a Tile
    reserved0: u32, reserved1: u32,
}

const MOST: u32 = 84u;                                // elements of the largest patch
alias Patch = array<f32, MOST>;

struct Tile { n: u32, i: u32, j: u32 }                // tile (i,j) of a plane

fn tile_of(index: u32) -> Tile {
    let plane = params.down * params.across;
    return Tile(index / plane, index % plane / params.across, index % params.across);
}

// x under a tile, channels first … first+channels-1, zero outside.
fn load_patch(pixels: ptr<function, Patch>, tile: Tile, first: u32, channels: u32) {
    let rows = (TILE_H - 1u) * STRIDE_H + KH;
    let columns = (TILE_W - 1u) * STRIDE_W + KW;
    let row = tile.i * TILE_H * STRIDE_H - params.pad_top;    // unsigned: wraps below 0
    let column = tile.j * TILE_W * STRIDE_W - params.pad_left;
    for (var c = 0u; c < channels; c++) {
        let start = ((tile.n * C + first + c) * params.h + row) * params.w + column;
        for (var r = 0u; r < rows; r++) {
            for (var s = 0u; s < columns; s++) {
                let inside = tile.n < params.n && row + r < params.h && column + s < params.w;
                (*pixels)[(c * rows + r) * columns + s] = select(0.0, x[start + r * params.w + s], inside);
            }
        }
    }
}

// The element of a patch that output o of the tile meets at tap (u,v) of channel c.
fn under(c: u32, o: u32, u: u32, v: u32) -> u32 {
    let rows = (TILE_H - 1u) * STRIDE_H + KH;
    let columns = (TILE_W - 1u) * STRIDE_W + KW;
    return (c * rows + o / TILE_W * STRIDE_H + u) * columns + o % TILE_W * STRIDE_W + v;
}
