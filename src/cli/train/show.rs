//! What a training run shows: tables before it, a line per epoch, the report after it.

use super::super::console;
use super::compiled::compiled;
use crate::bench::profile;
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use crate::gpu::{Gpu, Session};
use crate::nn::Model;
use crate::plan::budget::Fitted;
use crate::plan::summary::{Summary, timeline};
use crate::report::{self, ConfusionMatrix, EpochRow, History, RunReport, Setting};
use crate::train::{EpochEvent, Keep, Ranks, Settings, Task, Trainer, Validation};
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

pub fn device(gpu: &Gpu, ranks: &Ranks) {
    if ranks.are_several() {
        console::line(&format!(
            "{} ranks; this is rank 0, which speaks for all",
            ranks.size()
        ));
    }
    console::line(&format!("device: {} ({})", gpu.name(), gpu.driver()));
    if let Some(note) = gpu.software_note() {
        console::line(&note);
    }
    if let Some(note) = gpu.class_note() {
        console::line(&note);
    }
}

pub fn model(model: &Model, task: &Task) -> Result<()> {
    let summary = model.summary(task.features.rows, task.features.frames, task.genres.len())?;
    console::line(&format!("model: {}\n{summary}", model.name));
    Ok(())
}

pub fn plan(summary: &Summary) {
    let data = match (summary.dataset_on_gpu, summary.micro_batches) {
        (true, 1) => "the data set included".to_owned(),
        (true, n) => format!("the data set included, {n} micro-batches a step"),
        (false, 1) => "batches sent from the CPU".to_owned(),
        (false, n) => format!("batches sent from the CPU, {n} micro-batches a step"),
    };
    console::line(&format!(
        "memory: {} planned, {data} (lower bound {})",
        report::bytes(summary.total_bytes),
        report::bytes(summary.lower_bound_bytes)
    ));
    if let Some(line) = summary.statistics() {
        console::line(&line);
    }
    if summary.budget_bytes.is_some() {
        summary.explain().iter().for_each(|l| console::line(l));
    }
}

/// Progress bars on a terminal, plain lines elsewhere.
pub struct Display {
    bar: Option<ProgressBar>,
    epochs: u32,
    batch_size: usize,
    /// When the steps that the bar counts began, and how many were done by then.
    began: Instant,
    before: Option<usize>,
    numbers: String,
}

impl Display {
    pub fn new(task: &Task, settings: &Settings) -> Self {
        console::line(&format!(
            "training: {} steps of {} per epoch",
            task.train.len().div_ceil(settings.batch_size),
            settings.batch_size
        ));
        Self {
            bar: None,
            epochs: settings.epochs,
            batch_size: settings.batch_size,
            began: Instant::now(),
            before: None,
            numbers: String::new(),
        }
    }

    pub fn event(&mut self, event: EpochEvent) {
        match event {
            EpochEvent::Steps {
                epoch,
                done,
                steps,
                so_far,
            } => self.steps(epoch, done, steps, so_far),
            EpochEvent::Epoch { row, best } => {
                self.finish();
                console::line(&epoch_line(&row, self.epochs, self.batch_size, best));
            }
            EpochEvent::Message(text) => console::line(&text),
            EpochEvent::Warning(text) => console::note(&text),
        }
    }

    fn steps(&mut self, epoch: u32, done: usize, steps: usize, so_far: Option<(f64, f64)>) {
        let bar = self.bar.get_or_insert_with(|| {
            console::bar(steps as u64, &format!("epoch {epoch}/{}", self.epochs))
        });
        // The first step that is told of may be in the middle of an epoch, when a run goes on.
        let before = *self.before.get_or_insert(done.saturating_sub(1));
        if let Some((loss, accuracy)) = so_far {
            self.numbers = format!("loss {loss:.4} accuracy {accuracy:.3}");
        }
        let ms = self.began.elapsed().as_secs_f64() * 1e3 / (done - before).max(1) as f64;
        bar.set_message(format!(
            "{ms:.0} ms/step, {:.0} samples/s {}",
            self.batch_size as f64 * 1e3 / ms.max(1e-3),
            self.numbers
        ));
        bar.set_position(done as u64);
    }

    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.began = Instant::now();
        self.before = None;
        self.numbers.clear();
    }
}

