// Batch norm, gradient of x in place: dx = gamma / sd * (g - dbeta / M - (x - mean) / sd * dgamma / M), where dx starts as dy; M = real N * S.
// dx, x: [N,C,S] viewed as vec4s, S = H*W at least 4; the others [C]; sd = sqrt(variance + epsilon); g = dy through the dropout mask; 0 in padding.
// One invocation: every WORKGROUP-th vec4 of a row. One workgroup: the vec4s that begin in row (n,c); the last may end in the next row.
// Traffic: reads dy and x, writes dx: 6 operations per 12 bytes, the channel's numbers loaded once per row: memory-bound.
// Next rung: none in place; the mask is computed a second time here (after the sums), which is cheaper than storing it.

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> variance: array<f32>;
@group(0) @binding(5) var<storage, read> dgamma: array<f32>;
@group(0) @binding(6) var<storage, read> dbeta: array<f32>;
@group(0) @binding(7) var<storage, read> step: Step;
@group(0) @binding(8) var<uniform> params: Params;

// dx = scale * (g - offset - slope * (x - mean)).
struct Channel { mean: f32, scale: f32, offset: f32, slope: f32 }

fn channel(c: u32) -> Channel {
    let inv_std = 1.0 / sqrt(variance[c] + params.epsilon);
    if params.training == 0u { // running statistics are constants
        return Channel(mean[c], gamma[c] * inv_std, 0.0, 0.0);
    }
    let count = f32(max(step.valid * params.spatial, 1u));
    return Channel(mean[c], gamma[c] * inv_std, dbeta[c] / count, dgamma[c] * inv_std / count);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let real = step.valid * params.channels * params.spatial;
    let c = channel(group.x);
    let d = channel(select(group.x + 1u, 0u, group.x + 1u == params.channels)); // the channel of the row after
    let last = (end + 3u) / 4u;
    for (var q = (start + 3u) / 4u + lane; q < last; q += WORKGROUP) {
        let i = 4u * q + vec4<u32>(0u, 1u, 2u, 3u);
        let inside = i < vec4<u32>(end);
        let m = select(vec4<f32>(d.mean), vec4<f32>(c.mean), inside);
        let scale = select(vec4<f32>(d.scale), vec4<f32>(c.scale), inside);
        let offset = select(vec4<f32>(d.offset), vec4<f32>(c.offset), inside);
        let slope = select(vec4<f32>(d.slope), vec4<f32>(c.slope), inside);
        let v = scale * (dx[q] * dropout_quad(batch_start() + 4u * q) - offset - slope * (x[q] - m));
        dx[q] = select(vec4<f32>(0.0), v, i < vec4<u32>(real));
    }
}
