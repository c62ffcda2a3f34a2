//! Samples as the network sees them, for people to look at.

use super::trainer::Trainer;
use crate::ops::{Array, Augment, Op, Step, partner};
use crate::report::AugmentedSample;

impl Trainer<'_, '_> {
    /// The first `count` samples of the first step, before and after augmentation: drawn and computed by the CPU reference, with
    /// the numbers that the kernels draw there. None for a run without augmentation.
    pub fn augmented(&self, count: usize) -> Vec<AugmentedSample> {
        let augment = self.settings.augment();
        if augment == Augment::default() {
            return Vec::new();
        }
        let order = self.order(1);
        let batch = self.settings.batch_size.min(order.len());
        let g = self.engine.settings();
        let [rows, frames] = [g.rows, g.frames];
        let step = Step {
            seed: self.engine.seed(),
            step: 1,
            ..Step::full(batch)
        };
        let samples = &self.task.samples;
        let values = |entry: u32| {
            let size = rows * frames;
            samples.x[entry as usize * size..][..size].to_vec()
        };
        let genre = |entry: u32| self.task.genres[samples.labels[entry as usize] as usize].clone();
        let own: Vec<u32> = order.iter().copied().take(batch.min(count)).collect();
        let partners: Vec<u32> = (0..own.len())
            .map(|p| order[partner(p as u32, &step) as usize])
            .collect();
        let array = |entries: &[u32]| Array::<f32> {
            shape: [entries.len(), 1, rows, frames].into(),
            data: entries.iter().flat_map(|&e| values(e)).collect(),
        };
        let (x, others) = (array(&own), array(&partners));
        let y = augment.forward_reference(&[&x, &others], &step);
        let after = y[0].data.chunks(rows * frames);
        (own.iter().zip(&partners).zip(after).zip(&y[1].data))
            .map(|(((&entry, &other), after), &share)| AugmentedSample {
                genre: genre(entry),
                mixed: augment.mixes().then(|| (genre(other), share)),
                size: [rows, frames],
                before: values(entry),
                after: after.to_vec(),
            })
            .collect()
    }
}
