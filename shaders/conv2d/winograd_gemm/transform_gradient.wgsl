// Winograd for GPUs, gradient transform: D = A g Aᵀ for every tile g of dy seen through the epilogue, the adjoint of the output transform. Then
// dU = Σ over tiles of D ⊙ V.
// planes: dy [N,K,PH,PW]; factor: [SIDE*SIDE,K,pitch] over tiles, where padded tiles are 0.
// One invocation: a tile of one filter. One workgroup: 64 tiles that follow each other in a row of them; y counts filters.
// Traffic: each gradient once (4 to 8 bytes per pixel, 1.25 under pooling), 16 or 9 bytes per pixel written, as by transform_tiles: bound by memory.
// Next rung: fused into the product, which would transform tiles as it loads them.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = group.x * 64u + lane;
    if index >= params.pitch { return; }
    let t = tile_of(index);
    let plane = t.sample * params.channels + group.y;
    let there = index < params.tiles;
    let row = t.row * TILE;
    let column = t.column * TILE;

    var columns: array<Products, TILE>;
    for (var j = 0u; j < TILE; j++) {
        var z: Outputs;
        for (var i = 0u; i < TILE; i++) { z[i] = pixel(plane, row + i, column + j, there); }
        columns[j] = gradient_column(z);
    }
    var at = group.y * params.pitch + index;
    for (var i = 0u; i < SIDE; i++) {
        var z: Outputs;
        for (var j = 0u; j < TILE; j++) { z[j] = columns[j][i]; }
        let wide = gradient_column(z);
        for (var j = 0u; j < SIDE; j++) {
            factor[at] = wide[j];
            at += params.padded * params.pitch;
        }
    }
}
