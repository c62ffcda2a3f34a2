//! Rungs that are asked for by name: above the tuner's choices, and what is said of them.

use super::CacheArgs;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::{Capabilities, Choices, Rungs};
use crate::plan::budget::Program;
use crate::plan::where_asked;
use clap::Args;

/// `--rungs` of those commands that are not `train`, which declares its own.
#[derive(Debug, Clone, Args)]
pub struct RungArgs {
    /// Kernels' rungs by name, as `train` takes them [default: what tune found, else the device's defaults]
    #[arg(id = "rungs", long = "rungs", value_name = "LADDER:RUNG,...")]
    pub asked: Option<Rungs>,
}

/// `choices`, and above them the rungs that were asked for.
pub fn above(mut choices: Choices, rungs: Option<&Rungs>) -> Choices {
    if let Some(rungs) = rungs {
        rungs.prefer_in(&mut choices);
    }
    choices
}

/// The same above what the tuner found.
pub fn choices(gpu: &Gpu, cache: &CacheArgs, rungs: Option<&Rungs>) -> Choices {
    above(super::tuned_choices(gpu, cache), rungs)
}

/// A line, by `say`, for each ladder on which a rung that was asked for can't run everywhere.
///
/// # Errors
/// When one can't run anywhere.
pub fn show(
    rungs: Option<&Rungs>,
    programs: &[Program],
    capabilities: &Capabilities,
    say: fn(&str),
) -> Result<()> {
    let Some(rungs) = rungs else {
        return Ok(());
    };
    let schedules = programs.iter().map(|p| &p.schedule);
    for line in where_asked(rungs, schedules, capabilities)? {
        say(&line);
    }
    Ok(())
}
