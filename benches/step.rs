//! Training steps of the built-in models on random data: milliseconds per step, and from the start of a process to the end of
//! its first step (device, plan, shaders). With other frameworks' times for the same step it prints ratios:
//!
//! ```text
//! cargo bench --bench step
//! cargo bench --bench step -- --models small --batch-size 8 --steps 10
//! cargo bench --bench step -- --keras seed=450,small=110 --pytorch seed=300
//! GTZAN_KERAS_MS=seed=450,small=110 cargo bench --bench step
//! ```
//!
//! Times are wall-clock medians on an otherwise idle machine, so take the other framework's in the same run of the machine.
//! Every model runs in a process of its own, or the first would warm up the next.

use clap::Parser;
use gtzan_gpu::bench::profile::random_engine;
use gtzan_gpu::bench::tuning;
use gtzan_gpu::error::{Error, Result};
use gtzan_gpu::gpu::{AdapterChoice, Gpu, median};
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::Choices;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[derive(Parser)]
struct Args {
    /// Models, separated by commas
    #[arg(long, default_value = "seed,small", value_delimiter = ',')]
    models: Vec<String>,
    /// Samples per step
    #[arg(long, default_value_t = 8)]
    batch_size: usize,
    /// Steps measured after the first
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Adapter by number or part of its name
    #[arg(long, env = "GTZAN_GPU_DEVICE")]
    device: Option<String>,
    /// Folder with the choices of `gtzan-gpu tune`
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Keras' milliseconds per step, e.g. seed=450,small=110
    #[arg(long, env = "GTZAN_KERAS_MS", value_delimiter = ',')]
    keras: Vec<String>,
    /// PyTorch's milliseconds per step
    #[arg(long, env = "GTZAN_PYTORCH_MS", value_delimiter = ',')]
    pytorch: Vec<String>,
    /// Measure one model in this process, which was started at this time (milliseconds since 1970)
    #[arg(long, hide = true)]
    started: Option<f64>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // As in the program: Mesa's device-select layer prints an error where there is no display. SAFETY: nothing else runs yet.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    let args = Args::parse();
    let done = match args.started {
        Some(started) => measure(&args, started),
        None => args.models.iter().try_for_each(|m| in_a_process(m)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn now_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64() * 1e3)
}

/// Run this program again for one model, with the same arguments.
fn in_a_process(model: &str) -> Result<()> {
    let failed = |e: String| Error::usage(format!("{model}: can't be measured: {e}"));
    let program = std::env::current_exe().map_err(|e| failed(e.to_string()))?;
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // The last value of an option counts only if it is given once.
    if let Some(at) = arguments.iter().position(|a| a == "--models") {
        arguments.drain(at..(at + 2).min(arguments.len()));
    }
    arguments.retain(|a| !a.starts_with("--models="));
    let status = Command::new(program)
        .args(arguments)
        .args(["--models", model])
        .args(["--started", &now_ms().to_string()])
        .status()
        .map_err(|e| failed(e.to_string()))?;
    match status.success() {
        true => Ok(()),
        false => Err(failed(status.to_string())),
    }
}

fn measure(args: &Args, started: f64) -> Result<()> {
    let name = args.models.first().map_or("seed", String::as_str);
    let choice: AdapterChoice = match &args.device {
        Some(text) => text.parse().unwrap_or_default(),
        None => AdapterChoice::Best,
    };
    let gpu = Gpu::open(&choice)?;
    let choices = match &args.cache {
        Some(folder) => tuning::load(&gpu, folder).0,
        None => Choices::default(),
    };
    let model = Model::load(name)?;
    let mut engine = random_engine(&gpu, &model, args.batch_size, &choices)?;
    let order: Vec<u32> = (0..args.batch_size as u32).collect();
    let mut step = |t: u64| -> Result<f64> {
        let start = Instant::now();
        engine.train(
            &order,
            0,
            t,
            |_| 1e-3,
            |engine, _| {
                engine.session().wait()?;
                Ok(ControlFlow::Continue(()))
            },
        )?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    step(0)?;
    let first_ms = now_ms() - started;
    let times = (1..=args.steps.max(1) as u64)
        .map(&mut step)
        .collect::<Result<Vec<f64>>>()?;
    let ms = median(&times);
    println!(
        "{name} at batch {} on {}: {ms:.1} ms per step (median of {}), first step done {first_ms:.0} ms after start",
        args.batch_size,
        gpu.name(),
        times.len()
    );
    for (who, given) in [("Keras", &args.keras), ("PyTorch", &args.pytorch)] {
        if let Some(theirs) = find(given, name)? {
            println!("  {:.2} times {who}'s {theirs} ms", ms / theirs);
        }
    }
    Ok(())
}

/// The time of `model` among `model=ms` pairs.
fn find(given: &[String], model: &str) -> Result<Option<f64>> {
    for pair in given {
        let parsed = pair
            .split_once('=')
            .and_then(|(name, ms)| Some((name, ms.parse::<f64>().ok().filter(|ms| *ms > 0.0)?)));
        match parsed {
            Some((name, ms)) if name == model => return Ok(Some(ms)),
            Some(_) => {}
            None => {
                return Err(Error::usage(format!(
                    "'{pair}' is not MODEL=MILLISECONDS, as in seed=450"
                )));
            }
        }
    }
    Ok(None)
}
