//! Sizes of a batch norm, and what kernels are launched with.

use super::BatchNorm;
use crate::ops::dropout::aligned;
use crate::ops::util::WORKGROUP;
use crate::ops::{DeviceClass, Kernel, Lowering, Problem, Work, grid_1d};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// Sizes and settings, as every kernel reads them.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct Geometry {
    samples: u32,
    channels: u32,
    spatial: u32,
    training: u32,
    epsilon: f32,
    layer: u32,
    threshold: u32,
    scale: f32,
}

impl Geometry {
    pub(super) fn new(op: &BatchNorm, x: &Tensor) -> Self {
        let (samples, channels) = (x.dims()[0], x.dims()[1]);
        Self {
            samples: samples as u32,
            channels: channels as u32,
            spatial: (x.numel() / (samples * channels)) as u32,
            training: u32::from(op.training),
            epsilon: op.epsilon,
            layer: op.dropout.map_or(0, |d| d.layer),
            threshold: op.dropout.map_or(0, |d| d.threshold()),
            scale: op.dropout.map_or(1.0, |d| d.scale()),
        }
    }

    /// Elements of a row.
    pub(super) fn spatial(&self) -> u32 {
        self.spatial
    }

    /// Samples.
    pub(super) fn samples(&self) -> usize {
        self.samples as usize
    }

    /// Channels.
    pub(super) fn channels(&self) -> usize {
        self.channels as usize
    }

    /// Whether the statistics are the batch's.
    pub(super) fn training(&self) -> bool {
        self.training != 0
    }

    /// Work of a kernel that does `flops` per element and moves each element `times` times; what it moves per channel is little.
    pub(super) fn work(&self, flops: u64, times: u64) -> Work {
        let sizes = [self.samples, self.channels, self.spatial];
        let elements = sizes.iter().map(|&s| u64::from(s)).product::<u64>();
        Work {
            flops: flops * elements,
            bytes: 4 * times * elements,
        }
    }

    /// `kernel` with dropout compiled in, if there is any.
    pub(super) fn with_dropout(&self, kernel: Kernel) -> Kernel {
        if self.scale == 1.0 {
            return kernel;
        }
        kernel
            .with("DROPOUT", 1.0)
            .with("ALIGNED", aligned(self.channels * self.spatial))
    }

    /// The same for a kernel that works by single elements.
    pub(super) fn with_naive_dropout(&self, kernel: Kernel) -> Kernel {
        kernel.with("DROPOUT", f64::from(u8::from(self.scale != 1.0)))
    }

    /// One workgroup per row.
    pub(super) fn row_grid(&self) -> [u32; 3] {
        [self.channels, self.samples, 1]
    }

    /// One invocation per channel.
    pub(super) fn channel_grid(&self) -> [u32; 3] {
        grid_1d(self.channels as usize, WORKGROUP)
    }

    /// One invocation per element.
    pub(super) fn element_grid(&self) -> [u32; 3] {
        let elements = self.samples * self.channels * self.spatial;
        grid_1d(elements as usize, WORKGROUP)
    }

    /// Two compensated sums per row, in workspace.
    pub(super) fn partial(&self, l: &mut Lowering) -> Tensor {
        let shape = [self.samples as usize, self.channels as usize, 4];
        l.workspace("partial sums", Spec::f32(shape))
    }

    /// Invocations per row of the elementwise kernels: few on a CPU driver, which runs eight at a time anyway.
    pub(super) fn row_workgroup(&self, l: &Lowering) -> u32 {
        match l.capabilities().class {
            DeviceClass::Software => 8,
            DeviceClass::Hardware => (self.spatial / 4).next_power_of_two().clamp(32, 256),
        }
    }

    /// `kernel` with as many invocations per row, and vec4s in flight for each, as the row has work for: at least 64 invocations, all of
    /// a subgroup on any GPU; then loads in flight, up to 4; then invocations, up to 256.
    pub(super) fn with_wide(&self, kernel: Kernel) -> Kernel {
        let quads = (self.spatial + 6) / 4; // that a row may touch
        let each = quads.div_ceil(64).next_power_of_two().min(4);
        let lanes = quads.div_ceil(each).next_power_of_two().clamp(64, 256);
        kernel.with("WORKGROUP", lanes).with("QUADS", each)
    }
}

impl crate::ops::Geometry for Geometry {
    fn problem(&self) -> Problem {
        let size = |v: u32| v as usize;
        Problem(vec![
            ("n", size(self.samples)),
            ("c", size(self.channels)),
            ("s", size(self.spatial)),
            ("dropout", usize::from(self.threshold > 0)),
        ])
    }
}
