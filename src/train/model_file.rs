//! `model.safetensors`: weights under PyTorch's names and layouts, and in its metadata all that predicting needs.

use super::engine::{Weights, check_weights};
use super::graph::{Feed, GraphSettings, evaluation_tape};
use super::tensor_file;
use crate::dataset::{KnownSplit, Normaliser, Segments};
use crate::error::{Error, Result};
use crate::features::Definition;
use crate::nn::Model;
use crate::tensor::Shape;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How the model's inputs are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureSettings {
    /// Definition of the features; none: arrays of another tool, so audio can't be predicted.
    pub definition: Option<Definition>,
    /// Which segments of a track the model was trained on.
    pub segments: Segments,
    /// Feature rows.
    pub rows: usize,
    /// Frames.
    pub frames: usize,
}

/// A trained model with everything that predicting needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// Class names, in the order of the outputs.
    pub labels: Vec<String>,
    /// The architecture.
    pub model: Model,
    /// The features.
    pub features: FeatureSettings,
    /// Normalisation of the features.
    pub normaliser: Normaliser,
    /// Trained on the synthetic set.
    pub synthetic: bool,
    /// The split that it was trained with; none in files of older versions.
    pub split: Option<KnownSplit>,
    /// Parameters and running statistics.
    pub weights: Weights,
}

/// Value of the metadata key `format`.
const FORMAT: &str = "gtzan-gpu model 1";

impl ModelFile {
    /// Write to `path`: whole or not at all.
    ///
    /// # Errors
    /// A full disk, a read-only folder.
    pub fn save(&self, path: &Path) -> Result<()> {
        let json = |value: serde_json::Result<String>| value.map_err(|e| Error::file(path, e));
        let mut metadata = tensor_file::Metadata::from([
            ("format".to_owned(), FORMAT.to_owned()),
            (
                "labels".to_owned(),
                json(serde_json::to_string(&self.labels))?,
            ),
            ("architecture".to_owned(), self.model.to_toml()?),
            (
                "features".to_owned(),
                json(serde_json::to_string(&self.features))?,
            ),
            (
                "normalisation".to_owned(),
                json(serde_json::to_string(&self.normaliser))?,
            ),
            ("synthetic".to_owned(), self.synthetic.to_string()),
            ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        if let Some(split) = &self.split {
            metadata.insert("split".to_owned(), json(serde_json::to_string(split))?);
        }
        let tensors: Vec<(&str, &Shape, &[f32])> = self
            .weights
            .iter()
            .map(|(n, s, d)| (n.as_str(), s, d.as_slice()))
            .collect();
        tensor_file::write(path, &tensors, metadata)
    }

    /// Read from `path`.
    ///
    /// # Errors
    /// When the file is missing, damaged, no model of this program, or its weights are not its architecture's.
    pub fn load(path: &Path) -> Result<Self> {
        let (weights, metadata) = tensor_file::read(path, "a model")?;
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(Error::file(
                path,
                "a safetensors file, but not a model of this program (no 'format' in its metadata); give a run's model.safetensors",
            ));
        }
        let text = |key: &str| {
            metadata.get(key).ok_or_else(|| {
                Error::file(
                    path,
                    format!("the metadata has no '{key}'; the file is damaged"),
                )
            })
        };
        let origin = path.display().to_string();
        let file = Self {
            labels: parse(path, text("labels")?)?,
            model: Model::from_toml(text("architecture")?, &origin)?,
            features: parse(path, text("features")?)?,
            normaliser: parse(path, text("normalisation")?)?,
            synthetic: text("synthetic")? == "true",
            split: (metadata.get("split").map(|json| parse(path, json))).transpose()?,
            weights,
        };
        if file.normaliser.mean.len() != file.features.rows
            || file.normaliser.std.len() != file.features.rows
        {
            return Err(Error::file(
                path,
                "normalisation and features differ in rows; the file is damaged",
            ));
        }
        let tape = evaluation_tape(&file.model, &file.inputs(1), 1)
            .map_err(|e| e.context(path.display()))?;
        check_weights(&tape, &file.weights).map_err(|e| e.context(path.display()))?;
        Ok(file)
    }

    /// Settings of a graph that predicts batches of `batch`.
    pub(crate) fn inputs(&self, batch: usize) -> GraphSettings {
        GraphSettings {
            rows: self.features.rows,
            frames: self.features.frames,
            classes: self.labels.len(),
            micro_batch: batch,
            micro_batches: 1,
            feed: Feed::Streamed,
            label_smoothing: 0.0,
            weight_decay: 0.0,
            clip_norm: None,
            time_shift: 0,
            augment: Default::default(),
            average: None,
        }
    }
}

/// The weights of any safetensors file of f32 tensors: a model of this program, or one exported from PyTorch.
///
/// # Errors
/// When the file is missing or damaged.
pub fn read_weights(path: &Path) -> Result<Weights> {
    Ok(tensor_file::read(path, "weights")?.0)
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::file(path, format!("damaged metadata: {e}")))
}
