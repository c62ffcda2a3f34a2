// Batch norm: y[n,c,s] = dropout(gamma[c] * (x[n,c,s] - mean[c]) / sqrt(variance[c] + epsilon) + beta[c]).
// x, y: [N,C,S] with S = H*W (1 for [N,C]); gamma, beta, mean, variance: [C].
// One invocation: one element. One workgroup: 64 of them, no shared memory.
// Traffic: reads x, writes y; five loads, two divisions and, with dropout, a call of the generator for every single element.
// Next rung: works by rows of one channel, four elements at a time, so that all of these are shared.

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> variance: array<f32>;
@group(0) @binding(6) var<storage, read> step: Step;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i >= params.samples * params.channels * params.spatial {
        return;
    }
    let c = i / params.spatial % params.channels;
    let scale = gamma[c] / sqrt(variance[c] + params.epsilon);
    y[i] = ((x[i] - mean[c]) * scale + beta[c]) * dropout_one(batch_start() + i);
}
