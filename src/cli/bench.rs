//! `gtzan-gpu bench`.

use super::{console, print_json, values};
use crate::bench::{self, Measured, Row};
use crate::error::{Error, Result};
use crate::fsutil::{atomic_write, check_place, create_dir};
use crate::nn::Model;
use crate::ops::{Choices, MadeFor, registry};
use crate::report;
use crate::train::{now, utc};
use clap::Args;
use std::path::PathBuf;

/// Options of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gtzan-gpu bench                                          every ladder at the shapes of seed
  gtzan-gpu bench conv2d.forward --model small             one of them
  gtzan-gpu bench conv2d --shape n=8,c=64,k=128,h=93,w=65  at a shape of your own
  gtzan-gpu bench conv2d.forward --svg pictures            draw the ladder and the roofline
  gtzan-gpu bench --from measured.json --svg pictures      the same from a file that --json made
  gtzan-gpu bench --readme=docs/bench/lavapipe.md          rewrite the table in this file")]
pub struct BenchArgs {
    /// Only kernel families whose name contains this, e.g. conv2d or conv2d.forward
    op: Option<String>,
    /// Only rungs whose name contains this, e.g. windows (the naive ones take long)
    #[arg(long)]
    rung: Option<String>,
    /// Sizes of the op instead of a model's, e.g. n=8,c=64,k=128,h=93,w=65
    #[arg(long, requires = "op", value_name = "SIZES")]
    shape: Option<String>,
    /// Whose shapes: seed, notebook, small, demo, strong, or a TOML file of layers
    #[arg(long, default_value = "seed", conflicts_with = "shape")]
    model: String,
    /// Samples per step
    #[arg(long, default_value_t = 8, value_parser = values::batch_size(), conflicts_with = "shape")]
    batch_size: usize,
    /// Rewrite the table between the markers in this file
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "README.md")]
    readme: Option<PathBuf>,
    /// Draw ladder.svg and roofline.svg into this folder
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Measure nothing: show, draw or tabulate what `bench --json` printed into this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["op", "rung", "shape", "model", "batch_size", "watch", "class"])]
    from: Option<PathBuf>,
    #[command(flatten)]
    shaders: super::shaders::WatchArgs,
    #[command(flatten)]
    device: super::DeviceArgs,
    #[command(flatten)]
    class: super::ClassArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl BenchArgs {
    /// Refuse options that others leave without effect.
    pub fn check(&self) -> Result<()> {
        if self.from.is_none() {
            return Ok(());
        }
        let why = "with --from, which measures nothing";
        self.device.refuse(why)?;
        self.shaders.refuse(why)
    }

    /// What to type to measure the same, outputs left out.
    fn command(&self) -> String {
        let mut words = vec!["gtzan-gpu bench".to_owned()];
        words.extend(self.op.clone());
        let mut option = |flag: &str, value: Option<&String>| {
            words.extend(value.map(|v| format!("--{flag} {v}")));
        };
        option("rung", self.rung.as_ref());
        match &self.shape {
            Some(shape) => option("shape", Some(shape)),
            None => {
                option("model", Some(&self.model));
                option("batch-size", Some(&self.batch_size.to_string()));
            }
        }
        words.join(" ")
    }

    /// Say a line, unless JSON is all that may be printed.
    fn say(&self, text: &str) {
        if !self.json {
            console::line(text);
        }
    }
}

/// Measure every rung and print a table.
///
/// # Errors
/// When the op or shape is unknown, or the device fails; a rung that fails is a row of the table.
pub fn run(args: &BenchArgs) -> Result<()> {
    // What is measured in an hour shall find its places.
    if let Some(path) = &args.readme {
        bench::around(path)?;
    }
    if let Some(folder) = args.svg.as_ref().filter(|folder| folder.exists()) {
        check_place(&folder.join("ladder.svg"))?;
    }
    let measured = match &args.from {
        Some(file) => {
            let kept = Measured::read(file)?;
            args.say(&heading(&kept));
            let mut told = Told::default();
            for row in &kept.results {
                told.row(args, row);
            }
            kept
        }
        None => {
            if args.shaders.apply()? {
                return Ok(());
            }
            measure(args)?
        }
    };
    if args.json {
        print_json(&measured)?;
    }
    if let Some(path) = &args.readme {
        bench::rewrite(path, &bench::table(&measured))?;
        console::note(&format!("rewrote the table in {}", path.display()));
    }
    if let Some(folder) = &args.svg {
        create_dir(folder)?;
        for (name, drawn) in report::bench_svgs(&measured) {
            let path = folder.join(name);
            atomic_write(&path, drawn.as_bytes())?;
            console::note(&format!("drew {}", path.display()));
        }
    }
    Ok(())
}

