// Winograd for GPUs, the weight gradient's last step: dw = Gᵀ dU G, the adjoint of the weight transform, and the end of a split sum.
// du: [splits,SIDE*SIDE,C,pitch] over filters; dw: [K,C,3,3].
// One invocation: the nine weights of one channel of one filter. One workgroup: 64 filters that follow each other; y counts channels.
// Traffic: reads dU once, coalesced, and adds up its splits in their order; writes 36 bytes of each filter, the others of their line in later groups.
// Next rung: none; it is small beside the product.

struct Params { filters: u32, channels: u32, pitch: u32, splits: u32 }

@group(0) @binding(0) var<storage, read> du: array<f32>;
@group(0) @binding(1) var<storage, read_write> dw: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let k = group.x * 64u + lane;
    if k >= params.filters { return; }
    let step = params.channels * params.pitch;
    var at = group.y * params.pitch + k;
    var sums: array<Products, SIDE>;
    for (var s = 0u; s < params.splits; s++) {
        for (var i = 0u; i < SIDE; i++) {
            for (var j = 0u; j < SIDE; j++) {
                sums[i][j] += du[at];
                at += step;
            }
        }
    }
    var rows: array<array<f32, 3>, SIDE>;
    for (var i = 0u; i < SIDE; i++) { rows[i] = weight_column(sums[i]); }
    for (var j = 0u; j < 3u; j++) {
        var z: Products;
        for (var i = 0u; i < SIDE; i++) { z[i] = rows[i][j]; }
        let column = weight_column(z);
        for (var u = 0u; u < 3u; u++) { dw[(k * params.channels + group.y) * 9u + u * 3u + j] = column[u]; }
    }
}
