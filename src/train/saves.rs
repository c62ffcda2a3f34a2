//! What a run writes while it goes on.

use super::checkpoint::Checkpoint;
use super::engine::Weights;
use super::model_file::ModelFile;
use super::ranks::Fact;
use super::trainer::{CHECKPOINT, Trainer};
use crate::error::{Error, Result};
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
        self.compare_weights(&checkpoint)?;
        if !checkpoint.is_finite() {
            return Err(self.diverged());
        }
        self.on_first(|t| checkpoint.save(&t.run.join(CHECKPOINT)))?;
        self.saved = self.progress.epoch;
        Ok(())
    }

    /// That all ranks have come to the same weights and moments.
    fn compare_weights(&self, checkpoint: &Checkpoint) -> Result<()> {
        let Some(ranks) = self.engine.ranks() else {
            return Ok(());
        };
        let mut hasher = blake3::Hasher::new();
        let weights = checkpoint.weights.iter().map(|(_, _, data)| data);
        for data in weights.chain(&checkpoint.moments) {
            hasher.update(bytemuck::cast_slice(data));
        }
        let fact = Fact::hashed(
            "set of weights",
            hasher.finalize().as_bytes(),
            "its GPU does not compute the same bits: use GPUs of one kind with one driver",
        );
        let compared = ranks.compare(&[fact]);
        compared.map_err(|e| Error::device(e.to_string()))
    }

    /// Let the first rank write something; if it can't, all end.
    pub(super) fn on_first(&self, write: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        match self.engine.ranks() {
            Some(ranks) => ranks.on_first(|| write(self)),
            None => write(self),
        }
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

    /// The best weights, or the last ones, whichever are kept.
    pub(super) fn save_model(&self) -> Result<()> {
        self.model_file(self.best.clone())
            .save(&self.run.join("model.safetensors"))
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
