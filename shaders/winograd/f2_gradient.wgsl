// Winograd F(2x2,3x3), gradient transform: D = A g Aᵀ for every 2x2 tile g of dy: the adjoint of the output transform (Lavin & Gray
// 2015). Then dU = Σ over tiles of D ⊙ V.
// planes: [N][K/4][padded pixel] over k; factors: [16][block of 32 tiles][K/4][tile] over k.
// One invocation: one tile of four filters. One workgroup: 8 tiles in row order; y counts filter quads; no shared memory.
// Traffic: 4 texels read and 16 written per 4 pixels and filter quad; D[1][1] is the sum of a tile, which gives the bias gradient.
// Next rung: fused into the product, which would transform tiles as it loads them and save factors.
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
@group(0) @binding(2) var factors: texture_storage_2d<rgba32float, write>;

struct Four { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32> }

// A times a column of two: sums at 0, 1, -1 and infinity.
fn transform(a: vec4<f32>, b: vec4<f32>) -> Four {
    return Four(a, a + b, a - b, -b);
}

fn pixel(at: u32) -> vec4<f32> {
    return textureLoad(planes, vec2(at % 2048u, at / 2048u));
}

fn store(at: u32, value: vec4<f32>) {
    textureStore(factors, vec2(at % 2048u, at / 2048u), value);
}

fn put(at: u32, x: Four) {
    let s = params.position_stride;
    store(at, x.a);
    store(at + s, x.b);
    store(at + 2u * s, x.c);
    store(at + 3u * s, x.d);
}

// A times one column of a tile.
fn column(at: u32, pitch: u32) -> Four {
    return transform(pixel(at), pixel(at + pitch));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = group.x * 8u + lane;
    let index = params.first_tile + place;
    if index >= params.end {
        return;
    }
    let pitch = params.pitch;
    let sample = index / params.tiles;
    let tile = index - sample * params.tiles;
    let ty = tile / params.tiles_x;
    let tx = tile - ty * params.tiles_x;
    let plane = params.first_plane + sample * params.sample_stride + group.y * params.pixels;
    // Planes are padded by a row and a column for the other transform.
    let first = plane + (2u * ty + 1u) * pitch + 2u * tx + 1u;
    let y0 = column(first, pitch);
    let y1 = column(first + 1u, pitch);
    let at = params.first + (place / 32u * params.quads + group.y) * 32u + place % 32u;
    let next = 4u * params.position_stride;
    put(at, transform(y0.a, y1.a));
    put(at + next, transform(y0.b, y1.b));
    put(at + 2u * next, transform(y0.c, y1.c));
    put(at + 3u * next, transform(y0.d, y1.d));
}
