// Which tiles of Winograd's a chunk of the batch has: some rows of tiles of some samples. Stands on lib/winograd_*_columns.

// `winograd_gemm::Params` in Rust.
struct Params {
    channels: u32,                   // of the planes
    h: u32, w: u32,                  // a plane before the epilogue: what tiles are cut from
    ph: u32, pw: u32,                // a plane as it is stored; H, W, or half of them when pooled
    before_row: u32, before_column: u32,    // zeros in front of the first tile's first pixel; may wrap below 0
    tiles_x: u32,                    // tiles in a row of them
    rows: u32,                       // rows of tiles of a sample, in the chunk
    first_row: u32, first_sample: u32,
    tiles: u32,                      // in the chunk
    padded: u32,                     // channels of the factor; those beyond the planes' are 0
    pitch: u32,                      // tiles from one channel of the factor to the next; those beyond the chunk's are 0
    n: u32,                          // samples of the batch
    reserved: u32,
}

struct Tile { sample: u32, row: u32, column: u32 }

fn tile_of(index: u32) -> Tile {
    let line = index / params.tiles_x;
    return Tile(params.first_sample + line / params.rows, params.first_row + line % params.rows, index % params.tiles_x);
}
