//! How good the weights on the device are.

use super::task::{argmax, per_track};
use super::trainer::Trainer;
use crate::error::Result;
use crate::report::ConfusionMatrix;

impl Trainer<'_, '_> {
    /// Confusion matrix of the weights on the device over the validation samples: per track, probabilities of a track's
    /// segments averaged.
    ///
    /// # Errors
    /// When the device fails.
    pub fn validate(&mut self) -> Result<ConfusionMatrix> {
        let order = &self.task.validation;
        let evaluation = self.engine.evaluate(order)?;
        let classes = self.task.genres.len();
        let mut matrix = ConfusionMatrix::new(self.task.genres.clone());
        for (sample, row) in per_track(
            order,
            &self.task.track_of,
            &evaluation.probabilities,
            classes,
        ) {
            let truth = self.task.samples.labels[sample as usize] as usize;
            matrix.add(truth, argmax(&row))?;
        }
        Ok(matrix)
    }

    /// Share of the training samples that the kept weights get right as in evaluation: without dropout, with the running
    /// statistics. Not the accuracy of an epoch, which is of the network in training. `None` without a validation side.
    ///
    /// # Errors
    /// When the device fails.
    pub fn train_accuracy(&mut self) -> Result<Option<f64>> {
        let (classes, labels) = (self.task.genres.len(), &self.task.samples.labels);
        let mut right = 0;
        // The engine evaluates as many samples at a time as validation has.
        let at_a_time = self.task.validation.len();
        if at_a_time == 0 {
            return Ok(None);
        }
        for order in self.task.train.chunks(at_a_time) {
            let evaluation = self.engine.evaluate(order)?;
            let rows = evaluation.probabilities.chunks(classes);
            let hit =
                |(sample, row): &(&u32, &[f32])| argmax(row) == labels[**sample as usize] as usize;
            right += order.iter().zip(rows).filter(hit).count();
        }
        Ok(Some(right as f64 / self.task.train.len().max(1) as f64))
    }
}
