//! Checks made ready for a device that is elsewhere: what it must run, and what it must find.

use super::choice::{named_by, reduced_outputs};
use super::record::record;
use super::{Scope, rounding, rungs, writers};
use crate::error::Result;
use crate::ops::{Capabilities, Case, Entry, Step};
use crate::plan::{Schedule, schedule};
use crate::reference::Executor;
use crate::tensor::Tensor;

/// A case with its values, and every way to run it.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What is written before a run.
    pub inputs: Vec<(Tensor, Vec<f32>)>,
    /// The step state.
    pub step: Step,
    /// Names, tensors and f64 values of what is compared afterwards.
    pub expected: Vec<(String, Tensor, Vec<f64>)>,
    /// The runs: `default` first.
    pub runs: Vec<PreparedRun>,
}

/// One way to run a case.
#[derive(Debug)]
pub(crate) struct PreparedRun {
    /// `ladder:rung`, or `default`.
    pub name: String,
    /// Its dispatches.
    pub schedule: Schedule,
    /// For each of [`Prepared::expected`] the greatest difference allowed, relative to the greatest value; none for one that this run
    /// does not check, or whose right values only the device knows.
    pub tolerances: Vec<Option<f64>>,
}

/// Prepare the default run of `case` and every rung of its op's ladders that a device of these capabilities supports.
///
/// # Errors
/// When the case can't be recorded or lowered.
pub(crate) fn prepare(entry: &Entry, case: &Case, capabilities: &Capabilities) -> Result<Prepared> {
    let setup = record(case)?;
    let mut reference = Executor::<f64>::new(&setup.tape);
    for (tensor, values) in &setup.inputs {
        reference.set(tensor, values);
    }
    reference.run(&setup.step);
    let outputs: Vec<_> = (setup.checked.iter())
        .map(|(_, t)| reference.get(t).clone())
        .collect();
    let choices = named_by(case, &setup, &outputs);
    let mut runs = Vec::new();
    for run in rungs(
        entry,
        case,
        &setup,
        capabilities,
        &mut Default::default(),
        Scope::Every,
    )? {
        let schedule = schedule(&setup.tape, capabilities, &run.choices)?;
        let writers = writers(&schedule)?;
        let reduced = reduced_outputs(&setup, &schedule, &writers, run.only);
        let tolerances = setup.checked.iter().enumerate().map(|(i, (_, tensor))| {
            // What may be chosen in reduced precision is not one value: see [`super::choice`].
            if reduced && choices == Some(i) {
                return None;
            }
            let rounding = rounding(&writers, schedule.root(tensor), run.only)?;
            Some(case.op.tolerance() * rounding)
        });
        runs.push(PreparedRun {
            name: run.name,
            tolerances: tolerances.collect(),
            schedule,
        });
    }
    let expected = (setup.checked.iter().zip(outputs))
        .map(|((name, t), values)| (name.clone(), t.clone(), values.data))
        .collect();
    Ok(Prepared {
        inputs: setup.inputs,
        step: setup.step,
        expected,
        runs,
    })
}
