//! Every option of a training run, with the original's recipe as defaults.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::dataset::{GroupBy, Segments};
use crate::features::Definition;

/// Options of `gtzan-gpu train`; the same names on the command line (with dashes), in a `--config` file and in the
/// `config.toml` that a run saves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Folder of genres, or a file of arrays; none: the synthetic set.
    pub data: Option<PathBuf>,
    /// A built-in model or a model file.
    pub model: String,
    /// Epochs at most.
    pub epochs: u32,
    /// Samples per optimizer step.
    pub batch_size: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay (0: none).
    pub weight_decay: f32,
    /// Clip the gradients' global norm to this (none: no clipping).
    pub clip_norm: Option<f32>,
    /// Label smoothing of the training loss.
    pub label_smoothing: f32,
    /// Weigh classes inversely to their frequency.
    pub class_weights: bool,
    /// Replaces the rate of every dropout layer.
    pub dropout: Option<f32>,
    /// Keep batch norm's running statistics as Keras does, without a warm-up.
    pub keras_statistics: bool,
    /// Seed of initial weights, split, order and dropout.
    pub seed: u64,
    /// Share of each genre's tracks that validates.
    pub val_fraction: f64,
    /// `stratified`, `fault-filtered`, a file, or a folder of lists.
    pub split: String,
    /// Cross-validation with this many folds.
    pub folds: Option<usize>,
    /// The fold that validates, from 0.
    pub fold: usize,
    /// What stays on one side of the split: files of a recording, also those of a folder, or none but copies.
    pub group_by: GroupBy,
    /// Which 3 s segments of a track are samples.
    pub segments: Segments,
    /// How features are defined.
    pub features: Definition,
    /// Shuffle the training samples every epoch.
    pub shuffle: bool,
    /// Tracks at most, spread over the genres.
    pub limit: Option<usize>,
    /// Tracks per genre of the synthetic set.
    pub synthetic_tracks: usize,
    /// A bad file ends the run.
    pub strict: bool,
    /// Stop after this many epochs without a better validation accuracy (0: never).
    pub early_stopping: u32,
    /// Reduce the learning rate after this many epochs without a lower validation loss (0: never).
    pub plateau_patience: u32,
    /// By this factor.
    pub plateau_factor: f64,
    /// But never below.
    pub min_lr: f64,
    /// Start from the weights in this file.
    pub init: Option<PathBuf>,
    /// Memory budget, e.g. `256MiB`.
    pub vram: Option<String>,
    /// CPU threads.
    pub threads: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: None,
            model: "seed".into(),
            epochs: 50,
            batch_size: 8,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            clip_norm: None,
            label_smoothing: 0.0,
            class_weights: true,
            dropout: None,
            keras_statistics: false,
            seed: 42,
            val_fraction: 0.2,
            split: "stratified".into(),
            folds: None,
            fold: 0,
            group_by: GroupBy::Recording,
            segments: Segments::First,
            features: Definition::Segment,
            shuffle: true,
            limit: None,
            synthetic_tracks: 60,
            strict: false,
            early_stopping: 15,
            plateau_patience: 5,
            plateau_factor: 0.2,
            min_lr: 0.0,
            init: None,
            vram: None,
            threads: None,
        }
    }
}
