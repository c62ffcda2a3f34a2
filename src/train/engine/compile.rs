//! From a model to programs and their plan, without a budget.

use super::Compiled;
use crate::error::Result;
use crate::nn::Model;
use crate::ops::{Capabilities, Choices};
use crate::plan::{MemoryPlan, Placement, Schedule, schedule};
use crate::train::graph::{GraphSettings, evaluation_tape, training_tape};

/// Lower the tapes of a run and plan their memory as they are, without a budget.
///
/// # Errors
/// When the model does not fit the data, or no kernel fits the device.
pub fn compile(
    model: &Model,
    g: &GraphSettings,
    entries: Option<usize>,
    eval_entries: usize,
    capabilities: &Capabilities,
    choices: &Choices,
) -> Result<(Vec<Compiled>, MemoryPlan)> {
    let mut tapes = Vec::new();
    if let Some(entries) = entries {
        tapes.push(("training", training_tape(model, g, entries)?));
    }
    tapes.push((
        "evaluation",
        evaluation_tape(model, g, eval_entries.max(1))?,
    ));
    let mut programs = Vec::new();
    for (name, tape) in tapes {
        let schedule = schedule(&tape, capabilities, choices)?;
        programs.push(Compiled {
            name: name.to_owned(),
            tape,
            schedule,
        });
    }
    let list: Vec<(&str, &Schedule)> = programs
        .iter()
        .map(|p| (p.name.as_str(), &p.schedule))
        .collect();
    let plan = MemoryPlan::new(&list, capabilities, Placement::default(), g.micro_batches)?;
    Ok((programs, plan))
}
