// Batch norm, statistics, second stage: mean and biased variance of each channel from those of its N rows, which are equally long.
// partial: [N,C,2] (average, sum of squared distances) of each row; mean, variance: [C]. Only the real rows count.
// One invocation: one channel. One workgroup: 64 of them, reading neighbouring partials.
// Traffic: reads 8 bytes per row twice: nothing beside the first stage.
// Next rung: none.

struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }
struct Params { samples: u32, channels: u32, spatial: u32, training: u32, epsilon: f32, layer: u32, threshold: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> partial: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> variance: array<f32>;
@group(0) @binding(3) var<storage, read> step: Step;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let c = (group.y * groups.x + group.x) * 64u + lane;
    if c >= params.channels {
        return;
    }
    let rows = f32(max(step.valid, 1u)); // a micro-batch may be all padding
    let spatial = f32(params.spatial);
    var sum = 0.0;
    for (var n = 0u; n < step.valid; n++) {
        sum += partial[n * params.channels + c].x;
    }
    let average = sum / rows;
    var squares = 0.0;
    for (var n = 0u; n < step.valid; n++) {
        let row = partial[n * params.channels + c];
        let d = row.x - average;
        squares += row.y + spatial * d * d;
    }
    mean[c] = average;
    variance[c] = squares / (rows * spatial);
}
