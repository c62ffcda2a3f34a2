// Batch norm, gradient of x in place: dx = gamma / sd * (g - dbeta / M - (x - mean) / sd * dgamma / M), where dx starts as dy; M = real N * S.
// dx, x: [N,C,S] with S = H*W (1 for [N,C]); the others [C]; sd = sqrt(variance + epsilon); g = dy through the dropout mask; 0 in padding rows.
// One invocation: one element. One workgroup: 64 of them, no shared memory. With running statistics, which are constants, dx = gamma / sd * g.
// Traffic: reads dy and x, writes dx; seven loads, several divisions and perhaps a call of the generator for every single element.
// Next rung: works by rows of one channel, four elements at a time, so that all of these are shared.

@group(0) @binding(0) var<storage, read_write> dx: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> variance: array<f32>;
@group(0) @binding(5) var<storage, read> dgamma: array<f32>;
@group(0) @binding(6) var<storage, read> dbeta: array<f32>;
@group(0) @binding(7) var<storage, read> step: Step;
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    let sample = params.channels * params.spatial;
    if i >= params.samples * sample {
        return;
    }
    if i >= step.valid * sample {
        dx[i] = 0.0;
        return;
    }
    let c = i / params.spatial % params.channels;
    let inv_std = 1.0 / sqrt(variance[c] + params.epsilon);
    var through_statistics = 0.0;
    if params.training == 1u {
        through_statistics = (dbeta[c] + (x[i] - mean[c]) * inv_std * dgamma[c]) / f32(step.valid * params.spatial);
    }
    dx[i] = gamma[c] * inv_std * (dx[i] * dropout_one(batch_start() + i) - through_statistics);
}
