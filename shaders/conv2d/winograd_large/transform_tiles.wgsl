// Winograd F(4x4,3x3), input transform: V = Bᵀ d B for every 6x6 tile d of x or dy (tiles overlap by two); Bᵀ, with the points
// 0, ±1, ±2, ∞, is from Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2015).
// planes: [N][C/4][padded pixel] over c; factors: [36][block of 32 tiles][C/4][tile] over c.
// One invocation: one tile of four channels. One workgroup: 8 tiles in row order; y counts channel quads; no shared memory.
// Traffic: 36 texels read and 36 written per 16 pixels and channel quad, 6 operations each: bound by loads and stores. Planes are padded
// and unmasked, so nothing is decided per pixel.
// Next rung: fused into the product, which would transform tiles as it loads them and save factors.

// Bᵀ times one column of a tile.
fn column(at: u32, pitch: u32) -> Six {
    return of_tile(pixel(at), pixel(at + pitch), pixel(at + 2u * pitch), pixel(at + 3u * pitch), pixel(at + 4u * pitch), pixel(at + 5u * pitch));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = tile_of(group, lane);
    if !t.inside {
        return;
    }
    let pitch = params.pitch;
    let first = t.plane + 4u * t.y * pitch + 4u * t.x;
    let y0 = column(first, pitch);
    let y1 = column(first + 1u, pitch);
    let y2 = column(first + 2u, pitch);
    let y3 = column(first + 3u, pitch);
    let y4 = column(first + 4u, pitch);
    let y5 = column(first + 5u, pitch);
    let next = 6u * params.position_stride;
    put(t.at, of_tile(y0.a, y1.a, y2.a, y3.a, y4.a, y5.a));
    put(t.at + next, of_tile(y0.b, y1.b, y2.b, y3.b, y4.b, y5.b));
    put(t.at + 2u * next, of_tile(y0.c, y1.c, y2.c, y3.c, y4.c, y5.c));
    put(t.at + 3u * next, of_tile(y0.d, y1.d, y2.d, y3.d, y4.d, y5.d));
    put(t.at + 4u * next, of_tile(y0.e, y1.e, y2.e, y3.e, y4.e, y5.e));
    put(t.at + 5u * next, of_tile(y0.f, y1.f, y2.f, y3.f, y4.f, y5.f));
}
