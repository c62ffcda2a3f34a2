// Where Winograd's tiles go when nothing is pooled: y [N,K,OH,OW], with ReLU. Stands on lib/winograd_chunk.

override RELU: u32 = 0u;

@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

struct Codes { nothing: u32 }

// The outputs of a tile of channel k, column by column; c is k % 4.
fn store(t: Tile, k: u32, c: u32, z: array<Outputs, TILE>, codes: ptr<function, Codes>) {
    let i = t.row * TILE;
    let j = t.column * TILE;
    let at = ((t.sample * params.channels + k) * params.h + i) * params.w + j;
    for (var o = 0u; o < TILE; o++) {
        for (var r = 0u; r < TILE; r++) {
            if i + o < params.h && j + r < params.w {
                y[at + o * params.w + r] = select(z[r][o], max(z[r][o], 0.0), RELU == 1u);
            }
        }
    }
}

fn store_codes(t: Tile, quad: u32, codes: Codes) {}
