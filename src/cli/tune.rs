//! `gtzan-gpu tune`.

use super::{console, values};
use crate::bench::{self, tuning};
use crate::error::{Error, Result};
use crate::nn::Model;
use crate::ops::Choices;
use clap::Args;
use std::path::PathBuf;

/// Options of `tune`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gtzan-gpu tune                               for the seed model at batch 8
  gtzan-gpu tune --model small --batch-size 32 for other shapes")]
pub struct TuneArgs {
    /// seed, notebook, small, demo, strong, or a TOML file of layers
    #[arg(long, default_value = "seed")]
    model: String,
    /// Samples per step (of a micro-batch, where the batch is split)
    #[arg(long, default_value_t = 8, value_parser = values::batch_size())]
    batch_size: usize,
    #[command(flatten)]
    device: super::DeviceArgs,
    /// Folder to store the choices in; the other commands find them with the same --cache [default: gtzan-gpu in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

fn no_folder() -> Error {
    Error::usage("there is no folder to store the choices in; name one with --cache DIR")
}

/// Time the rungs of every problem of the model, store the fastest.
///
/// # Errors
/// When the model is unknown, the device fails, or the choices can't be stored.
pub fn run(args: &TuneArgs) -> Result<()> {
    let cache = super::CacheArgs {
        cache: args.cache.clone(),
        no_cache: false,
    };
    let folder = cache.folder().ok_or_else(no_folder)?;
    let model = Model::load(&args.model)?;
    let gpu = args.device.open()?;
    let (n, choices) = (args.batch_size, Choices::default());
    bench::check_step(&model, n, gpu.capabilities(), &choices)?;
    let subjects = bench::of_model(&model, n)?;
    let tuned = console::with_bar("tuning", |bar| {
        bench::tune(&gpu, &subjects, |done, total, _| bar(done, total))
    })?;
    for t in &tuned {
        let against = match t.default_ms {
            _ if t.rung == t.default => "the default".to_owned(),
            Some(ms) => format!("default {} takes {ms:.3} ms", t.default),
            None => format!("default {} does not run", t.default),
        };
        console::line(&format!(
            "{:<26}{:<24}{:>10.3} ms ({against}) {}",
            t.family, t.rung, t.ms, t.problem
        ));
    }
    let path = tuning::store(&gpu, &folder, &tuned)?;
    console::line(&format!(
        "{} choices for {} stored in {}",
        tuned.len(),
        gpu.name(),
        path.display()
    ));
    Ok(())
}
