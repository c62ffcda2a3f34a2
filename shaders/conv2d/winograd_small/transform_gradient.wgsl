// Winograd F(2x2,3x3), gradient transform: D = A g Aᵀ for every 2x2 tile g of dy: the adjoint of the output transform (Lavin & Gray
// 2015). Then dU = Σ over tiles of D ⊙ V.
// planes: [N][K/4][padded pixel] over k; factors: [16][block of 32 tiles][K/4][tile] over k.
// One invocation: one tile of four filters. One workgroup: 8 tiles in row order; y counts filter quads; no shared memory.
// Traffic: 4 texels read and 16 written per 4 pixels and filter quad; D[1][1] is the sum of a tile, which gives the bias gradient.
// Next rung: fused into the product, which would transform tiles as it loads them and save factors.

// A times one column of a tile.
fn column(at: u32, pitch: u32) -> Four {
    return of_gradient(pixel(at), pixel(at + pitch));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = tile_of(group, lane);
    if !t.inside {
        return;
    }
    let pitch = params.pitch;
    // Planes are padded by a row and a column for the other transform.
    let first = t.plane + (2u * t.y + 1u) * pitch + 2u * t.x + 1u;
    let y0 = column(first, pitch);
    let y1 = column(first + 1u, pitch);
    let next = 4u * params.position_stride;
    put(t.at, of_gradient(y0.a, y1.a));
    put(t.at + next, of_gradient(y0.b, y1.b));
    put(t.at + 2u * next, of_gradient(y0.c, y1.c));
    put(t.at + 3u * next, of_gradient(y0.d, y1.d));
}
