// Winograd for GPUs, input transform: V = Bᵀ d B for every tile d of x, or of dy for the gradient of x; tiles overlap by two pixels.
// planes: [N,C,PH,PW]; factor: [SIDE*SIDE,padded,pitch] over tiles, where padded channels and tiles are 0.
// One invocation: a tile of one channel. One workgroup: 64 tiles that follow each other in a row of them; y counts channels.
// Traffic: each pixel once from memory (4 bytes; under an epilogue 1.25 to 8), 16 values per 4 pixels written by F(2x2), 36 per 16 by F(4x4): 16 or
// 9 bytes per pixel. 32 and 228 operations per tile: bound by memory.
// - Coalescing. 32 lanes write 128 bytes of each position: one line. They read every second or fourth float of a row, 2 or 4 lines per load; the
//   loads of the row's other columns find these lines in the cache, so that 36 loads fetch 24 to 30 lines for 512 pixels.
// Next rung: fused into the product, which would save the factor's way to memory and back, and transform a tile once per block of filters.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = group.x * 64u + lane;
    if index >= params.pitch { return; }
    let t = tile_of(index);
    let plane = t.sample * params.channels + group.y;
    let there = index < params.tiles && group.y < params.channels;
    let row = t.row * TILE - params.before_row;
    let column = t.column * TILE - params.before_column;

    var columns: array<Products, SIDE>;
    for (var j = 0u; j < SIDE; j++) {
        var z: Products;
        for (var i = 0u; i < SIDE; i++) { z[i] = pixel(plane, row + i, column + j, there); }
        columns[j] = tile_column(z);
    }
    var at = group.y * params.pitch + index;
    for (var i = 0u; i < SIDE; i++) {
        var z: Products;
        for (var j = 0u; j < SIDE; j++) { z[j] = columns[j][i]; }
        z = tile_column(z);
        for (var j = 0u; j < SIDE; j++) {
            factor[at] = z[j];
            at += params.padded * params.pitch;
        }
    }
}
