// Batch norm, gradients of gamma and beta: dbeta[c] = sum of g, dgamma[c] = sum of g * (x - mean[c]) / sqrt(variance[c] + epsilon).
// dy, x: [N,C,S] with S = H*W (1 for [N,C]); mean, variance, dgamma, dbeta: [C]; g = dy through the dropout mask; real samples only.
// One invocation: one channel. One workgroup: 64 channels, no shared memory. Sums are compensated.
// Traffic: reads dy and x once, 22 operations per 8 bytes, 23 with dropout. Neighbouring invocations read S floats apart: each load fetches a line of its own.
// Next rung: a workgroup per (n,c) row, whose invocations read neighbouring vec4s and add up in a tree. For S = 1 this one is coalesced,
// and for S below 64 best on CPU drivers, as in statistics.

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(5) var<storage, read_write> dbeta: array<f32>;
@group(0) @binding(6) var<storage, read> step: Step;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = id.y * groups.x * 64u + id.x;
    if c >= params.channels {
        return;
    }
    zero = step.reserved[0];
    let average = mean[c];
    var sum = Sum(0.0, 0.0);
    var product = Sum(0.0, 0.0);
    for (var n = 0u; n < step.valid; n++) {
        let row = (n * params.channels + c) * params.spatial;
        for (var i = row; i < row + params.spatial; i++) {
            let g = dy[i] * dropout_one(batch_start() + i);
            sum = add(sum, g);
            product = add(product, g * (x[i] - average));
        }
    }
    dbeta[c] = sum.high + sum.low;
    dgamma[c] = (product.high + product.low) / sqrt(variance[c] + params.epsilon);
}
