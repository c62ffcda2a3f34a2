//! What a run leaves for people: the classification report, the plots, and `report.html`.
//!
//! Everything here works on plain data. The structs below know nothing of the tape or the GPU; whoever trains fills
//! them in, and parts that a run has not got are `None`.

pub mod compiled;
pub mod format;
pub mod history;
pub mod html;
pub mod interval;
pub mod metrics;
pub mod plot;
pub mod spectrogram;
pub mod spread;

pub use compiled::{CompiledKernel, CompiledKernels, HotLoop};
pub use format::bytes;
pub use history::{EpochRow, History};
pub use interval::{Intervals, Scored};
pub use metrics::{ClassScore, ClassificationReport, ConfusionMatrix};
pub use spectrogram::AugmentedSample;
pub use spread::Spread;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::fsutil::{atomic_write, create_dir};

/// All that `report.html` shows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RunReport {
    /// The run's name, as in `runs/<name>`.
    pub run: String,
    /// The model's name.
    pub model: String,
    /// Trainable parameters.
    pub parameters: u64,
    /// What it was trained on, e.g. `genres: 1000 tracks of 10 genres; 800 samples train, 200 validate`.
    pub data: String,
    /// What else there is to say about it: tracks that are there twice, what was grouped.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The data is the built-in synthetic set, so the numbers say nothing about music.
    pub synthetic: bool,
    /// Adapter and driver.
    pub device: String,
    /// Version of the program.
    pub version: String,
    /// How the training ended, e.g. `early stopping after epoch 31: 15 epochs without a better validation accuracy; the weights of epoch 16 are kept`.
    pub ending: Option<String>,
    pub history: History,
    /// Of the saved weights on the validation set.
    pub evaluation: Option<ConfusionMatrix>,
    /// Of the last epoch's weights on the same tracks.
    #[serde(default)]
    pub last: Option<ConfusionMatrix>,
    /// Of the saved weights on the test side, where the split has one.
    #[serde(default)]
    pub test: Option<ConfusionMatrix>,
    pub memory: Option<MemoryTimeline>,
    pub kernels: Option<KernelTimes>,
    /// What a GPU's compiler makes of them.
    #[serde(default)]
    pub compiled: Option<CompiledKernels>,
    /// Of a cross-validation: a row per fold; `evaluation` and `last` are then of all of them.
    #[serde(default)]
    pub folds: Vec<FoldRow>,
    /// And every fold's epochs, in the same order.
    #[serde(default)]
    pub fold_histories: Vec<History>,
    /// What augmentation did to some samples of the first step.
    #[serde(default)]
    pub augmented: Vec<AugmentedSample>,
    /// Most bytes allocated on the GPU at any time.
    pub peak_vram: Option<u64>,
    /// Every setting and its value, in the order to show them.
    pub settings: Vec<Setting>,
}

/// One fold's scores on the tracks that it validates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldRow {
    /// From 0; its run is in the folder `fold-N` beside the report.
    pub fold: usize,
    pub tracks: u64,
    /// Epochs that it was trained for.
    #[serde(default)]
    pub epochs: u32,
    /// The epoch whose weights are kept.
    #[serde(default)]
    pub kept_epoch: u32,
    /// Of the kept weights.
    pub accuracy: f64,
    pub macro_f1: f64,
    /// Of the last epoch's weights.
    pub last_accuracy: f64,
    pub last_macro_f1: f64,
}

/// One line of the table of settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

/// The memory plan over the dispatches of one training step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryTimeline {
    pub arenas: Vec<Arena>,
    pub buffers: Vec<PlannedBuffer>,
    /// Bytes that are live during each dispatch.
    pub live: Vec<u64>,
    /// Bytes that no plan of these dispatches can go below.
    pub lower_bound: u64,
    /// The dispatches' names, in order.
    pub dispatches: Vec<String>,
}

/// One GPU buffer that holds many planned ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arena {
    pub name: String,
    pub bytes: u64,
}

/// A tensor's place: bytes `offset..offset + bytes` of an arena, during dispatches `first..=last`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedBuffer {
    pub name: String,
    /// Index into [`MemoryTimeline::arenas`].
    pub arena: usize,
    pub offset: u64,
    pub bytes: u64,
    pub first: usize,
    pub last: usize,
}

