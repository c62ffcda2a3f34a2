//! The command line: one file per subcommand.

mod bench;
mod console;
mod devices;
mod evaluate;
mod exercise;
mod export;
mod features;
mod gradcheck;
mod inspect;
mod kernel;
mod plan;
mod predict;
mod profile;
mod rungs;
mod shaders;
mod synth;
#[cfg(test)]
mod together;
mod train;
mod tune;
mod values;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::gpu::{AdapterChoice, Gpu};
use crate::ops::{Choices, DeviceClass};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;

/// Train a music-genre classifier on any Vulkan, Metal or DX12 GPU, with hand-written WGSL kernels and a memory plan that
/// is known before the first allocation.
#[derive(Debug, Parser)]
#[command(name = "gtzan-gpu", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  gtzan-gpu train                              train on the built-in synthetic set
  gtzan-gpu train genres --epochs 30           train on a folder of genres/<genre>/*.au
  gtzan-gpu predict runs/seed-1 song.mp3       name the genre of a song
  gtzan-gpu plan --model seed --batch-size 32  memory of a training step, without a GPU
  gtzan-gpu gradcheck conv2d                   check a kernel's gradients";

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model, show how it goes, save it
    Train(Box<train::TrainArgs>),
    /// Classification report and confusion matrix of a model on a data set
    Evaluate(evaluate::EvaluateArgs),
    /// Genres of audio files, with probabilities
    Predict(predict::PredictArgs),
    /// The memory plan of a model's training step; needs no GPU
    Plan(plan::PlanArgs),
    /// Check gradients: finite differences against the reference, kernels against the reference
    Gradcheck(gradcheck::GradcheckArgs),
    /// The ladders on this device: time, rates, share of the measured peaks, error of every rung
    Bench(bench::BenchArgs),
    /// Find the fastest rung for each of a model's shapes; `train` uses what it stores
    Tune(tune::TuneArgs),
    /// Time per kernel in one training step, on random data
    Profile(profile::ProfileArgs),
    /// What a GPU's compiler makes of each kernel: registers, spills, occupancy, the hot loop, its assembly
    Inspect(inspect::InspectArgs),
    /// A kernel printed whole, or the list of all
    Kernel(kernel::KernelArgs),
    /// Exercises for those who learn to write kernels: what is solved, a task, a check of your kernel
    Exercise(exercise::ExerciseArgs),
    /// Adapters, limits, features; which one would be used and why
    Devices(devices::DevicesArgs),
    /// Write the features of a data set to a file for other tools (or for `train FILE`)
    Features(features::FeaturesArgs),
    /// Write a model for other programs: ONNX, or a web page that runs it on the reader's GPU
    Export(export::ExportArgs),
    /// Write the synthetic genre set as audio files
    Synth(synth::SynthArgs),
}

impl Cli {
    /// Parse the program's arguments, run the command, print what went wrong; the exit status.
    pub fn main() -> u8 {
        let parsed = command().try_get_matches();
        let cli = match parsed.and_then(|mut matches| Self::from_arg_matches_mut(&mut matches)) {
            Ok(cli) => cli,
            Err(e) if e.use_stderr() => {
                // Where stderr can't be written, the exit status has to do.
                let _lost = e.print();
                return 2;
            }
            Err(e) => {
                // Help or version; colours only where a terminal shows them.
                let text = e.render();
                let text = if console::is_terminal() {
                    text.ansi().to_string()
                } else {
                    text.to_string()
                };
                console::line_as_it_is(text.trim_end());
                return 0;
            }
        };
        match cli.run() {
            Ok(()) => 0,
            Err(error) => {
                console::error(&error);
                error.exit_code()
            }
        }
    }

    /// Run the command.
    ///
    /// # Errors
    /// What went wrong, in one sentence.
    pub fn run(self) -> Result<()> {
        self.check()?;
        match self.command {
            Command::Train(args) => train::run(*args),
            Command::Evaluate(args) => evaluate::run(&args),
            Command::Predict(args) => predict::run(&args),
            Command::Plan(args) => plan::run(&args),
            Command::Gradcheck(args) => gradcheck::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::Tune(args) => tune::run(&args),
            Command::Profile(args) => profile::run(&args),
            Command::Inspect(args) => inspect::run(&args),
            Command::Kernel(args) => kernel::run(&args),
            Command::Exercise(args) => exercise::run(&args),
            Command::Devices(args) => devices::run(&args),
            Command::Features(args) => features::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Synth(args) => synth::run(&args),
        }
    }
}

impl Cli {
    /// Refuse options of which one leaves another without effect, beyond what clap refuses: before anything is opened. A new
    /// option has to say where it stands to the others of its command, in the tables of `together.rs`. (`train` looks when it
    /// reads its settings, once: a config file may be a pipe.)
    fn check(&self) -> Result<()> {
        match &self.command {
            Command::Evaluate(args) => args.check(),
            Command::Plan(args) => args.check(),
            Command::Gradcheck(args) => args.check(),
            Command::Profile(args) => args.check(),
            Command::Inspect(args) => args.check(),
            Command::Exercise(args) => args.check(),
            Command::Features(args) => args.check(),
            Command::Bench(args) => args.check(),
            Command::Train(_)
            | Command::Predict(_)
            | Command::Tune(_)
            | Command::Kernel(_)
            | Command::Devices(_)
            | Command::Export(_)
            | Command::Synth(_) => Ok(()),
        }
    }
}

/// The commands; a negative number is a value like any other, and is told why it won't do.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| {
        command.mut_args(|arg| {
            let valued = arg.get_action().takes_values() && !arg.is_positional();
            arg.allow_negative_numbers(valued)
        })
    })
}

/// Which adapter.
#[derive(Debug, Clone, Args)]
struct DeviceArgs {
    /// Adapter by number or part of its name (see `gtzan-gpu devices`) [default: the fastest kind]
    #[arg(long, env = "GTZAN_GPU_DEVICE", value_name = "NAME|INDEX")]
    device: Option<String>,
}

impl DeviceArgs {
    fn choice(&self) -> AdapterChoice {
        match &self.device {
            Some(text) => text.parse().unwrap_or_default(),
            None => AdapterChoice::Best,
        }
    }

    /// Refuse `--device` where nothing would open it. (The environment's variable is there for all commands.)
    fn refuse(&self, why: &str) -> Result<()> {
        let from_environment = std::env::var("GTZAN_GPU_DEVICE").ok();
        without_effect(
            self.device.is_some() && self.device != from_environment,
            "--device",
            why,
        )
    }

    fn open(&self) -> Result<Gpu> {
        Gpu::open(&self.choice())
    }
}

/// Whose default kernels to run.
#[derive(Debug, Clone, Args)]
struct ClassArgs {
    /// Run what this kind of adapter runs by default, whatever adapter is here; the tuner's choices are left aside then
    #[arg(long, value_name = "KIND")]
    class: Option<Class>,
}

/// A kind of adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Class {
    /// A GPU
    Gpu,
    /// A driver that runs kernels on the CPU
    Cpu,
}

impl ClassArgs {
    /// Refuse a folder of the tuner's choices, which a class leaves aside, where nothing else is in it.
    fn refuse_cache(&self, cache: &CacheArgs) -> Result<()> {
        without_effect(
            self.class.is_some() && cache.is_given(),
            "--cache or --no-cache",
            "with --class, which leaves the tuner's choices aside",
        )
    }

    fn class(&self) -> Option<DeviceClass> {
        self.class.map(|class| match class {
            Class::Gpu => DeviceClass::Hardware,
            Class::Cpu => DeviceClass::Software,
        })
    }

    fn open(&self, device: &DeviceArgs) -> Result<Gpu> {
        self.open_nth(device, 0)
    }

    /// The adapter for the `nth` process on this machine.
    fn open_nth(&self, device: &DeviceArgs, nth: usize) -> Result<Gpu> {
        let gpu = Gpu::open_nth(&device.choice(), nth)?;
        Ok(match self.class() {
            Some(class) => gpu.with_defaults_of(class),
            None => gpu,
        })
    }
}

/// Where features and the tuner's choices are kept between calls.
#[derive(Debug, Clone, Args)]
struct CacheArgs {
    /// Folder of what is kept between calls, features and what tune found [default: gtzan-gpu in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Leave what is kept aside and keep nothing: features are computed every time, kernels run on the device's default rungs
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
}

impl CacheArgs {
    fn is_given(&self) -> bool {
        self.no_cache || self.cache.is_some()
    }

    fn folder(&self) -> Option<PathBuf> {
        if self.no_cache {
            return None;
        }
        self.cache.clone().or_else(|| {
            let variable = |name| {
                std::env::var_os(name)
                    .filter(|v| !v.is_empty())
                    .map(PathBuf::from)
            };
            let base = match std::env::consts::OS {
                "windows" => variable("LOCALAPPDATA"),
                "macos" => variable("HOME").map(|h| h.join("Library/Caches")),
                _ => variable("XDG_CACHE_HOME")
                    .or_else(|| variable("HOME").map(|h| h.join(".cache"))),
            };
            base.map(|b| b.join("gtzan-gpu"))
        })
    }
}

/// Says on stderr what there is to say of data that was read.
fn said_of(dataset: &Dataset) {
    console::skipped(&dataset.skipped);
    not_cached(dataset);
    dataset.notes.iter().for_each(|note| console::note(note));
}

/// Says on stderr why the feature cache was of no use.
fn not_cached(dataset: &Dataset) {
    if let Some(problem) = &dataset.cache.problem {
        console::note(&format!("the feature cache was not used: {problem}"));
    }
}

/// Refuse an option that was given and that something else leaves without effect.
fn without_effect(given: bool, flag: &str, why: &str) -> Result<()> {
    if !given {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{flag} is without effect {why}; leave out one of the two"
    )))
}

/// The rungs that `gtzan-gpu tune` found for this device; a note when its file can't be used. None where another kind's defaults are
/// asked for.
fn tuned_choices(gpu: &Gpu, cache: &CacheArgs) -> Choices {
    if gpu.kind() != gpu.capabilities().class {
        return Choices::default();
    }
    let Some(folder) = cache.folder() else {
        return Choices::default();
    };
    let (choices, problem) = crate::bench::tuning::load(gpu, &folder);
    if let Some(problem) = problem {
        console::note(&problem);
    }
    choices
}

/// Print a value as JSON on stdout.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::data(format!("can't write JSON: {e}")))?;
    console::line(&crate::text::printable_json(&text));
    Ok(())
}
