//! `gtzan-gpu profile`.

use super::rungs::{self, RungArgs};
use super::{console, print_json, values};
use crate::bench::profile;
use crate::error::{Error, Result};
use crate::fsutil::{atomic_write, keep_apart};
use crate::nn::Model;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Options of `profile`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gtzan-gpu profile --model small              where a training step's time goes
  gtzan-gpu profile --trace step.json          a trace for https://ui.perfetto.dev")]
pub struct ProfileArgs {
    /// seed, notebook, small, demo, strong, or a TOML file of layers
    #[arg(long, default_value = "seed")]
    model: String,
    /// Samples per step
    #[arg(long, default_value_t = 8, value_parser = values::batch_size())]
    batch_size: usize,
    /// Steps measured; the table shows medians
    #[arg(long, default_value_t = 5, value_parser = values::whole(1..=100_000_usize))]
    repeats: usize,
    /// Write one step as a Chrome trace
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    rungs: RungArgs,
    #[command(flatten)]
    shaders: super::shaders::ShaderArgs,
    #[command(flatten)]
    device: super::DeviceArgs,
    #[command(flatten)]
    class: super::ClassArgs,
    #[command(flatten)]
    cache: super::CacheArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    adapter: &'a str,
    driver: String,
    model: &'a str,
    batch_size: usize,
    step_ms: f64,
    gap_ms: f64,
    timing: &'static str,
    ops: &'a [profile::Row],
}

impl ProfileArgs {
    /// Refuse options that others leave without effect.
    pub fn check(&self) -> Result<()> {
        self.class.refuse_cache(&self.cache)
    }
}

/// Profile a training step on random data.
///
/// # Errors
/// When the model is unknown, a rung that was asked for can't run, the device fails, or the trace can't be written.
pub fn run(args: &ProfileArgs) -> Result<()> {
    args.shaders.apply()?;
    if let Some(path) = &args.trace {
        keep_apart(path, std::path::Path::new(&args.model))?;
    }
    let model = Model::load(&args.model)?;
    let gpu = args.class.open(&args.device)?;
    let choices = rungs::choices(&gpu, &args.cache, args.rungs.asked.as_ref());
    let mut engine = profile::random_engine(&gpu, &model, args.batch_size, &choices)?;
    rungs::show(
        args.rungs.asked.as_ref(),
        engine.programs(),
        gpu.capabilities(),
        console::note,
    )?;
    let timings = profile::engine(&mut engine, args.repeats)?;
    let s = &engine.programs()[0].schedule;
    let rows = profile::rows(s, &timings);
    if let Some(path) = &args.trace {
        let name = format!(
            "{}: {} at batch {}",
            gpu.name(),
            args.model,
            args.batch_size
        );
        let text = serde_json::to_vec(&profile::trace(s, &timings, &name))
            .map_err(|e| Error::file(path, format!("can't be made: {e}")))?;
        atomic_write(path, &text)?;
        console::note(&format!(
            "{}: open it in https://ui.perfetto.dev",
            path.display()
        ));
    }
    if args.json {
        return print_json(&Report {
            adapter: gpu.name(),
            driver: gpu.driver(),
            model: &args.model,
            batch_size: args.batch_size,
            step_ms: timings.step_ms,
            gap_ms: timings.gap_ms(),
            timing: timings.clock.name(),
            ops: &rows,
        });
    }
    console::line(&format!(
        "{} at batch {} on {}: {:.2} ms per step, kernels timed by {}",
        args.model,
        args.batch_size,
        gpu.name(),
        timings.step_ms,
        match timings.clock {
            crate::gpu::Clock::Timestamps => "the device's timestamps",
            crate::gpu::Clock::Wall => "wall clock, each submitted alone",
        }
    ));
    console::line(&format!(
        "{:<24}{:<40}{:>9}{:>12}{:>8}",
        "op", "kernel", "launches", "ms", "share"
    ));
    for r in &rows {
        console::line(&format!(
            "{:<24}{:<40}{:>9}{:>12.3}{:>7.1}%",
            r.op,
            r.kernel,
            r.launches,
            r.ms,
            100.0 * r.share
        ));
    }
    let launches: usize = rows.iter().map(|r| r.launches).sum();
    console::line(&format!(
        "{:<64}{launches:>9}{:>12.3}",
        "all kernels",
        timings.busy_ms()
    ));
    console::line(&format!(
        "{:<73}{:>12.3}{:>7.1}%",
        "launch gaps (step without kernels)",
        timings.gap_ms(),
        100.0 * timings.gap_ms() / timings.step_ms.max(f64::MIN_POSITIVE)
    ));
    Ok(())
}
