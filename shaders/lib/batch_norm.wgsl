// Sizes of a batch norm: x is [N,C,S], samples, channels, spatial. The kernel binds `step`.
struct Params { samples: u32, channels: u32, spatial: u32, training: u32, epsilon: f32, layer: u32, threshold: u32, scale: f32 }

// Position in the whole batch of this micro-batch's first element: dropout's masks are those of the whole batch.
fn batch_start() -> u32 {
    return step.sample_offset * params.channels * params.spatial;
}
