// Batch norm, statistics, second stage: mean and biased variance of each channel from those of its N rows, which are equally long.
// partial: [N,C,2,2] (sum, sum of squared distances from the average) of each row, as (high, low); mean, variance: [C]. Only the real rows count.
// One invocation: one channel. One workgroup: 64 of them, reading neighbouring partials.
// Traffic: reads 16 bytes per row twice: nothing beside the first stage.
// Next rung: none.

@group(0) @binding(0) var<storage, read> partial: array<vec4<f32>>;
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
    let rows = f32(max(step.valid, 1u)); // a micro-batch may be all padding
    let spatial = f32(params.spatial);
    var sum = Sum(0.0, 0.0);
    for (var n = 0u; n < step.valid; n++) {
        let row = partial[n * params.channels + c];
        sum = join(sum, Sum(row.x, row.y));
    }
    let average = (sum.high + sum.low) / (rows * spatial);
    var squares = Sum(0.0, 0.0);
    for (var n = 0u; n < step.valid; n++) {
        let row = partial[n * params.channels + c];
        squares = join(squares, Sum(row.z, row.w)); // TODO: and the distance between the averages
    }
    mean[c] = average;
    variance[c] = (squares.high + squares.low) / (rows * spatial);
}
