//! Every option of a training run, declared once: the command line with its help, recipe and config files, and the
//! `config.toml` that a run saves all follow from the list below.
//!
//! ```text
//! Given (command line)  over  Given (--config FILE)  over  Given (--recipe)  over  the defaults  =  Settings
//! ```
//!
//! A new option is one entry in the list: how it is written on the command line, its name and type, its default, the rule that
//! its value keeps, and what else is to say of it ([`declare::Facts`]). It is then a field of [`Settings`], a key in files, an
//! option with help on the command line, and a row of the report.

mod declare;
mod paths;
mod recipes;
mod together;
mod value;

#[cfg(test)]
mod tests;

pub use declare::{Declared, Kind};
pub use recipes::DEFAULT as DEFAULT_RECIPE;
#[cfg(test)]
pub(crate) use together::tests::VALUES;

use crate::dataset::{GroupBy, Segments};
use crate::features::Definition;
use crate::ops::Augment;
use crate::train::{Keep, Schedule};
use declare::options;
use std::path::PathBuf;
use value::{above, anything, at_least, at_most, between, bytes, rungs, share, within};

options! {
    /// Folder of genres, or a file of arrays (.safetensors, .npz, .npy)
    positional data: PathBuf, anything(), unset: "./genres if it exists, else the synthetic set with model small";
    /// original, strong, or a TOML file of the options below; the command line and --config win
    value recipe: String = recipes::DEFAULT.to_owned(), anything();
    /// seed, notebook, small, demo, strong, or a TOML file of layers
    value model: String = "seed".to_owned(), anything();
    /// Epochs at most
    value epochs: u32 = 50, at_least(1), may_change: true;
    /// Samples per optimizer step
    value batch_size: usize = 8, at_least(1);
    /// Cut each batch into this many equal parts, whose gradients are summed
    optional micro_batches: usize, at_least(1), placeholder: "N", unset: "as few as fit the memory budget";
    /// Adam's learning rate, the highest of the schedule
    value learning_rate: f64 = 1e-3, value::learning_rate();
    /// How the learning rate goes on: constant, plateau (falls when validation stops getting better) or cosine (falls to the last
    /// epoch)
    value schedule: Schedule = Schedule::Plateau, anything();
    /// Epochs over which the learning rate rises from 0
    value warm_up: f64 = 0.0, at_least(0.0);
    /// Decoupled weight decay
    value weight_decay: f32 = 0.0, at_least(0.0);
    /// Clip the gradients' global norm to this
    optional clip_norm: f32, above(0.0), unset: "no clipping";
    /// Label smoothing of the training loss
    value label_smoothing: f32 = 0.0, share();
    /// Keep a moving average of the weights with this decay; it is what validates and what is saved
    optional average: f32, share(), unset: "no average";
    /// Augmentation: let each sample begin up to this many frames earlier or later in its track; at an end of the track the other end of
    /// the sample itself moves in
    value time_shift: usize = 0, anything(), placeholder: "FRAMES";
    /// Augmentation: multiply each sample by a factor within 1 plus or minus this
    value gain: f32 = 0.0, share();
    /// Augmentation: add a number of up to plus or minus this, in deviations of the features
    value offset: f32 = 0.0, at_least(0.0);
    /// Augmentation: bands of rows set to the mean, up to 4
    value frequency_masks: usize = 0, at_most(Augment::MASKS), placeholder: "N";
    /// Rows of the widest band
    value frequency_mask: usize = 24, at_least(1), placeholder: "ROWS";
    /// Augmentation: stretches of frames set to the mean, up to 4
    value time_masks: usize = 0, at_most(Augment::MASKS), placeholder: "N";
    /// Frames of the longest stretch
    value time_mask: usize = 16, at_least(1), placeholder: "FRAMES";
    /// Augmentation: mix each sample with another of its batch, shares drawn from Beta(ALPHA, ALPHA), 0 for no mixing
    value mixup: f32 = 0.0, at_least(0.0), placeholder: "ALPHA";
    /// Weigh classes inversely to their frequency
    switch class_weights: bool = true, anything();
    /// Rate of every dropout layer
    optional dropout: f32, share(), unset: "the model's own";
    /// Keep batch norm's running statistics as Keras does: without a warm-up, so that they lag for some hundred steps
    switch keras_statistics: bool = false, anything();
    /// Seed of weights, split, order and dropout
    value seed: u64 = 42, anything();
    /// Share of each genre's tracks that validates; 0 trains on all there is, without validation
    value val_fraction: f64 = 0.2, share();
    /// stratified, fault-filtered, a file, or a folder of lists
    value split: String = "stratified".to_owned(), anything();
    /// Cross-validation: number of folds
    optional folds: usize, at_least(2), unset: "no cross-validation";
    /// Cross-validation: the fold that validates, from 0
    optional fold: usize, anything(), unset: "every fold in turn, a run each";
    /// What stays on one side of the split: recording (pieces and copies by name), folder (also an album or artist below its
    /// genre), or file (each by itself); identical files always do
    value group_by: GroupBy = GroupBy::Recording, anything(), placeholder: "WHAT";
    /// Which 3 s segments of a track are samples: first, or all of its first 30 s
    value segments: Segments = Segments::First, anything();
    /// Definition of the features: segment (of each 3 s segment alone) or notebook (of the whole track up to 30 s, of which
    /// the first 130 frames are kept)
    value features: Definition = Definition::Segment, anything();
    /// Shuffle the training samples every epoch
    switch shuffle: bool = true, anything();
    /// Tracks at most, spread over the genres
    optional limit: usize, at_least(1), unset: "all";
    /// Tracks per genre of the synthetic set
    value synthetic_tracks: usize = 60, within(1, crate::synth::MOST_TRACKS);
    /// End with an error where a file is skipped
    switch strict: bool = false, anything(), may_change: true;
    /// Stop after this many epochs without a better validation accuracy, 0 never
    value early_stopping: u32 = 15, anything();
    /// Which weights are kept: those of the best epoch in validation, or of the last
    value keep: Keep = Keep::Best, anything();
    /// Reduce the learning rate after this many epochs without a lower validation loss, 0 never
    value plateau_patience: u32 = 5, anything();
    /// By this factor
    value plateau_factor: f64 = 0.2, between(0.0, 1.0);
    /// But not below; where the cosine ends
    value min_lr: f64 = 0.0, at_least(0.0);
    /// Start from the weights in this file (a model.safetensors, or a run's folder); its running statistics need no warm-up
    optional init: PathBuf, anything(), placeholder: "FILE", unset: "fresh weights";
    /// Memory budget on the GPU, e.g. 256MiB
    optional vram: String, bytes(), placeholder: "BYTES", unset: "80 % of a GPU's memory, half of a CPU driver's", may_change: true;
    /// Run these rungs of kernels wherever they can, e.g. conv2d.forward:half,dense:half (an op's name stands for all its ladders)
    optional rungs: String, rungs(), placeholder: "LADDER:RUNG,...", unset: "what tune found, else the device's defaults";
    /// Event files for TensorBoard, in DIR/(the run's name): scalars, histograms of weights and gradients, confusion matrices
    optional tensorboard: PathBuf, anything(), placeholder: "DIR", unset: "none", may_change: true;
    /// CPU threads for features
    optional threads: usize, within(1, crate::dataset::MOST_THREADS), unset: "all cores", may_change: true;
}

impl Settings {
    /// What happens to a training batch, apart from the time shift.
    pub fn augment(&self) -> Augment {
        Augment {
            gain: self.gain,
            offset: self.offset,
            row_masks: self.frequency_masks,
            row_mask: if self.frequency_masks > 0 {
                self.frequency_mask
            } else {
                0
            },
            frame_masks: self.time_masks,
            frame_mask: if self.time_masks > 0 {
                self.time_mask
            } else {
                0
            },
            mixup: self.mixup,
        }
    }
}
