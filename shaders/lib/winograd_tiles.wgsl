// What the transforms of Winograd's tiles share: sizes, bindings, and which tile an invocation has. Stands on lib/texel_factors.

// Four channels.
alias Value = vec4<f32>;

struct Params {
    pitch: u32, pixels: u32,             // of a padded row, of a padded plane
    sample_stride: u32, first_plane: u32,  // texels of a sample in planes; where sample 0 starts
    tiles_x: u32, tiles: u32,            // tiles in a row, in a sample
    first_tile: u32, end: u32,           // tiles of the batch of planes: the first that is transformed, the first that is not
    quads: u32, first: u32,              // channel quads; texel of the first tile in factors
    position_stride: u32, reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var planes: texture_storage_2d<rgba32float, read>;

fn pixel(at: u32) -> vec4<f32> {
    return textureLoad(planes, vec2(at % 2048u, at / 2048u));
}

// Of a tile: the first texel of its plane, its row and column of tiles, and where its first value goes in factors.
struct Tile { plane: u32, y: u32, x: u32, at: u32, inside: bool }

// Invocations are 8 tiles in row order; y counts channel quads.
fn tile_of(group: vec3<u32>, lane: u32) -> Tile {
    let place = group.x * 8u + lane;
    let index = params.first_tile + place;
    let sample = index / params.tiles;
    let tile = index - sample * params.tiles;
    let y = tile / params.tiles_x;
    let plane = params.first_plane + sample * params.sample_stride + group.y * params.pixels;
    let at = params.first + (place / 32u * params.quads + group.y) * 32u + place % 32u;
    return Tile(plane, y, tile - y * params.tiles_x, at, index < params.end);
}
