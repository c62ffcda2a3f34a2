// The few numbers that change from step to step, as the host writes them before each micro-batch: `ops::Step` in Rust, 64 bytes.
struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }
