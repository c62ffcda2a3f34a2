// Batch norm, gradients of gamma and beta, second stage: sums of the rows' partial sums; dgamma also divided by sqrt(variance + epsilon).
// partial: [N,C,2] (sum of g, sum of g * (x - mean)) of each row; variance, dgamma, dbeta: [C].
// One invocation: one channel. One workgroup: 64 of them, reading neighbouring partials.
// Traffic: reads 8 bytes per row: nothing beside the first stage.
// Next rung: none.

struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }
struct Params { samples: u32, channels: u32, spatial: u32, training: u32, epsilon: f32, layer: u32, threshold: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> partial: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> variance: array<f32>;
@group(0) @binding(2) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> dbeta: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let c = (group.y * groups.x + group.x) * 64u + lane;
    if c >= params.channels {
        return;
    }
    var sum = vec2<f32>(0.0);
    for (var n = 0u; n < params.samples; n++) {
        sum += partial[n * params.channels + c];
    }
    dbeta[c] = sum.x;
    dgamma[c] = sum.y / sqrt(variance[c] + params.epsilon);
}