/// Measure, and say each row as soon as it is there.
fn measure(args: &BenchArgs) -> Result<Measured> {
    let families: Vec<&str> = registry()
        .iter()
        .flat_map(|e| e.ladders.iter().map(|l| l.name()))
        .collect();
    if let Some(op) = &args.op
        && !families.iter().any(|f| f.contains(op.as_str()))
    {
        return Err(Error::usage(format!(
            "there is no ladder '{op}'; there are {}",
            families.join(", ")
        )));
    }
    let shape = match (&args.op, &args.shape) {
        (Some(op), Some(shape)) => Some(bench::of_shape(op, shape)?),
        _ => None,
    };
    let model = match &shape {
        Some(_) => None,
        None => Some(Model::load(&args.model)?),
    };
    let gpu = args.class.open(&args.device)?;
    let subjects = match &model {
        Some(model) => {
            let (n, choices) = (args.batch_size, Choices::default());
            bench::check_step(model, n, gpu.capabilities(), &choices)?;
            bench::of_model(model, n)?
        }
        None => shape.into_iter().collect(),
    };
    bench::check(&gpu, &subjects)?;
    let peaks = bench::peaks(&gpu)?;
    if let Some(note) = gpu.class_note() {
        args.say(&note);
    }
    let mut measured = Measured {
        adapter: gpu.name().to_owned(),
        driver: gpu.driver(),
        // The day will do.
        date: utc(now()).split(' ').next().unwrap_or_default().to_owned(),
        command: args.command(),
        peak_gflops: peaks.gflops,
        copy_gbs: peaks.copy_gbs,
        results: Vec::new(),
    };
    args.say(&heading(&measured));
    let mut told = Told::default();
    measured.results = bench::run(
        &gpu,
        &subjects,
        args.op.as_deref(),
        args.rung.as_deref(),
        &peaks,
        |row| told.row(args, row),
    )?;
    Ok(measured)
}

/// The problem whose rows are being told.
#[derive(Default)]
struct Told(String);

impl Told {
    fn row(&mut self, args: &BenchArgs, row: &Row) {
        let problem = format!("{}: {}", row.op, row.shape);
        if problem != self.0 {
            args.say(&problem);
            self.0 = problem;
        }
        args.say(&line(row));
    }
}

fn heading(m: &Measured) -> String {
    format!(
        "{} ({}): {:.1} GFLOP/s of multiply-adds, {:.1} GB/s of copying\n  {:<24}{:>12}{:>12}{:>10}{:>10}{:>11}",
        m.adapter,
        m.driver,
        m.peak_gflops,
        m.copy_gbs,
        "for  rung (* default)",
        "ms",
        "GFLOP/s",
        "GB/s",
        "of peak",
        "max error"
    )
}

fn line(r: &Row) -> String {
    let class = match r.made_for {
        MadeFor::Any => "",
        MadeFor::Gpu => "GPU",
        MadeFor::CpuDriver => "CPU",
    };
    let name = format!("{class:<5}{}{}", r.rung, if r.default { " *" } else { "" });
    if let Some(why) = &r.skipped {
        return format!("  {name:<24}skipped: {why}");
    }
    let number = |v: Option<f64>, digits: usize| v.map_or("-".into(), |v| format!("{v:.digits$}"));
    format!(
        "  {name:<24}{:>12}{:>12}{:>10}{:>10}{:>11}",
        number(r.ms, 3),
        number(r.gflops, 2),
        number(r.gbs, 2),
        r.fraction_of_peak
            .map_or("-".into(), |f| format!("{:.1} %", 100.0 * f)),
        r.max_error.map_or("-".into(), |e| format!("{e:.1e}")),
    )
}
