//! Gradient checks that go with a page: enough cases for every kernel on it, the smallest ones.

use super::data::{Check, Expected, Filled};
use super::recorder::{Recorder, at, dtype, place};
use crate::error::Result;
use crate::gradcheck::{Prepared, PreparedRun, prepare, to_bytes};
use crate::ops::{Capabilities, Kernel, registry};
use crate::plan::{MemoryPlan, Placement};
use std::collections::HashSet;

/// A run of a case, and how many numbers it takes to tell it.
struct Candidate {
    op: &'static str,
    case: &'static str,
    prepared: usize,
    run: usize,
    numbers: usize,
}

/// Choose and record checks for the kernels that `recorder` has so far. What is chosen is what covers a kernel, with its constants
/// where some case has them, in the fewest numbers.
///
/// # Errors
/// When a case can't be recorded or lowered: a bug in its op.
pub fn checks(recorder: &mut Recorder, capabilities: &Capabilities) -> Result<Vec<Check>> {
    let mut all: Vec<Prepared> = Vec::new();
    let mut candidates = Vec::new();
    for entry in registry() {
        for case in (entry.cases)() {
            let prepared = prepare(&entry, &case, capabilities)?;
            let numbers = numbers(&prepared);
            candidates.extend((0..prepared.runs.len()).map(|run| Candidate {
                op: entry.name,
                case: case.name,
                prepared: all.len(),
                run,
                numbers,
            }));
            all.push(prepared);
        }
    }
    candidates.sort_by_key(|c| c.numbers);
    let mut taken = Vec::new();
    // First with the same constants, then the same files for what is left.
    for identity in [Kernel::key, files] {
        let run = |c: &Candidate| &all[c.prepared].runs[c.run];
        let of = |c: &Candidate| -> HashSet<String> {
            let dispatches = &run(c).schedule.dispatches;
            dispatches.iter().map(|d| identity(&d.kernel)).collect()
        };
        let mut wanted: HashSet<String> = recorder.identities(identity);
        for &t in &taken {
            for kernel in of(&candidates[t]) {
                wanted.remove(&kernel);
            }
        }
        for (i, candidate) in candidates.iter().enumerate() {
            let has = of(candidate);
            if has.iter().any(|k| wanted.contains(k)) {
                wanted.retain(|k| !has.contains(k));
                taken.push(i);
            }
        }
    }
    taken.sort_by_key(|&t| (candidates[t].op, candidates[t].prepared, candidates[t].run));
    let mut checks = Vec::new();
    for candidate in taken.into_iter().map(|t| &candidates[t]) {
        let prepared = &all[candidate.prepared];
        let run = &prepared.runs[candidate.run];
        checks.push(check(recorder, capabilities, candidate, prepared, run)?);
    }
    Ok(checks)
}

fn numbers(prepared: &Prepared) -> usize {
    let inputs = prepared.inputs.iter().map(|(_, values)| values.len());
    let expected = prepared.expected.iter().map(|(.., values)| values.len());
    inputs.chain(expected).sum()
}

/// A kernel whatever its constants.
fn files(kernel: &Kernel) -> String {
    let names: Vec<&str> = kernel.files.iter().map(|f| f.name).collect();
    names.join(" ")
}

fn check(
    recorder: &mut Recorder,
    capabilities: &Capabilities,
    candidate: &Candidate,
    prepared: &Prepared,
    run: &PreparedRun,
) -> Result<Check> {
    let s = &run.schedule;
    let list = [("check", s)];
    let plan = MemoryPlan::new(&list, capabilities, Placement::Arenas(4), 1)?;
    let recording = recorder.recording(&list, &plan, false)?;
    let p = &plan.programs[0];
    let mut inputs = Vec::new();
    for (tensor, values) in &prepared.inputs {
        // An input that no kernel reads has no place.
        if let Ok(place) = place(s, p, tensor) {
            let data = recorder.blob.add(&to_bytes(tensor.spec().dtype, values));
            inputs.push(Filled {
                at: at(place),
                data,
            });
        }
    }
    let mut outputs = Vec::new();
    for ((name, tensor, values), tolerance) in prepared.expected.iter().zip(&run.tolerances) {
        let Some(tolerance) = *tolerance else {
            continue;
        };
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        outputs.push(Expected {
            name: name.clone(),
            at: at(place(s, p, tensor)?),
            dtype: dtype(tensor),
            values: recorder.blob.add(bytemuck::cast_slice(&values)),
            tolerance,
        });
    }
    Ok(Check {
        op: candidate.op,
        case: candidate.case,
        rung: run.name.clone(),
        recording,
        step: recorder.blob.add(bytemuck::bytes_of(&prepared.step)),
        inputs,
        outputs,
    })
}
