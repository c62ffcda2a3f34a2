//! What a run writes while it goes on.

use super::checkpoint::Checkpoint;
use super::engine::Weights;
use super::model_file::ModelFile;
use super::trainer::{CHECKPOINT, Trainer};
use crate::error::Result;
use crate::fsutil::atomic_write;

impl Trainer<'_, '_> {
    pub(super) fn save_checkpoint(&mut self) -> Result<()> {
        let checkpoint = Checkpoint {
            progress: self.progress.clone(),
            weights: self.engine.weights()?,
            moments: self.engine.moments()?,
            average: self.engine.average()?,
            best: self.best.clone(),
            totals: self.engine.totals()?,
        };
        if !checkpoint.is_finite() {
            return Err(self.diverged());
        }
        checkpoint.save(&self.run.join(CHECKPOINT))?;
        self.saved = self.progress.epoch;
        Ok(())
    }

    pub(super) fn save_split(&self) -> Result<()> {
        atomic_write(self.run.join("split.txt"), self.task.split_text.as_bytes())
    }

    pub(super) fn save_history(&self) -> Result<()> {
        atomic_write(
            self.run.join("history.csv"),
            self.history().to_csv().as_bytes(),
        )
    }

    pub(super) fn model_file(&self, weights: Weights) -> ModelFile {
        ModelFile {
            labels: self.task.genres.clone(),
            model: self.model.clone(),
            features: self.task.features.clone(),
            normaliser: self.task.normaliser.clone(),
            synthetic: self.task.synthetic,
            split: Some(self.task.split.clone()),
            weights,
        }
    }
}