impl MemoryTimeline {
    /// Number of dispatches in the step.
    pub fn steps(&self) -> usize {
        let last = self.buffers.iter().map(|b| b.last.saturating_add(1)).max();
        let listed = self.live.len().max(self.dispatches.len());
        if listed > 0 {
            listed
        } else {
            last.unwrap_or(0)
        }
    }

    /// ` (name)` of a dispatch, or nothing where it has none.
    fn dispatch_name(&self, index: usize) -> String {
        (self.dispatches.get(index))
            .map_or(String::new(), |d| format!(" ({})", format::printable(d)))
    }
}

/// Time per kernel in one training step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KernelTimes {
    /// `timestamps` (measured by the GPU) or `wall` (each dispatch submitted alone, so overheads are included).
    pub timing: String,
    /// The whole step.
    pub step_ms: f64,
    pub rows: Vec<KernelRow>,
}

/// One kernel's time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelRow {
    pub op: String,
    pub kernel: String,
    pub ms: f64,
    /// Fraction of the step, 0 to 1.
    pub share: f64,
}

impl RunReport {
    /// The plots this run has data for, with their file names.
    pub fn plots(&self) -> Vec<(&'static str, plot::Svg)> {
        let mut plots = Vec::new();
        if !self.history.rows.is_empty() {
            plots.push(("loss.svg", plot::loss(&self.history)));
            plots.push(("accuracy.svg", plot::accuracy(&self.history)));
        }
        if self.fold_histories.iter().any(|h| !h.rows.is_empty()) {
            plots.push(("loss.svg", plot::fold_loss(&self.fold_histories)));
            plots.push(("accuracy.svg", plot::fold_accuracy(&self.fold_histories)));
        }
        let schedule = self.schedule();
        if schedule.lr_changes().len() > plot::MAX_LR_MARKS {
            plots.push(("learning_rate.svg", plot::learning_rate(schedule)));
        }
        if let Some(matrix) = &self.evaluation {
            plots.push(("confusion.svg", plot::confusion(matrix)));
        }
        if let Some(timeline) = self.timeline() {
            plots.push(("memory.svg", plot::memory(timeline, plot::WIDE)));
        }
        if let Some(times) = self.kernel_times() {
            plots.push(("kernels.svg", plot::kernels(times)));
        }
        plots
    }

    /// The epochs that show the schedule: the run's own or, where the folds had the same learning rates, those of the longest.
    fn schedule(&self) -> &History {
        let rates = |h: &History| h.rows.iter().map(|r| r.lr).collect::<Vec<_>>();
        match self.fold_histories.iter().max_by_key(|h| h.rows.len()) {
            Some(longest) => {
                let whole = rates(longest);
                let same = |h: &History| whole.starts_with(&rates(h));
                match self.fold_histories.iter().all(same) {
                    true => longest,
                    false => &self.history,
                }
            }
            None => &self.history,
        }
    }

    /// The memory timeline, unless there is nothing in it.
    fn timeline(&self) -> Option<&MemoryTimeline> {
        self.memory.as_ref().filter(|m| m.steps() > 0)
    }

    /// The kernels' times, unless none was measured.
    fn kernel_times(&self) -> Option<&KernelTimes> {
        self.kernels.as_ref().filter(|k| !k.rows.is_empty())
    }

    /// Writes `report.html` and `plots/*.svg` into the run directory and returns the report's path.
    ///
    /// # Errors
    /// [`ErrorKind::File`](crate::ErrorKind::File) when a file can't be written; existing ones are then unchanged.
    pub fn write(&self, run: impl AsRef<Path>) -> Result<PathBuf> {
        let run = run.as_ref();
        let folder = run.join("plots");
        create_dir(&folder)?;
        for (name, svg) in self.plots() {
            atomic_write(folder.join(name), svg.standalone().as_bytes())?;
        }
        let path = run.join("report.html");
        atomic_write(&path, html::render(self)?.as_bytes())?;
        Ok(path)
    }
}

/// The memory timeline as a standalone SVG file: arenas, the tensors in them over the step's time, the live bytes and the
/// lower bound.
pub fn memory_svg(timeline: &MemoryTimeline) -> String {
    plot::memory(timeline, plot::WIDE).standalone()
}

/// A bench's ladder and roofline as standalone SVG files, with where, when and how it was measured.
pub fn bench_svgs(measured: &crate::bench::Measured) -> [(&'static str, String); 2] {
    [
        ("ladder.svg", plot::ladder(measured).standalone()),
        ("roofline.svg", plot::roofline(measured).standalone()),
    ]
}
