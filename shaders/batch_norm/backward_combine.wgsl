// Batch norm, gradients of gamma and beta, second stage: sums of the rows' partial sums; dgamma also divided by sqrt(variance + epsilon).
// partial: [N,C,2,2] (sum of g, sum of g * (x - mean)) of each row, as (high, low); variance, dgamma, dbeta: [C].
// One invocation: one channel. One workgroup: 64 of them, reading neighbouring partials.
// Traffic: reads 16 bytes per row: nothing beside the first stage.
// Next rung: none.

@group(0) @binding(0) var<storage, read> partial: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> variance: array<f32>;
@group(0) @binding(2) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> dbeta: array<f32>;
@group(0) @binding(4) var<storage, read> step: Step;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = id.y * groups.x * 64u + id.x;
    if c >= params.channels {
        return;
    }
    zero = step.reserved[0];
    var sum = Sum(0.0, 0.0);
    var product = Sum(0.0, 0.0);
    for (var n = 0u; n < params.samples; n++) {
        let row = partial[n * params.channels + c];
        sum = join(sum, Sum(row.x, row.y));
        product = join(product, Sum(row.z, row.w));
    }
    dbeta[c] = sum.high + sum.low;
    dgamma[c] = (product.high + product.low) / sqrt(variance[c] + params.epsilon);
}
