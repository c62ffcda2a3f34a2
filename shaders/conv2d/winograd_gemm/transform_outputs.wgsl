// Winograd for GPUs, output transform: Y = Aᵀ M A turns the products of a tile into its outputs; then bias, ReLU and 2x2 max-pooling, so that the
// activation before the epilogue is never in memory.
// m: [SIDE*SIDE,K,pitch] over tiles; b: [K]; y: [N,K,PH,PW]; codes: [K/4,N*PH*PW] (pooled only).
// One invocation: a tile of four channels, one after the other, whose codes of the maximum become one word. One workgroup: 64 tiles that follow each
// other in a row of them; y counts quads of channels.
// Traffic: 16 values read per 4 pixels by F(2x2), 36 per 16 by F(4x4): 16 or 9 bytes per pixel, 4 written (1.25 when pooled). 32 and 162
// operations per tile and channel: bound by memory.
// - Coalescing. 32 lanes read 128 bytes of each position: one line. They write every second or fourth float of a row of y (every or every second one
//   when pooled): 2 or 4 lines per store, which the cache joins with those of the row's other columns.
// Next rung: fused into the product, which would keep m in registers and save its write and read.

@group(0) @binding(0) var<storage, read> m: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
// y (argmax) and params are bound by lib/winograd_plain or lib/winograd_pooled.

override BIAS: u32 = 1u;             // 0: the gradient of x, which has no bias (b is bound, but not added)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = group.x * 64u + lane;
    if index >= params.tiles { return; }
    let t = tile_of(index);
    var codes: Codes;
    for (var c = 0u; c < 4u; c++) {
        let k = group.y * 4u + c;
        if k < params.channels {
            var at = k * params.pitch + index;
            var rows: array<Outputs, SIDE>;
            for (var i = 0u; i < SIDE; i++) {
                var z: Products;
                for (var j = 0u; j < SIDE; j++) {
                    z[j] = m[at];
                    at += params.channels * params.pitch;
                }
                rows[i] = output_column(z);
            }
            let bias = select(0.0, b[k], BIAS == 1u);
            var outputs: array<Outputs, TILE>;
            for (var j = 0u; j < TILE; j++) {
                var z: Products;
                for (var i = 0u; i < SIDE; i++) { z[i] = rows[i][j]; }
                outputs[j] = output_column(z);
                for (var o = 0u; o < TILE; o++) { outputs[j][o] += bias; }
            }
            store(t, k, c, outputs, &codes);
        }
    }
    store_codes(t, group.y, codes);
}
