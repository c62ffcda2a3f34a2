//! Rival kernels for the problems of a training step, to be timed on the reader's GPU.

use super::data::{LadderData, RungData};
use super::recorder::Recorder;
use crate::bench::{of_graph, tape_of};
use crate::error::Result;
use crate::nn::Model;
use crate::ops::{Capabilities, Choices, MadeFor};
use crate::plan::{MemoryPlan, Placement, Schedule, schedule};
use crate::train::GraphSettings;
use std::collections::HashSet;

/// Every problem that a training step poses to a ladder, with the rungs that are made for GPUs and run it.
///
/// # Errors
/// When the model does not fit the graph's shape.
pub fn ladders(
    recorder: &mut Recorder,
    model: &Model,
    g: &GraphSettings,
    capabilities: &Capabilities,
) -> Result<Vec<LadderData>> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for subject in of_graph(model, g)? {
        let tape = tape_of(&subject)?;
        let first = schedule(&tape, capabilities, &Choices::default())?;
        for chosen in &first.chosen {
            if !seen.insert((chosen.family, chosen.problem.clone())) {
                continue;
            }
            let mut rungs = Vec::new();
            for rung in chosen.posed.ladder().rungs() {
                let supported = chosen.posed.supports(rung.name, capabilities).is_ok();
                if rung.class == MadeFor::CpuDriver || !supported {
                    continue;
                }
                let mut choices = Choices::default();
                choices.force(chosen.family, rung.name);
                let s = schedule(&tape, capabilities, &choices)?;
                let list = [("bench", &s)];
                let plan = MemoryPlan::new(&list, capabilities, Placement::QUICK, 1)?;
                rungs.push(RungData {
                    rung: rung.name,
                    default: rung.name == chosen.rung,
                    recording: recorder.recording(&list, &plan, false)?,
                    range: range(&s, chosen.family),
                });
            }
            let work = chosen.posed.work();
            all.push(LadderData {
                ladder: chosen.family,
                problem: chosen.problem.to_string(),
                flops: work.flops,
                bytes: work.bytes,
                rungs,
            });
        }
    }
    Ok(all)
}

/// The dispatches of a ladder: from, to.
fn range(s: &Schedule, family: &str) -> [usize; 2] {
    let own = |d: &usize| s.dispatches[*d].chosen.map(|c| s.chosen[c].family) == Some(family);
    let mut all = (0..s.dispatches.len()).filter(own);
    let first = all.next().unwrap_or(0);
    [first, all.next_back().unwrap_or(first) + 1]
}
