// Gradient of a 3x3 weight ('same', stride 1): dw[k,c,u,v] = sum over n,i,j of g[n,k,i,j] * x[n,c,i+u-1,j+v-1]; g is dy through the epilogue.
// dy: [N,K,PH,PW]; mask: y (ReLU) or argmax (ReLU and pooling); x: [N,C,H,W]; dw: [SPLITS,K,C,3,3] partial sums (sum_partials adds them up).
// One invocation: all 9 taps of 4 filters and one channel, 36 sums in registers. One workgroup: 64 of them, neighbours in c share g. No shared memory.
// Traffic: per pixel 4 loads of g (and mask) and 3 of x, the window slides along the row: 36 multiply-adds for 7-11 loads, 2 FLOP per byte.
// Next rung: tiles of g and x in workgroup memory, so that 8 filter quads and 16 channels share them.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = group.x * 64u + lane;
    let c = index % params.c;
    let k = index / params.c * 4u;
    if k >= params.k { return; }
    let last = params.k - 1u;                         // a filter beyond it repeats it and is not written

    let split = rows_of(group.y);
    let from_row = split.x;
    let to_row = split.y;

    var sum: array<vec4<f32>, 9>;                     // element u*3+v, component: filter
    for (var row = from_row; row < to_row; row++) {
        let n = row / params.h;
        let i = row % params.h;
        var row_sum = array<vec4<f32>, 9>();          // short sums first: rounding grows with the length of a sum
        var left = vec3<f32>(0.0);                    // component u: input row i+u-1
        var middle = vec3<f32>(pixel(n, c, i - 1u, 0u), pixel(n, c, i, 0u), pixel(n, c, i + 1u, 0u));
        for (var j = 0u; j < params.w; j++) {
            let right = vec3<f32>(pixel(n, c, i - 1u, j + 1u), pixel(n, c, i, j + 1u), pixel(n, c, i + 1u, j + 1u));
            let g = vec4<f32>(gradient(n, k, i, j), gradient(n, min(k + 1u, last), i, j),
                              gradient(n, min(k + 2u, last), i, j), gradient(n, min(k + 3u, last), i, j));
            for (var u = 0u; u < 3u; u++) {
                row_sum[u * 3u] += left[u] * g;
                row_sum[u * 3u + 1u] += middle[u] * g;
                row_sum[u * 3u + 2u] += right[u] * g;
            }
            left = middle;
            middle = right;
        }
        for (var tap = 0u; tap < 9u; tap++) { sum[tap] += row_sum[tap]; }
    }

    for (var f = 0u; f < 4u; f++) {
        if k + f < params.k {
            for (var tap = 0u; tap < 9u; tap++) {
                dw[((group.y * params.k + k + f) * params.c + c) * 9u + tap] = sum[tap][f];
            }
        }
    }
}
