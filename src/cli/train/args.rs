//! Options of `train`: the command line over a `--config` file over the defaults.

use crate::dataset::{GroupBy, Segments};
use crate::error::{Error, Result};
use crate::features::Definition;
use crate::train::Settings;
use clap::Args;
use std::path::{Path, PathBuf};

/// `first` or `all`.
///
/// # Errors
/// For another word.
pub fn segments(text: &str) -> Result<Segments> {
    match text {
        "first" => Ok(Segments::First),
        "all" => Ok(Segments::All),
        _ => Err(Error::usage("give first or all")),
    }
}

/// Options of `train`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gtzan-gpu train                                   the synthetic set: a demo and a test
  gtzan-gpu train genres                            the original's recipe on GTZAN
  gtzan-gpu train genres --segments all --split fault-filtered --run runs/filtered
  gtzan-gpu train genres --vram 256MiB --batch-size 64
  gtzan-gpu train features.npz --model deep.toml    features and layers of your own
  gtzan-gpu train --resume runs/seed-1              go on where a run stopped")]
pub struct TrainArgs {
    /// Folder of genres, or a file of arrays (.safetensors, .npz, .npy)
    /// [default: ./genres if it exists, else the synthetic set with model small]
    data: Option<PathBuf>,
    /// Train on the synthetic set even if there is a folder ./genres
    #[arg(long, conflicts_with = "data")]
    synthetic: bool,
    /// Folder of the run [default: runs/MODEL-N, N counting up]
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// Go on with the run in this folder; of its settings only --epochs, --vram, --threads and
    /// --strict may change
    #[arg(long, value_name = "RUN", conflicts_with_all = ["run", "config", "data", "init", "synthetic"])]
    pub resume: Option<PathBuf>,
    /// TOML file of these options; the command line wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// seed, notebook, small, demo, or a TOML file of layers [default: seed]
    #[arg(long)]
    model: Option<String>,
    /// Epochs at most [default: 50]
    #[arg(long)]
    epochs: Option<u32>,
    /// Samples per step [default: 8]
    #[arg(long)]
    batch_size: Option<usize>,
    /// Adam's learning rate [default: 1e-3]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Decoupled weight decay [default: 0]
    #[arg(long)]
    weight_decay: Option<f32>,
    /// Clip the gradients' global norm [default: no clipping]
    #[arg(long)]
    clip_norm: Option<f32>,
    /// Label smoothing of the training loss [default: 0]
    #[arg(long)]
    label_smoothing: Option<f32>,
    /// Do not weigh classes inversely to their frequency
    #[arg(long)]
    no_class_weights: bool,
    /// Rate of every dropout layer [default: the model's own]
    #[arg(long)]
    dropout: Option<f32>,
    /// Keep batch norm's running statistics as Keras does: without a warm-up, so that they lag for some hundred steps
    #[arg(long)]
    keras_statistics: bool,
    /// Seed of weights, split, order and dropout [default: 42]
    #[arg(long)]
    seed: Option<u64>,
    /// Share of each genre's tracks that validates [default: 0.2]
    #[arg(long)]
    val_fraction: Option<f64>,
    /// stratified, fault-filtered, a file, or a folder of lists [default: stratified]
    #[arg(long)]
    split: Option<String>,
    /// Cross-validation: number of folds
    #[arg(long)]
    folds: Option<usize>,
    /// Cross-validation: the fold that validates, from 0 [default: 0]
    #[arg(long, requires = "folds")]
    fold: Option<usize>,
    /// What stays on one side of the split: recording (pieces and copies by name), folder (also an album or artist below
    /// its genre), or file (each by itself); identical files always do [default: recording]
    #[arg(long, value_name = "WHAT")]
    group_by: Option<GroupBy>,
    /// Which 3 s segments of a track: first or all [default: first]
    #[arg(long, value_parser = segments)]
    segments: Option<Segments>,
    /// Definition of the features: segment or notebook [default: segment]
    #[arg(long)]
    features: Option<Definition>,
    /// Keep the order of the training samples
    #[arg(long)]
    no_shuffle: bool,
    /// Tracks at most, spread over the genres
    #[arg(long)]
    limit: Option<usize>,
    /// Tracks per genre of the synthetic set [default: 60]
    #[arg(long)]
    synthetic_tracks: Option<usize>,
    /// End with an error at the first bad file
    #[arg(long)]
    strict: bool,
    /// Stop after this many epochs without a better validation accuracy, 0 never [default: 15]
    #[arg(long)]
    early_stopping: Option<u32>,
    /// Reduce the learning rate after this many epochs without a lower validation loss, 0 never [default: 5]
    #[arg(long)]
    plateau_patience: Option<u32>,
    /// By this factor [default: 0.2]
    #[arg(long)]
    plateau_factor: Option<f64>,
    /// But not below [default: 0]
    #[arg(long)]
    min_lr: Option<f64>,
    /// Start from the weights in this file (a model.safetensors); its running statistics need no warm-up
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Memory budget on the GPU, e.g. 256MiB [default: as much as the plan needs]
    #[arg(long, value_name = "BYTES")]
    vram: Option<String>,
    /// CPU threads for features [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    pub cache: super::super::CacheArgs,
    #[command(flatten)]
    pub device: super::super::DeviceArgs,
}