fn epoch_line(r: &EpochRow, epochs: u32, batch: usize, best: bool) -> String {
    let validation = match (r.val_loss, r.val_accuracy) {
        (Some(loss), Some(accuracy)) => format!("  val loss {loss:.4}  val accuracy {accuracy:.3}"),
        _ => String::new(),
    };
    format!(
        "epoch {:>3}/{epochs}  loss {:.4}  accuracy {:.3}{validation}  lr {:.1e}  {:.1} s  {:.0} ms/step  {:.0} samples/s{}",
        r.epoch,
        r.loss,
        r.accuracy,
        r.lr,
        r.seconds,
        r.ms_per_step,
        batch as f64 * 1e3 / r.ms_per_step.max(1e-3),
        if best { "  best" } else { "" }
    )
}

/// `metrics.json`: what `evaluate --json` prints, and the run's circumstances.
#[derive(Serialize)]
struct Metrics<'a> {
    /// Of the kept weights on the validation side, where there is one.
    #[serde(flatten)]
    kept: Option<report::Scored>,
    seed: u64,
    settings: &'a Settings,
    adapter: &'a str,
    driver: String,
    version: &'a str,
    synthetic: bool,
    ending: &'a str,
    /// What was grouped, what is there twice.
    notes: &'a [String],
    /// [`Task::data_fingerprint`], by which folds know that they are of one set.
    data_fingerprint: &'a str,
    train_accuracy: f64,
    /// Of the last epoch's weights, on the same tracks.
    last: Option<report::Scored>,
    /// The epoch with the best validation accuracy, over samples.
    best_epoch: Option<u32>,
    best_val_accuracy: Option<f64>,
    /// Of the kept weights on the test side, where the split has one.
    test: Option<report::Scored>,
    memory: Memory,
}

/// What the plan promised, what was created, and what the driver says of it.
#[derive(Serialize)]
struct Memory {
    planned_bytes: u64,
    created_bytes: u64,
    /// Bytes that the driver's allocator handed out for buffers, where wgpu can tell.
    driver_allocated_bytes: Option<u64>,
    /// Bytes of the blocks that it took them from.
    driver_reserved_bytes: Option<u64>,
}

impl Memory {
    fn of(session: &Session, fitted: &Fitted) -> Self {
        let reported = session.reported_bytes();
        Self {
            planned_bytes: fitted.plan.total_bytes(),
            created_bytes: session.created_bytes(),
            driver_allocated_bytes: reported.map(|r| r.0),
            driver_reserved_bytes: reported.map(|r| r.1),
        }
    }

    fn line(&self) -> String {
        let driver = match (self.driver_allocated_bytes, self.driver_reserved_bytes) {
            (Some(allocated), Some(reserved)) => format!(
                "the driver's allocator reports {} in blocks of {}",
                report::bytes(allocated),
                report::bytes(reserved)
            ),
            _ => "the driver reports nothing".to_owned(),
        };
        format!(
            "memory: {} planned, {} created; {driver}",
            report::bytes(self.planned_bytes),
            report::bytes(self.created_bytes)
        )
    }
}

/// A finished run.
pub struct Finished<'a> {
    pub gpu: &'a Gpu,
    pub task: &'a Task,
    pub settings: &'a Settings,
    pub model: &'a Model,
    pub run: &'a Path,
    pub fitted: &'a Fitted,
    pub ending: &'a str,
}

