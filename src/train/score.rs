//! How good a run's weights are.

use super::engine::{Evaluation, Weights};
use super::task::Task;
use super::trainer::Trainer;
use super::votes::{argmax, per_track};
use crate::error::Result;
use crate::report::ConfusionMatrix;

/// What a finished run is worth.
#[derive(Debug, Clone)]
pub struct Scores {
    /// On the validation side; `None` when everything trains.
    pub validation: Option<Validation>,
    /// Of the kept weights on the test side, where the split has one.
    pub test: Option<ConfusionMatrix>,
    /// Share of the training samples that the kept weights get right as in evaluation: without dropout, with the running
    /// statistics. Not the accuracy of an epoch, which is of the network in training.
    pub train_accuracy: f64,
}

/// Scores of a validation side.
#[derive(Debug, Clone)]
pub struct Validation {
    /// Of the kept weights.
    pub kept: ConfusionMatrix,
    /// Of the last epoch's weights.
    pub last: ConfusionMatrix,
}

impl Task {
    /// Confusion matrix of some samples' probabilities: per track, by the vote of its segments.
    ///
    /// # Errors
    /// When a label is none of the task's genres.
    pub fn confusion(&self, order: &[u32], probabilities: &[f32]) -> Result<ConfusionMatrix> {
        let classes = self.genres.len();
        let mut matrix = ConfusionMatrix::new(self.genres.clone());
        for (sample, row) in per_track(order, &self.track_of, probabilities, classes) {
            let truth = self.samples.labels[sample as usize] as usize;
            matrix.add(truth, argmax(&row))?;
        }
        Ok(matrix)
    }
}

impl Trainer<'_, '_> {
    /// Score a finished run; afterwards the kept weights are on the device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn scores(&mut self) -> Result<Scores> {
        let task = self.task;
        let (last, kept) = (self.last.clone(), self.best.clone());
        let same = last.is_empty() || last == kept;
        let last = match same || task.validation.is_empty() {
            true => None,
            false => Some(self.matrix_of(&last, &task.validation)?),
        };
        self.engine.set_weights(&kept)?;
        let validation = match task.validation.is_empty() {
            true => None,
            false => {
                let kept = self.matrix(&task.validation)?;
                Some(Validation {
                    last: last.unwrap_or_else(|| kept.clone()),
                    kept,
                })
            }
        };
        Ok(Scores {
            validation,
            test: match task.test.is_empty() {
                true => None,
                false => Some(self.matrix(&task.test)?),
            },
            train_accuracy: self.train_accuracy()?,
        })
    }

    /// Evaluate the validation samples; none without any. Among several ranks the first one computes it, and the others get to know
    /// loss and accuracy.
    pub(super) fn validate(&mut self) -> Result<Option<Evaluation>> {
        let order = &self.task.validation;
        if order.is_empty() {
            return Ok(None);
        }
        let ranks = self.engine.ranks();
        let mut evaluate = || self.engine.averaged(|engine| engine.evaluate(order));
        let Some(ranks) = ranks else {
            return evaluate().map(Some);
        };
        let mut probabilities = Vec::new();
        let bytes = ranks.of_first(|| {
            let found = evaluate()?;
            probabilities = found.probabilities;
            Ok([found.loss.to_le_bytes(), found.accuracy.to_le_bytes()].concat())
        })?;
        let number = |from: usize| {
            let bytes = bytes.get(from..from + 8).and_then(|b| b.try_into().ok());
            bytes.map_or(f64::NAN, f64::from_le_bytes)
        };
        Ok(Some(Evaluation {
            loss: number(0),
            accuracy: number(8),
            probabilities,
        }))
    }

    fn matrix_of(&mut self, weights: &Weights, order: &[u32]) -> Result<ConfusionMatrix> {
        self.engine.set_weights(weights)?;
        self.matrix(order)
    }

    /// Confusion matrix of the weights on the device over some samples.
    fn matrix(&mut self, order: &[u32]) -> Result<ConfusionMatrix> {
        let probabilities = self.probabilities(order)?;
        self.task.confusion(order, &probabilities)
    }

    /// Probabilities of some samples.
    fn probabilities(&mut self, order: &[u32]) -> Result<Vec<f32>> {
        let at_a_time = self.task.evaluated_at_once().max(1);
        let mut all = Vec::new();
        for part in order.chunks(at_a_time) {
            all.extend(self.engine.evaluate(part)?.probabilities);
        }
        Ok(all)
    }

    fn train_accuracy(&mut self) -> Result<f64> {
        let task = self.task;
        let probabilities = self.probabilities(&task.train)?;
        let rows = probabilities.chunks(task.genres.len());
        let hit = |(sample, row): &(&u32, &[f32])| {
            argmax(row) == task.samples.labels[**sample as usize] as usize
        };
        let right = task.train.iter().zip(rows).filter(hit).count();
        Ok(right as f64 / task.train.len().max(1) as f64)
    }
}
