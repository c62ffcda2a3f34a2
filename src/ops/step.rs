//! The few numbers that change from step to step, in the layout that kernels read.

use bytemuck::{Pod, Zeroable};

/// State of one training (or evaluation) step: 64 bytes in the `control` buffer, written before each micro-batch.
///
/// WGSL files that read it declare the same struct. A program's shapes never change: a partial batch keeps the full shape
/// and lowers `valid`; batch statistics and the loss then leave the padding samples out.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Step {
    /// Seed of the run's random masks.
    pub seed: u32,
    /// Optimizer step, from 1.
    pub step: u32,
    /// Samples of this micro-batch that are real; the rest of the batch dimension is padding.
    pub valid: u32,
    /// Real samples in the whole batch: what the loss divides by.
    pub batch: u32,
    /// Position of this micro-batch's first sample within the batch, so that dropout masks don't depend on the split.
    pub sample_offset: u32,
    /// Position of this micro-batch's first sample within the epoch's order.
    pub cursor: u32,
    /// Part of the batch that this micro-batch is (`valid / batch`): scales what is counted once per batch, as L2.
    pub share: f32,
    /// Learning rate.
    pub learning_rate: f32,
    /// Learning rate with Adam's bias correction: `lr * sqrt(1 - beta2^t) / (1 - beta1^t)`.
    pub alpha: f32,
    /// Always 0, which no shader compiler can know: kernels that sum with compensation hide intermediate values behind the first
    /// of them. They also keep the size a multiple of 16 bytes.
    pub reserved: [u32; 7],
}

impl Step {
    /// A step over one full batch of `n` samples, not split.
    pub fn full(n: usize) -> Self {
        Self {
            seed: 0,
            step: 1,
            valid: n as u32,
            batch: n as u32,
            sample_offset: 0,
            cursor: 0,
            share: 1.0,
            learning_rate: 0.0,
            alpha: 0.0,
            reserved: [0; 7],
        }
    }
}
