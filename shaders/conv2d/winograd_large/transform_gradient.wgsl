// Winograd F(4x4,3x3), gradient transform: D = A g Aᵀ for every 4x4 tile g of dy: the adjoint of the output transform (Lavin & Gray
// 2015). Then dU = Σ over tiles of D ⊙ V.
// planes: [N][K/4][padded pixel] over k; factors: [36][block of 32 tiles][K/4][tile] over k.
// One invocation: one tile of four filters. One workgroup: 8 tiles in row order; y counts filter quads; no shared memory.
// Traffic: 16 texels read and 36 written per 16 pixels and filter quad; D[1][1] is the sum of a tile, which gives the bias gradient.
// Next rung: fused into the product, which would transform tiles as it loads them and save factors.

// A times one column of a tile.
fn column(at: u32, pitch: u32) -> Six {
    return of_gradient(pixel(at), pixel(at + pitch), pixel(at + 2u * pitch), pixel(at + 3u * pitch));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = tile_of(group, lane);
    if !t.inside {
        return;
    }
    let pitch = params.pitch;
    // Planes are padded by a row and a column for the other transform.
    let first = t.plane + (4u * t.y + 1u) * pitch + 4u * t.x + 1u;
    let y0 = column(first, pitch);
    let y1 = column(first + 1u, pitch);
    let y2 = column(first + 2u, pitch);
    let y3 = column(first + 3u, pitch);
    let next = 6u * params.position_stride;
    put(t.at, of_gradient(y0.a, y1.a, y2.a, y3.a));
    put(t.at + next, of_gradient(y0.b, y1.b, y2.b, y3.b));
    put(t.at + 2u * next, of_gradient(y0.c, y1.c, y2.c, y3.c));
    put(t.at + 3u * next, of_gradient(y0.d, y1.d, y2.d, y3.d));
    put(t.at + 4u * next, of_gradient(y0.e, y1.e, y2.e, y3.e));
    put(t.at + 5u * next, of_gradient(y0.f, y1.f, y2.f, y3.f));
}