/// Validate the kept weights, print the report, write the run's files.
pub fn finish(trainer: &mut Trainer, f: &Finished) -> Result<()> {
    let scores = trainer.scores()?;
    let history = trainer.history();
    if let Some(validation) = &scores.validation {
        print_matrix(&validation.kept);
        if let Some(text) = beside(validation, &history, f.settings.keep) {
            console::line(&text);
        }
    }
    console::line(&format!(
        "accuracy on the training samples, without dropout: {:.3}",
        scores.train_accuracy
    ));
    if let Some(test) = &scores.test {
        console::line("\nthe test side, scored once:");
        print_matrix(test);
    }
    let best = history.best();
    let memory = Memory::of(trainer.engine().session(), f.fitted);
    console::line(&memory.line());
    let metrics = Metrics {
        kept: scores.validation.as_ref().map(|v| v.kept.scored()),
        seed: f.settings.seed,
        settings: f.settings,
        adapter: f.gpu.name(),
        driver: f.gpu.driver(),
        version: env!("CARGO_PKG_VERSION"),
        synthetic: f.task.synthetic,
        ending: f.ending,
        notes: &f.task.notes,
        data_fingerprint: &f.task.data_fingerprint,
        train_accuracy: scores.train_accuracy,
        last: scores.validation.as_ref().map(|v| v.last.scored()),
        best_epoch: best.and_then(|row| row.val_accuracy.and(Some(row.epoch))),
        best_val_accuracy: best.and_then(|row| row.val_accuracy),
        test: scores.test.as_ref().map(ConfusionMatrix::scored),
        memory,
    };
    let path = f.run.join("metrics.json");
    let json = serde_json::to_string_pretty(&metrics).map_err(|e| Error::file(&path, e))?;
    atomic_write(&path, json.as_bytes())?;
    let engine = trainer.engine();
    let created = engine.session().created_bytes();
    let schedule = &f.fitted.programs[0].schedule;
    // The step runs with a learning rate of 0, and everything is saved already.
    let timings = profile::engine(engine, PROFILED_STEPS)?;
    let summary = f.model.summary(
        f.task.features.rows,
        f.task.features.frames,
        f.task.genres.len(),
    )?;
    let name = f.run.file_name().map(|n| n.to_string_lossy().into_owned());
    let report = RunReport {
        run: name.unwrap_or_else(|| f.run.display().to_string()),
        model: f.model.name.clone(),
        parameters: summary.trainable() as u64,
        data: f.task.description.clone(),
        notes: f.task.notes.clone(),
        synthetic: f.task.synthetic,
        device: format!("{} ({})", f.gpu.name(), f.gpu.driver()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ending: Some(f.ending.to_owned()),
        history,
        evaluation: scores.validation.as_ref().map(|v| v.kept.clone()),
        last: scores.validation.as_ref().map(|v| v.last.clone()),
        test: scores.test.clone(),
        memory: Some(timeline(schedule, &f.fitted.plan, 0)),
        kernels: Some(profile::kernel_times(schedule, &timings)),
        compiled: compiled(f.gpu, f.model, f.fitted.cut.micro_batch),
        peak_vram: Some(created),
        folds: Vec::new(),
        fold_histories: Vec::new(),
        augmented: trainer.augmented(SHOWN),
        settings: list(f.settings),
    };
    let html = report.write(f.run)?;
    console::line(&format!("saved in {}:", f.run.display()));
    console::line(match f.settings.keep {
        Keep::Best if scores.validation.is_some() => {
            "  model.safetensors       the best weights, with all that predicting needs"
        }
        _ => "  model.safetensors       the last weights, with all that predicting needs",
    });
    console::line("  checkpoint.safetensors  to go on with --resume");
    console::line("  history.csv, metrics.json, config.toml, split.txt, plots/*.svg");
    console::line(&format!("  {}", html.display()));
    Ok(())
}

/// What the best or the last epoch would have been, whichever is not kept.
fn beside(validation: &Validation, history: &History, keep: Keep) -> Option<String> {
    let last = history.rows.last()?;
    let best = history.best()?;
    Some(match keep {
        _ if best.epoch == last.epoch => "the best epoch is the last one".to_owned(),
        Keep::Best => {
            let report = validation.last.report();
            format!(
                "the last epoch ({}): accuracy {:.3}, macro-F1 {:.3}",
                last.epoch, report.accuracy, report.macro_f1
            )
        }
        Keep::Last => format!(
            "the best epoch ({}): accuracy {:.3} over samples, on the very samples that say so",
            best.epoch, best.val_accuracy?
        ),
    })
}

/// Augmented samples in the report.
const SHOWN: usize = 6;

/// Steps timed for the report's table of kernels.
const PROFILED_STEPS: usize = 2;

/// Classification report and confusion matrix.
pub fn print_matrix(matrix: &ConfusionMatrix) {
    console::line(&matrix.report().to_text());
    if let Some(i) = matrix.intervals() {
        console::line(&format!("{i}\n"));
    }
    console::line(&matrix.to_text(console::COLUMNS));
}

/// The settings as rows for the report.
pub fn list(settings: &Settings) -> Vec<Setting> {
    let Ok(serde_json::Value::Object(map)) = serde_json::to_value(settings) else {
        return Vec::new();
    };
    map.into_iter()
        .map(|(name, value)| Setting {
            name,
            value: match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Null => "-".to_owned(),
                other => other.to_string(),
            },
        })
        .collect()
}