impl TrainArgs {
    /// The settings of a new run.
    ///
    /// # Errors
    /// When the config file can't be used, or an option makes no sense.
    pub fn settings(&self) -> Result<Settings> {
        let mut s = match &self.config {
            Some(path) => read_config(path)?,
            None => Settings::default(),
        };
        s.data = self.data.clone().or(s.data);
        if self.synthetic {
            s.data = None;
        } else if s.data.is_none() && Path::new("genres").is_dir() {
            s.data = Some(PathBuf::from("genres"));
        }
        if s.data.is_none() && self.model.is_none() && self.config.is_none() {
            s.model = "small".into();
        }
        self.apply(&mut s);
        check(&s)?;
        Ok(s)
    }

    /// Options over the settings of a run that goes on.
    ///
    /// # Errors
    /// When an option makes no sense, or would make it another run.
    pub fn apply_resumable(&self, s: &mut Settings) -> Result<()> {
        let before = s.clone();
        self.apply(s);
        let same = Settings {
            epochs: before.epochs,
            vram: before.vram.clone(),
            threads: before.threads,
            strict: before.strict,
            ..s.clone()
        };
        if same != before {
            return Err(Error::usage(
                "--resume goes on with the run's own settings: only --epochs, --vram, --threads and --strict may differ; start a new run for others",
            ));
        }
        check(s)
    }

    fn apply(&self, s: &mut Settings) {
        fn set<T: Clone>(field: &mut T, flag: &Option<T>) {
            if let Some(value) = flag {
                field.clone_from(value);
            }
        }
        fn set_option<T: Clone>(field: &mut Option<T>, flag: &Option<T>) {
            if flag.is_some() {
                field.clone_from(flag);
            }
        }
        set(&mut s.model, &self.model);
        set(&mut s.epochs, &self.epochs);
        set(&mut s.batch_size, &self.batch_size);
        set(&mut s.learning_rate, &self.learning_rate);
        set(&mut s.weight_decay, &self.weight_decay);
        set_option(&mut s.clip_norm, &self.clip_norm);
        set(&mut s.label_smoothing, &self.label_smoothing);
        s.class_weights &= !self.no_class_weights;
        set_option(&mut s.dropout, &self.dropout);
        s.keras_statistics |= self.keras_statistics;
        set(&mut s.seed, &self.seed);
        set(&mut s.val_fraction, &self.val_fraction);
        set(&mut s.split, &self.split);
        set_option(&mut s.folds, &self.folds);
        set(&mut s.fold, &self.fold);
        set(&mut s.group_by, &self.group_by);
        set(&mut s.segments, &self.segments);
        set(&mut s.features, &self.features);
        s.shuffle &= !self.no_shuffle;
        set_option(&mut s.limit, &self.limit);
        set(&mut s.synthetic_tracks, &self.synthetic_tracks);
        s.strict |= self.strict;
        set(&mut s.early_stopping, &self.early_stopping);
        set(&mut s.plateau_patience, &self.plateau_patience);
        set(&mut s.plateau_factor, &self.plateau_factor);
        set(&mut s.min_lr, &self.min_lr);
        set_option(&mut s.init, &self.init);
        set_option(&mut s.vram, &self.vram);
        set_option(&mut s.threads, &self.threads);
    }
}

/// Read a settings file.
///
/// # Errors
/// When it is missing or has an unknown setting, with the line.
pub fn read_config(path: &Path) -> Result<Settings> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::file(path, format!("can't be read as settings: {e}")))?;
    toml::from_str(&text).map_err(|e| {
        let line = e
            .span()
            .map_or(1, |s| text[..s.start].matches('\n').count() + 1);
        Error::usage(format!(
            "{}, line {line}: {}",
            path.display(),
            e.message().replace('\n', " ")
        ))
    })
}

fn check(s: &Settings) -> Result<()> {
    let wrong = |what: String| Err(Error::usage(what));
    if s.epochs == 0 || s.batch_size == 0 {
        return wrong(format!(
            "--epochs {} and --batch-size {} must be at least 1",
            s.epochs, s.batch_size
        ));
    }
    if !(s.learning_rate > 0.0 && s.learning_rate.is_finite()) {
        return wrong(format!(
            "--learning-rate {} must be above 0",
            s.learning_rate
        ));
    }
    if !(0.0..1.0).contains(&s.label_smoothing) {
        return wrong(format!(
            "--label-smoothing {} must be at least 0 and below 1",
            s.label_smoothing
        ));
    }
    if !(s.weight_decay >= 0.0 && s.weight_decay.is_finite()) {
        return wrong(format!(
            "--weight-decay {} must be 0 or more",
            s.weight_decay
        ));
    }
    if s.dropout.is_some_and(|rate| !(0.0..1.0).contains(&rate)) {
        return wrong("--dropout must be at least 0 and below 1".into());
    }
    if s.clip_norm.is_some_and(|c| !(c > 0.0 && c.is_finite())) {
        return wrong("--clip-norm must be above 0".into());
    }
    if !(s.plateau_factor > 0.0 && s.plateau_factor < 1.0) {
        return wrong(format!(
            "--plateau-factor {} must be above 0 and below 1",
            s.plateau_factor
        ));
    }
    if s.threads == Some(0) || s.limit == Some(0) || s.synthetic_tracks == 0 {
        return wrong("--threads, --limit and --synthetic-tracks must be at least 1".into());
    }
    Ok(())
}
