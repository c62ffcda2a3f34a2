//! `checkpoint.safetensors`: everything that a run needs to go on to the same bits.

use super::callbacks::Callbacks;
use super::computed_by::ComputedBy;
use super::engine::Weights;
use super::tensor_file;
use crate::error::{Error, Result};
use crate::report::EpochRow;
use crate::tensor::Shape;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where a run stands, apart from tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: u32,
    /// Steps done of the next one.
    pub step_in_epoch: usize,
    /// Optimizer steps done in all.
    pub optimizer_step: u64,
    /// The current learning rate.
    pub learning_rate: f64,
    /// Early stopping and plateau.
    pub callbacks: Callbacks,
    /// The finished epochs.
    pub history: Vec<EpochRow>,
    /// Seconds spent in the unfinished epoch.
    pub seconds: f64,
    /// Why the run ended, when it has.
    pub ending: Option<String>,
    /// [`Task::fingerprint`](super::Task::fingerprint) of the data.
    pub task: String,
    /// Hash of the model's layers; none in a checkpoint of a version that did not note it.
    #[serde(default)]
    pub model: Option<String>,
    /// What computed it last; none in a checkpoint of a version that did not note it.
    #[serde(default)]
    pub computed_by: Option<ComputedBy>,
}

/// A run at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Where the run stands.
    pub progress: Progress,
    /// Parameters and running statistics.
    pub weights: Weights,
    /// Adam's moments, flat.
    pub moments: [Vec<f32>; 2],
    /// Moving average of the weights, flat; empty for a run that keeps none.
    pub average: Vec<f32>,
    /// The best epoch's weights; empty before the first validation.
    pub best: Weights,
    /// The device's totals of the unfinished epoch.
    pub totals: Vec<f32>,
}

const FORMAT: &str = "gtzan-gpu checkpoint 1";
const PARTS: [&str; 2] = ["moment1", "moment2"];
const AVERAGE: &str = "average";

/// No NaN, no infinity.
pub(super) fn all_finite(values: &[f32]) -> bool {
    values.iter().all(|v| v.is_finite())
}

impl Checkpoint {
    /// Whether a run can go on from it: all its values are numbers.
    pub fn is_finite(&self) -> bool {
        let weights = self
            .weights
            .iter()
            .chain(&self.best)
            .map(|(_, _, data)| data);
        weights
            .chain(&self.moments)
            .chain([&self.totals, &self.average])
            .all(|data| all_finite(data))
    }

    /// Write to `path`: whole or not at all.
    ///
    /// # Errors
    /// A full disk, a read-only folder.
    pub fn save(&self, path: &Path) -> Result<()> {
        let progress = serde_json::to_string(&self.progress).map_err(|e| Error::file(path, e))?;
        let metadata = tensor_file::Metadata::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("progress".to_owned(), progress),
        ]);
        let flat: Vec<Shape> = self
            .moments
            .iter()
            .map(|m| Shape::from([m.len()]))
            .collect();
        let totals = Shape::from([self.totals.len()]);
        let average = Shape::from([self.average.len()]);
        let best: Vec<String> = self
            .best
            .iter()
            .map(|(n, ..)| format!("best/{n}"))
            .collect();
        let mut tensors: Vec<(&str, &Shape, &[f32])> = vec![("totals", &totals, &self.totals)];
        for (name, shape, data) in &self.weights {
            tensors.push((name, shape, data));
        }
        for ((name, shape), data) in PARTS.iter().zip(&flat).zip(&self.moments) {
            tensors.push((name, shape, data));
        }
        if !self.average.is_empty() {
            tensors.push((AVERAGE, &average, &self.average));
        }
        for (name, (_, shape, data)) in best.iter().zip(&self.best) {
            tensors.push((name, shape, data));
        }
        tensor_file::write(path, &tensors, metadata)
    }

    /// Read from `path`.
    ///
    /// # Errors
    /// When the file is missing, damaged, or no checkpoint of this program.
    pub fn load(path: &Path) -> Result<Self> {
        Self::of(path, tensor_file::read(path, "a checkpoint")?)
    }

    /// [`load`](Self::load) from the bytes of the file at `path`, which another rank has read.
    ///
    /// # Errors
    /// As there.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        Self::of(path, tensor_file::parse(path, bytes)?)
    }

    fn of(path: &Path, (tensors, metadata): (Weights, tensor_file::Metadata)) -> Result<Self> {
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(Error::file(
                path,
                "not a checkpoint of this program; give a run's folder",
            ));
        }
        let progress = metadata
            .get("progress")
            .map(String::as_str)
            .unwrap_or_default();
        let progress = serde_json::from_str(progress)
            .map_err(|e| Error::file(path, format!("the checkpoint is damaged ({e})")))?;
        let mut checkpoint = Self {
            progress,
            weights: Vec::new(),
            moments: Default::default(),
            average: Vec::new(),
            best: Vec::new(),
            totals: Vec::new(),
        };
        for (name, shape, data) in tensors {
            if let Some(i) = PARTS.iter().position(|p| *p == name) {
                checkpoint.moments[i] = data;
            } else if name == AVERAGE {
                checkpoint.average = data;
            } else if name == "totals" {
                checkpoint.totals = data;
            } else if let Some(best) = name.strip_prefix("best/") {
                checkpoint.best.push((best.to_owned(), shape, data));
            } else {
                checkpoint.weights.push((name, shape, data));
            }
        }
        Ok(checkpoint)
    }
}
