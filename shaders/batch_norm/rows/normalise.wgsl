// Batch norm: y[n,c,s] = dropout(gamma[c] * (x[n,c,s] - mean[c]) / sqrt(variance[c] + epsilon) + beta[c]).
// x, y: [N,C,S] viewed as vec4s, S = H*W at least 4; gamma, beta, mean, variance: [C].
// One invocation: every WORKGROUP-th vec4 of a row. One workgroup: the vec4s that begin in row (n,c); the last may end in the next row.
// Traffic: reads x once, writes y once; 3 operations per 8 bytes, the channel's numbers loaded once per row: memory-bound.
// Next rung: inside the kernel that reads y next; but dropout's zeros and the saved statistics make that a fusion of its own.

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> variance: array<f32>;
@group(0) @binding(6) var<storage, read> step: Step;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let c = group.x;
    let d = select(c + 1u, 0u, c + 1u == params.channels); // the channel of the row after
    let c_mean = mean[c];
    let d_mean = mean[d];
    let c_scale = gamma[c] / sqrt(variance[c] + params.epsilon);
    let d_scale = gamma[d] / sqrt(variance[d] + params.epsilon);
    let c_beta = beta[c];
    let d_beta = beta[d];
    let last = (end + 3u) / 4u;
    for (var q = (start + 3u) / 4u + lane; q < last; q += WORKGROUP) {
        let inside = 4u * q + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end);
        let m = select(vec4<f32>(d_mean), vec4<f32>(c_mean), inside);
        let a = select(vec4<f32>(d_scale), vec4<f32>(c_scale), inside);
        let b = select(vec4<f32>(d_beta), vec4<f32>(c_beta), inside);
        y[q] = ((x[q] - m) * a + b) * dropout_quad(batch_start() + 4u * q);
    }
}
