//! Samples as the network sees them, for people to look at.

use super::trainer::Trainer;
use crate::ops::{Array, Augment, Op, Step, copy_moved, partner, time_shift};
use crate::report::AugmentedSample;

impl Trainer<'_, '_> {
    /// The first `count` samples of the first step, before and after augmentation: drawn and computed by the CPU reference, with
    /// the numbers that the kernels draw there. None for a run without augmentation.
    pub fn augmented(&self, count: usize) -> Vec<AugmentedSample> {
        let augment = self.settings.augment();
        let largest = self.settings.time_shift;
        if augment == Augment::default() && largest == 0 {
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
        let own: Vec<u32> = (0..batch.min(count) as u32).collect();
        let partners: Vec<u32> = own.iter().map(|&p| partner(p, &step)).collect();
        let array = |positions: &[u32]| Array::<f32> {
            shape: [positions.len(), 1, rows, frames].into(),
            data: positions
                .iter()
                .flat_map(|&p| {
                    let mut moved = vec![0.0; rows * frames];
                    let entry = order[p as usize];
                    let shift = time_shift(p, &step, largest, frames);
                    let neighbours = samples.neighbours(entry);
                    copy_moved(
                        &mut moved,
                        &samples.x,
                        entry as usize,
                        neighbours,
                        frames,
                        shift,
                    );
                    moved
                })
                .collect(),
        };
        let (x, others) = (array(&own), array(&partners));
        let y = augment.forward_reference(&[&x, &others], &step);
        let after = y[0].data.chunks(rows * frames);
        (own.iter().zip(&partners).zip(after).zip(&y[1].data))
            .map(|(((&own, &other), after), &share)| {
                let [entry, other] = [own, other].map(|p| order[p as usize]);
                AugmentedSample {
                    genre: genre(entry),
                    mixed: augment.mixes().then(|| (genre(other), share)),
                    size: [rows, frames],
                    before: values(entry),
                    after: after.to_vec(),
                }
            })
            .collect()
    }
}
