//! The samples, and how a batch of them reaches the device.

use crate::ops::copy_moved;
use crate::train::graph::GraphSettings;

/// The samples that an engine trains and evaluates on, normalised.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// Samples x rows x frames.
    pub x: Vec<f32>,
    /// One class per sample.
    pub labels: Vec<u32>,
    /// For each sample the one before and the one after it in its track, or itself where there is none; empty when no sample has
    /// a neighbour.
    pub neighbours: Vec<[u32; 2]>,
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The samples before and after one in its track.
    pub fn neighbours(&self, sample: u32) -> [usize; 2] {
        let list = self.neighbours.get(sample as usize);
        list.unwrap_or(&[sample; 2]).map(|n| n as usize)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Gather samples for streaming, each with the frames by which it moves; padding samples repeat the first, so that their values are
/// finite.
pub(super) fn fill(
    samples: &Samples,
    entries: &[(u32, isize)],
    g: &GraphSettings,
    x: &mut Vec<u8>,
    labels: &mut Vec<u8>,
) {
    labels.clear();
    let all: &[u8] = bytemuck::cast_slice(&samples.x);
    let (row, size) = (4 * g.frames, 4 * g.rows * g.frames);
    x.resize(g.micro_batch * size, 0);
    for (i, to) in x.chunks_exact_mut(size).enumerate() {
        let (entry, shift) = *entries.get(i).unwrap_or(&entries[0]);
        let neighbours = samples.neighbours(entry);
        copy_moved(to, all, entry as usize, neighbours, row, 4 * shift);
        labels.extend_from_slice(&samples.labels[entry as usize].to_le_bytes());
    }
}
