// Running statistics: running_mean += rate * (mean - running_mean), and the same for the variance; rate = 1 - momentum, in the
// warm-up 9 / (9 + step) as long as that is more.
// All four: [C]. Nothing happens when the micro-batch is all padding, or has one value of each channel.
// One invocation: one channel. One workgroup: 64 of them, no shared memory.
// Traffic: 24 bytes per channel; the launch is all that it costs.
// Next rung: none.

override WARM_UP: bool = false;

struct Params { channels: u32, rate: f32, spatial: u32, pad: u32 }

@group(0) @binding(0) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(1) var<storage, read_write> running_variance: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read> step: Step;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = id.y * groups.x * 64u + id.x;
    if c < params.channels && step.valid * params.spatial > 1u {
        let rate = select(params.rate, max(params.rate, 9.0 / (9.0 + f32(step.step))), WARM_UP);
        running_mean[c] += rate * (mean[c] - running_mean[c]);
        running_variance[c] += rate * (variance[c] - running_variance[c]);
    }
}
