//! The samples, and how a batch of them reaches the device.

use crate::train::graph::GraphSettings;

/// The samples that an engine trains and evaluates on, normalised.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// Samples x rows x frames.
    pub x: Vec<f32>,
    /// One class per sample.
    pub labels: Vec<u32>,
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Gather samples for streaming; padding samples repeat the first, so that their values are finite.
pub(super) fn fill(
    samples: &Samples,
    entries: &[u32],
    g: &GraphSettings,
    x: &mut Vec<u8>,
    labels: &mut Vec<u8>,
) {
    x.clear();
    labels.clear();
    let size = g.rows * g.frames;
    for i in 0..g.micro_batch {
        let entry = *entries.get(i).unwrap_or(&entries[0]) as usize;
        x.extend_from_slice(bytemuck::cast_slice(
            &samples.x[entry * size..(entry + 1) * size],
        ));
        labels.extend_from_slice(&samples.labels[entry].to_le_bytes());
    }
}
