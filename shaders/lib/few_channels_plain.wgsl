// Where a tile of 4x1 outputs goes when nothing is pooled: y [N,K,OH,OW], with ReLU. Stands on lib/few_channels.

override RELU: u32 = 0u;
override WHOLE: u32 = 0u;      // 1: filters are whole fours

@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// The tile's first output of filter 0, and how many of the four exist: fewer at the lower edge, none where there is no tile.
struct Place { at: u32, count: u32 }

fn place_of(tile: Tile) -> Place {
    let row = tile.i * 4u;
    let count = select(0u, min(params.oh - row, 4u), tile.n < params.n);
    return Place((tile.n * params.k * params.oh + row) * params.ow + tile.j, count);
}

// The outputs of four filters from k on: element o of `sums` is output o of the tile.
fn store(place: Place, k: u32, sums: array<vec4<f32>, 4>) {
    let plane = params.oh * params.ow;
    let at = place.at + k * plane;
    for (var o = 0u; o < 4u; o++) {
        if o >= place.count { return; }
        var z = sums[o];
        if RELU == 1u { z = max(z, vec4<f32>(0.0)); }
        for (var f = 0u; f < 4u; f++) {
            if WHOLE == 1u || k + f < params.k { y[at + o * params.ow + f * plane] = z[f]; }
        }
    }
}
