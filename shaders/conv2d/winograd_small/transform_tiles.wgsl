// Winograd F(2x2,3x3), input transform: V = Bᵀ d B for every 4x4 tile d of x or dy (tiles overlap by two); Bᵀ, with the points
// 0, ±1, ∞, is from Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2015).
// planes: [N][C/4][padded pixel] over c; factors: [16][block of 32 tiles][C/4][tile] over c.
// One invocation: one tile of four channels. One workgroup: 8 tiles in row order; y counts channel quads; no shared memory.
// Traffic: 16 texels read and 16 written per 4 pixels and channel quad, 2 additions each and no multiplication: bound by memory. Planes
// are padded and unmasked, so nothing is decided per pixel.
// Next rung: F(4x4,3x3), whose tiles overlap less (2.25 values per pixel instead of 4) and save more products, but round more.

// Bᵀ times one column of a tile.
fn column(at: u32, pitch: u32) -> Four {
    return of_tile(pixel(at), pixel(at + pitch), pixel(at + 2u * pitch), pixel(at + 3u * pitch));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = tile_of(group, lane);
    if !t.inside {
        return;
    }
    let pitch = params.pitch;
    let first = t.plane + 2u * t.y * pitch + 2u * t.x;
    let y0 = column(first, pitch);
    let y1 = column(first + 1u, pitch);
    let y2 = column(first + 2u, pitch);
    let y3 = column(first + 3u, pitch);
    let next = 4u * params.position_stride;
    put(t.at, of_tile(y0.a, y1.a, y2.a, y3.a));
    put(t.at + next, of_tile(y0.b, y1.b, y2.b, y3.b));
    put(t.at + 2u * next, of_tile(y0.c, y1.c, y2.c, y3.c));
    put(t.at + 3u * next, of_tile(y0.d, y1.d, y2.d, y3.d));
}
