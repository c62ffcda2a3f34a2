// Winograd for GPUs, weight transform: U = G g Gᵀ for every 3x3 filter g, turned by 180 degrees for the gradient of x.
// w: [K,C,3,3]; u: [SIDE*SIDE,padded,pitch]: the channels that are contracted (c in forward, k in the gradient of x) by those of the result; 0
// beyond both.
// One invocation: one filter g. One workgroup: 64 channels of the result that follow each other; y counts those that are contracted.
// Traffic: reads w once, nine floats of a filter in a row (the cache keeps the rest of their lines for the next y), writes 1.8 times as much for
// F(2x2), 4 times for F(4x4), coalesced. It runs every step, as weights change; small beside the product it prepares while planes are large.
// Next rung: none; it could be kept for both passes of a step, for a workspace that lives as long.

struct Params {
    rows: u32, contracted: u32,              // channels of the result; those that are contracted
    row_stride: u32, contracted_stride: u32, // of them in w, in floats
    turned: u32,
    padded: u32, pitch: u32,
    reserved: u32,
}

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * 64u + lane;
    if row >= params.pitch { return; }
    let there = row < params.rows && group.y < params.contracted;
    let first = select(0u, row * params.row_stride + group.y * params.contracted_stride, there);

    var columns: array<Products, 3>;
    for (var j = 0u; j < 3u; j++) {
        var z: array<f32, 3>;
        for (var i = 0u; i < 3u; i++) {
            let t = i * 3u + j;
            z[i] = select(0.0, w[first + select(t, 8u - t, params.turned == 1u)], there);
        }
        columns[j] = filter_column(z);
    }
    var at = group.y * params.pitch + row;
    for (var i = 0u; i < SIDE; i++) {
        let z = filter_column(array<f32, 3>(columns[0][i], columns[1][i], columns[2][i]));
        for (var j = 0u; j < SIDE; j++) {
            u[at] = z[j];
            at += params.padded * params.pitch;
        }
    }
}
