//! `gtzan-gpu plan`.

use super::rungs::{self, RungArgs};
use super::{console, print_json, values};
use crate::error::{Error, Result};
use crate::fsutil::{atomic_write, keep_apart};
use crate::nn::Model;
use crate::ops::{Capabilities, Choices, DeviceClass};
use crate::plan::budget::{Cut, Fitted, Request, check_micro_batches, fit, largest_batch};
use crate::plan::summary::{Summary, timeline};
use crate::report;
use crate::train::{Feed, GraphSettings, Tapes, check_ranks};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Options of `plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "A plan is of a model and a batch: augmentation, a moving average and clipping are not in it, the data set only with --samples.

Examples:
  gtzan-gpu plan --model seed --batch-size 32
  gtzan-gpu plan --model deep.toml --batch-size 32 --vram 512MiB --explain
  gtzan-gpu plan --model seed --vram 256MiB --fit
  gtzan-gpu plan --model seed --rungs conv2d:half,dense:half
  gtzan-gpu plan --model seed --class gpu      with a GPU's kernels, also where there is only a CPU driver
  gtzan-gpu plan --model seed --svg plan.svg"
)]
pub struct PlanArgs {
    /// seed, notebook, small, demo, strong, or a TOML file of layers
    #[arg(long, default_value = "seed")]
    model: String,
    /// Samples per step
    #[arg(long, default_value_t = 8, value_parser = values::batch_size())]
    batch_size: usize,
    /// Cut each batch into this many equal parts [default: as few as fit --vram]
    #[arg(long, value_name = "N", value_parser = values::batch_size())]
    micro_batches: Option<usize>,
    /// What each card needs when this many ranks share a step (see docs/several-gpus.md); a micro-batch each, unless there are more
    #[arg(long, value_name = "N", value_parser = values::batch_size())]
    ranks: Option<usize>,
    /// Memory budget, e.g. 256MiB
    #[arg(long, value_name = "BYTES", value_parser = crate::plan::budget::parse_bytes)]
    vram: Option<u64>,
    /// Number of classes
    #[arg(long, default_value_t = 10, value_parser = values::count())]
    classes: usize,
    /// Feature rows
    #[arg(long, default_value_t = crate::features::ROWS, value_parser = values::count())]
    rows: usize,
    /// Frames
    #[arg(long, default_value_t = crate::features::FRAMES, value_parser = values::count())]
    frames: usize,
    /// Samples of the data set, a fifth of them for validation; they lie on the GPU when there is room [default: none]
    #[arg(long, value_parser = values::count())]
    samples: Option<usize>,
    /// Say what was considered, what is recomputed, and why
    #[arg(long)]
    explain: bool,
    /// The largest batch that fits --vram without being split, and a table of batch sizes
    #[arg(long, requires = "vram", conflicts_with_all = ["batch_size", "micro_batches", "ranks", "explain", "svg"])]
    fit: bool,
    #[command(flatten)]
    rungs: RungArgs,
    /// Draw buffers over the step's time into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    device: super::DeviceArgs,
    #[command(flatten)]
    class: super::ClassArgs,
    #[command(flatten)]
    cache: super::CacheArgs,
    /// Plan for the limits that every WebGPU device guarantees, even if there is a device
    #[arg(long, conflicts_with_all = ["cache", "no_cache"])]
    portable: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl PlanArgs {
    /// Refuse options that others leave without effect.
    pub fn check(&self) -> Result<()> {
        self.class.refuse_cache(&self.cache)?;
        if self.portable {
            self.device
                .refuse("with --portable, which plans for none in particular")?;
        }
        if let Some(k) = self.parts() {
            check_micro_batches(self.batch_size, k)?;
            check_ranks(k, self.ranks.unwrap_or(1))?;
        }
        Ok(())
    }

    /// How many ranks there are, where there are several.
    fn several(&self) -> Option<usize> {
        self.ranks.filter(|&n| n > 1)
    }

    /// How many micro-batches are asked for.
    fn parts(&self) -> Option<usize> {
        self.micro_batches.or(self.several())
    }
}

/// Plan and print.
///
/// # Errors
/// When the model is unknown, does not fit the shape, a rung that was asked for can't run, or nothing fits the budget.
pub fn run(args: &PlanArgs) -> Result<()> {
    if let Some(path) = &args.svg {
        keep_apart(path, std::path::Path::new(&args.model))?;
    }
    let model = Model::load(&args.model)?;
    let (capabilities, choices, for_what) = device(args)?;
    let samples = args.samples.unwrap_or(0);
    let tapes = Tapes {
        model: &model,
        base: GraphSettings {
            rows: args.rows,
            frames: args.frames,
            classes: args.classes,
            micro_batch: args.batch_size,
            micro_batches: 1,
            feed: Feed::Streamed,
            label_smoothing: 0.0,
            weight_decay: 0.0,
            clip_norm: None,
            time_shift: 0,
            augment: Default::default(),
            average: None,
        },
        samples,
        entries: (samples - samples / 5).max(1),
        eval_entries: (samples / 5).max(1),
    };
    let request = Request {
        budget: args.vram,
        batch: args.batch_size,
        micro_batches: args.parts(),
        may_reside: samples > 0,
        may_recompute: true,
        capabilities: &capabilities,
        choices: &choices,
    };
    if args.fit {
        return largest(args, &request, &tapes);
    }
    let record = |cut: &Cut| match args.several().is_some() {
        true => tapes.shared(cut),
        false => tapes.record(cut),
    };
    let fitted = fit(&request, record).map_err(|e| tapes.name_largest(&request, e))?;
    let asked = args.rungs.asked.as_ref();
    rungs::show(asked, &fitted.programs, &capabilities, console::note)?;
    if let Some(why) = tapes.cannot_learn(args.batch_size, args.parts())? {
        console::note(&format!("warning: {why}"));
    }
    let mut summary = Summary::new(&model.name, args.batch_size, args.vram, &fitted);
    summary.planned_for = Some(for_what.clone());
    if let Some(ranks) = args.several() {
        summary.share_among(ranks, &fitted);
    }
    if let Some(path) = &args.svg {
        let drawn = timeline(&fitted.programs[0].schedule, &fitted.plan, 0);
        let svg = report::memory_svg(&drawn);
        atomic_write(path, svg.as_bytes())?;
    }
    if args.json {
        return print_json(&summary);
    }
    console::line(&format!(
        "{}, batch {}{}, planned for {for_what}",
        model.name,
        args.batch_size,
        match summary.micro_batches {
            1 => String::new(),
            k => format!(" in {k} micro-batches of {}", summary.micro_batch_size),
        }
    ));
    summary.table().iter().for_each(|l| console::line(l));
    if let Some(line) = summary.statistics() {
        console::line(&line);
    }
    if args.explain || args.vram.is_some() {
        summary.explain().iter().for_each(|l| console::line(l));
    }
    if let Some(path) = &args.svg {
        console::line(&format!("drawn in {}", path.display()));
    }
    Ok(())
}

/// The device to plan for: the one that training would use, else what every device guarantees.
fn device(args: &PlanArgs) -> Result<(Capabilities, Choices, String)> {
    let class = args.class.class().unwrap_or(DeviceClass::Hardware);
    let for_what = match class {
        DeviceClass::Hardware => "any WebGPU-class GPU",
        DeviceClass::Software => "any WebGPU-class CPU driver",
    };
    if !args.portable {
        match args.class.open(&args.device) {
            Ok(gpu) => {
                let choices = rungs::choices(&gpu, &args.cache, args.rungs.asked.as_ref());
                let whose = match gpu.class_note() {
                    Some(_) if class == DeviceClass::Hardware => ", as if it were a GPU",
                    Some(_) => ", as if it were a CPU driver",
                    None => "",
                };
                let for_what = format!("{}{whose}", gpu.name());
                return Ok((gpu.capabilities().clone(), choices, for_what));
            }
            Err(e) if args.device.device.is_some() => return Err(e),
            Err(_) => {}
        }
    }
    let choices = rungs::above(Choices::default(), args.rungs.asked.as_ref());
    Ok((Capabilities::portable(class), choices, for_what.to_owned()))
}

#[derive(Serialize)]
struct FitReport {
    budget_bytes: Option<u64>,
    largest_batch: usize,
    batches: Vec<BatchRow>,
}

#[derive(Serialize)]
struct BatchRow {
    batch_size: usize,
    total_bytes: Option<u64>,
    micro_batches: Option<usize>,
    recomputed: Option<usize>,
    predicted_time_per_sample: Option<f64>,
}

/// The largest whole batch within the budget, and what other batch sizes take.
fn largest(args: &PlanArgs, request: &Request, tapes: &Tapes) -> Result<()> {
    let limit = Request {
        batch: 1024,
        ..request.clone()
    };
    let found = largest_batch(&limit, |cut| tapes.record(cut))?;
    if let Some(found) = &found {
        let asked = args.rungs.asked.as_ref();
        rungs::show(asked, &found.programs, request.capabilities, console::note)?;
    }
    let best = found.as_ref().map_or(0, |f| f.cut.micro_batch);
    let mut batches = Vec::new();
    let mut first: Option<f64> = None;
    for batch in [1, 2, 4, 8, 16, 32, 64, 128] {
        let request = Request {
            batch,
            ..request.clone()
        };
        let fitted: Option<Fitted> = match fit(&request, |cut| tapes.record(cut)) {
            Ok(fitted) => Some(fitted),
            Err(e) if e.kind() == crate::ErrorKind::Budget => None,
            Err(e) => return Err(e),
        };
        let per_sample = fitted.as_ref().map(|f| f.seconds / batch as f64);
        first = first.or(per_sample);
        batches.push(BatchRow {
            batch_size: batch,
            total_bytes: fitted.as_ref().map(|f| f.plan.total_bytes()),
            micro_batches: fitted.as_ref().map(|f| f.cut.micro_batches),
            recomputed: fitted.as_ref().map(|f| f.recomputed.len()),
            predicted_time_per_sample: per_sample.zip(first).map(|(s, f)| s / f),
        });
    }
    let report = FitReport {
        budget_bytes: args.vram,
        largest_batch: best,
        batches,
    };
    if args.json {
        print_json(&report)?;
    }
    if best == 0 {
        return Err(Error::new(
            crate::ErrorKind::Budget,
            format!(
                "not even a batch of 1 fits {} without being split; raise --vram",
                report::bytes(args.vram.unwrap_or(0))
            ),
        ));
    }
    if args.json {
        return Ok(());
    }
    console::line(&format!(
        "largest batch within {} without micro-batches: {best}{}",
        report::bytes(args.vram.unwrap_or(0)),
        if best >= 1024 {
            " (the search ends there)"
        } else {
            ""
        }
    ));
    console::line(&format!(
        "{:>6}{:>14}{:>15}{:>13}{:>24}",
        "batch", "memory", "micro-batches", "recomputed", "time per sample (x)"
    ));
    for row in &report.batches {
        let text = |v: Option<usize>| v.map_or("-".to_owned(), |v| v.to_string());
        console::line(&format!(
            "{:>6}{:>14}{:>15}{:>13}{:>24}",
            row.batch_size,
            row.total_bytes
                .map_or("does not fit".to_owned(), report::bytes),
            text(row.micro_batches),
            text(row.recomputed),
            row.predicted_time_per_sample
                .map_or("-".to_owned(), |t| format!("{t:.2}")),
        ));
    }
    Ok(())
}
