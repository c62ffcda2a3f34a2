//! Which kernels to inspect: those that a tape's lowering dispatches, with their constants.

use crate::error::{Error, Result};
use crate::nn::Model;
use crate::ops::{Capabilities, Choices, Kernel, Problem, registry};
use crate::plan::{Schedule, schedule};
use crate::tape::Tape;
use crate::train::{GraphSettings, training_tape};

/// A kernel with its constants, and what it is for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The kernel.
    pub kernel: Kernel,
    /// The family that chose it; the op of a kernel without a ladder.
    pub op: String,
    /// The rung.
    pub rung: Option<&'static str>,
    /// The problems that it solves with these constants.
    pub problems: Vec<Problem>,
    /// Whether it runs when nothing is tuned or forced.
    pub default: bool,
}

/// Distinct kernels, in the order in which they first run.
#[derive(Debug, Clone, Default)]
pub struct Kernels(pub Vec<Wanted>);

impl Kernels {
    /// Add the kernels of a schedule; with `rung`, only those that this rung of this family dispatches.
    fn add(&mut self, s: &Schedule, rung: Option<(&str, &str)>) {
        for dispatch in &s.dispatches {
            let chosen = dispatch.chosen.map(|c| &s.chosen[c]);
            if rung.is_some() && rung != chosen.map(|c| (c.family, c.rung)) {
                continue;
            }
            let label = s.labels[dispatch.node].as_str();
            let op = match chosen {
                Some(c) => c.family,
                None => label.rsplit_once('/').map_or(label, |(_, op)| op),
            };
            let problem = chosen.map(|c| c.problem.clone());
            let name = chosen.map(|c| c.rung);
            let same =
                |w: &&mut Wanted| w.kernel == dispatch.kernel && w.op == op && w.rung == name;
            if let Some(found) = self.0.iter_mut().find(same) {
                let new = problem.filter(|p| !found.problems.contains(p));
                found.problems.extend(new);
                continue;
            }
            self.0.push(Wanted {
                kernel: dispatch.kernel.clone(),
                op: op.to_owned(),
                rung: name,
                problems: problem.into_iter().collect(),
                default: rung.is_none(),
            });
        }
    }

    /// The kernels of a tape: those that run by default, and with `every_rung` those of all other rungs that support its problems.
    fn of_tape(
        &mut self,
        tape: &Tape,
        capabilities: &Capabilities,
        every_rung: bool,
    ) -> Result<()> {
        let default = schedule(tape, capabilities, &Choices::default())?;
        self.add(&default, None);
        if !every_rung {
            return Ok(());
        }
        for ladder in registry().iter().flat_map(|e| e.ladders) {
            let family = ladder.name();
            let problems = default.chosen.iter().filter(|c| c.family == family);
            let problems: Vec<String> = problems.map(|c| c.problem.to_string()).collect();
            if problems.is_empty() {
                continue;
            }
            for rung in ladder.rungs() {
                let mut choices = Choices::default();
                if rung.reduced() {
                    // Of reduced precision: never tuned, and forced it has to support every problem.
                    choices.force(family, rung.name);
                } else {
                    let mut tune = |p: &String| choices.tune(family, p, rung.name);
                    problems.iter().for_each(&mut tune);
                }
                if let Ok(s) = schedule(tape, capabilities, &choices) {
                    self.add(&s, Some((family, rung.name)));
                }
            }
        }
        Ok(())
    }

    /// Only those of this op, family or kernel.
    ///
    /// # Errors
    /// When there is none, with what there is.
    pub fn named(mut self, name: &str) -> Result<Self> {
        let ops: Vec<String> = self.0.iter().map(|w| w.op.clone()).collect();
        let fits = |w: &Wanted| {
            let op = w.op.split('.').next() == Some(name) || w.op == name;
            op || w.kernel.name.contains(name)
        };
        self.0.retain(fits);
        if self.0.is_empty() {
            let mut ops = ops;
            ops.sort();
            ops.dedup();
            return Err(Error::usage(format!(
                "no kernel here belongs to an op '{name}' or has that in its name; the ops are {}",
                ops.join(", ")
            )));
        }
        Ok(self)
    }
}

/// The kernels of a model's training step.
///
/// # Errors
/// When the model does not fit its inputs, or can't run within these capabilities.
pub fn of_model(
    model: &Model,
    graph: &GraphSettings,
    capabilities: &Capabilities,
    every_rung: bool,
) -> Result<Kernels> {
    let tape = training_tape(model, graph, graph.micro_batch)?;
    let mut all = Kernels::default();
    all.of_tape(&tape, capabilities, every_rung)?;
    Ok(all)
}

/// The kernels of an op's cases, those that feed gradient checks; only of cases whose name contains `part`.
///
/// # Errors
/// When there is no such op or case, or one can't be lowered.
pub fn of_cases(
    op: &str,
    part: &str,
    capabilities: &Capabilities,
    every_rung: bool,
) -> Result<Kernels> {
    let entries = registry();
    let Some(entry) = entries.iter().find(|e| e.name == op) else {
        let names: Vec<&str> = entries.iter().map(|e| e.name).collect();
        return Err(Error::usage(format!(
            "there is no op '{op}'; there are {}",
            names.join(", ")
        )));
    };
    let cases = (entry.cases)();
    let mut all = Kernels::default();
    for case in cases.iter().filter(|c| c.name.contains(part)) {
        let tape = crate::gradcheck::tape(case)?;
        all.of_tape(&tape, capabilities, every_rung)
            .map_err(|e| e.context(format!("{op}, case '{}'", case.name)))?;
    }
    if all.0.is_empty() {
        let names: Vec<&str> = cases.iter().map(|c| c.name).collect();
        return Err(Error::usage(format!(
            "{op} has no case '{part}'; it has {}",
            names.join(", ")
        )));
    }
    Ok(all)
}
