// Where a tile of 2x2 outputs goes under ReLU and 2x2 max-pooling: y [N,K,PH,PW]; codes [K/4,N*PH*PW], a byte for each of four filters: 2a+b of
// the maximum or 255 where y is 0 (order_argmax makes argmax of them). Stands on lib/few_channels and lib/pooled.

override WHOLE: u32 = 0u;      // 1: filters are whole fours

@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

// The tile's output of filter 0, its codes of filters 0 to 3, and whether there is such a tile.
struct Place { at: u32, code: u32, real: bool }

fn place_of(tile: Tile) -> Place {
    let plane = params.down * params.across;
    let window = tile.i * params.across + tile.j;
    return Place(tile.n * params.k * plane + window, tile.n * plane + window, tile.n < params.n);
}

// The outputs of four filters from k on: element o of `sums` is output o of the tile.
fn store(place: Place, k: u32, sums: array<vec4<f32>, 4>) {
    if !place.real { return; }
    let plane = params.down * params.across;
    let at = place.at + k * plane;
    let z = pool(sums[0], sums[1], sums[2], sums[3]);
    for (var f = 0u; f < 4u; f++) {
        if WHOLE == 1u || k + f < params.k { y[at + f * plane] = z.value[f]; }
    }
    codes[place.code + k / 4u * params.n * plane] = z.code.x | (z.code.y << 8u) | (z.code.z << 16u) | (z.code.w << 24u);
}
