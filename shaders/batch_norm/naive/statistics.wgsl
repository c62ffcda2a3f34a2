// Batch norm, statistics: mean[c] = average of x[n,c,s] over real n and all s; variance[c] = average of (x - mean)^2 (biased).
// x: [N,C,S] with S = H*W (1 for [N,C]); mean, variance: [C].
// One invocation: one channel, in two passes, for E[x^2] - E[x]^2 would cancel when the mean is large; sums are compensated. One workgroup: 64 channels.
// Traffic: reads x twice, 22 operations per 8 bytes. Neighbouring invocations read S floats apart: each load fetches a line of its own.
// Next rung: a workgroup per (n,c) row, whose invocations read neighbouring floats and add up in a tree. For S = 1 this one is coalesced and best,
// and on CPU drivers for S below 64, where a workgroup for each row costs more than adding it up.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> variance: array<f32>;
@group(0) @binding(3) var<storage, read> step: Step;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = id.y * groups.x * 64u + id.x;
    if c >= params.channels {
        return;
    }
    zero = step.reserved[0];
    let count = f32(max(step.valid * params.spatial, 1u)); // a micro-batch may be all padding
    var sum = Sum(0.0, 0.0);
    for (var n = 0u; n < step.valid; n++) {
        let row = (n * params.channels + c) * params.spatial;
        for (var s = 0u; s < params.spatial; s++) {
            sum = add(sum, x[row + s]);
        }
    }
    let average = (sum.high + sum.low) / count;
    var squares = Sum(0.0, 0.0);
    for (var n = 0u; n < step.valid; n++) {
        let row = (n * params.channels + c) * params.spatial;
        for (var s = 0u; s < params.spatial; s++) {
            let d = x[row + s] - average;
            squares = add(squares, d * d);
        }
    }
    mean[c] = average;
    variance[c] = (squares.high + squares.low) / count;
}
