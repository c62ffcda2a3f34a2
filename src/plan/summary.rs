//! The plan for people and machines: sums by kind, the largest tensors, the timeline of a program.

use super::budget::Fitted;
use super::{Category, MemoryPlan, Schedule};
use crate::report::{Arena, MemoryTimeline, PlannedBuffer, format};
use serde::Serialize;

/// What `plan --json` prints. The parts, from weights to data set, add up to the total.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the model.
    pub model: String,
    /// The device that it is planned for, in words, where that is not the one that runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_for: Option<String>,
    /// Samples per optimizer step.
    pub batch_size: usize,
    /// The budget, if there is one.
    pub budget_bytes: Option<u64>,
    /// Parameters and running statistics.
    pub weights_bytes: u64,
    /// Gradients, and their sum over micro-batches.
    pub gradients_bytes: u64,
    /// Adam's moments, and the moving average of the weights.
    pub optimizer_bytes: u64,
    /// Arenas, without what workspaces take of them at the peak.
    pub activations_bytes: u64,
    /// Kernels' scratch at the peak and their texels, their params, the step state, metrics.
    pub workspace_bytes: u64,
    /// Upload ring and readback buffer.
    pub staging_bytes: u64,
    /// Inputs: the data set, or the current batch.
    pub dataset_bytes: u64,
    /// Everything; what a run creates, to the byte.
    pub total_bytes: u64,
    /// The total if arenas were as small as the most bytes alive at one time: no placement can need less.
    pub lower_bound_bytes: u64,
    /// Micro-batches per step.
    pub micro_batches: usize,
    /// Samples of the largest micro-batch.
    pub micro_batch_size: usize,
    /// Whether batch norm takes its statistics from micro-batches, not from the whole batch: the result is another then.
    pub split_statistics: bool,
    /// What ranks that share a step have to do, where there are several; all other numbers are of one rank's card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<Shared>,
    /// Whether the data set lies on the GPU.
    pub dataset_on_gpu: bool,
    /// Tensors that backward computes again.
    pub recomputed: Vec<Recomputed>,
    /// Predicted time of a step relative to the first plan considered.
    pub predicted_time: f64,
    /// The largest five tensors.
    pub largest: Vec<Largest>,
    /// Plans tried, in order; the last is this one.
    pub considered: Vec<Tried>,
}

/// A rank's part of each step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// How many ranks there are.
    pub ranks: usize,
    /// Micro-batches that the busiest of them computes.
    pub micro_batches_of_one: usize,
    /// Bytes that it sends to the others, and gets from them, in a step.
    pub sent_bytes: u64,
    /// See there.
    pub received_bytes: u64,
}

/// A tensor and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Largest {
    /// Name and shape.
    pub tensor: String,
    /// Bytes.
    pub bytes: u64,
}

/// A recomputed tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recomputed {
    /// Its name.
    pub tensor: String,
    /// Bytes not kept for backward.
    pub bytes: u64,
    /// Floating-point operations to compute it again.
    pub flops: u64,
}

/// A plan that was considered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried {
    /// What was tried.
    pub plan: String,
    /// Bytes; none when the device allows no such plan.
    pub bytes: Option<u64>,
    /// Predicted time of a step, relative to the first.
    pub time: Option<f64>,
}

impl Summary {
    /// Sum up a plan of `model`.
    pub fn new(model: &str, batch_size: usize, budget: Option<u64>, fitted: &Fitted) -> Self {
        let plan = &fitted.plan;
        let arenas = plan.bytes(Category::Arenas);
        let workspace = (plan.programs.first()).map_or(0, |p| p.workspace_at_peak.min(arenas));
        let last = fitted.considered.last();
        Self {
            model: model.to_owned(),
            planned_for: None,
            batch_size,
            budget_bytes: budget,
            weights_bytes: plan.bytes(Category::Weights),
            gradients_bytes: plan.bytes(Category::Gradients),
            optimizer_bytes: plan.bytes(Category::Optimizer),
            activations_bytes: arenas - workspace,
            workspace_bytes: workspace + plan.bytes(Category::Control) + plan.texel_bytes(),
            staging_bytes: plan.bytes(Category::Staging),
            dataset_bytes: plan.bytes(Category::Dataset),
            total_bytes: plan.total_bytes(),
            lower_bound_bytes: plan.lower_bound(),
            micro_batches: fitted.cut.micro_batches,
            micro_batch_size: fitted.cut.micro_batch,
            split_statistics: fitted.split_statistics,
            shared: None,
            dataset_on_gpu: fitted.cut.resident,
            recomputed: (fitted.recomputed.iter())
                .map(|d| Recomputed {
                    tensor: d.tensor.clone(),
                    bytes: d.bytes,
                    flops: d.flops,
                })
                .collect(),
            predicted_time: last.and_then(|c| c.time).unwrap_or(1.0),
            largest: (fitted.programs.first())
                .map_or_else(Vec::new, |p| largest(&p.schedule, plan)),
            considered: (fitted.considered.iter())
                .map(|c| Tried {
                    plan: c.what.clone(),
                    bytes: c.bytes,
                    time: c.time,
                })
                .collect(),
        }
    }

    /// Note what each of `ranks` has to do: the plan must be one for several.
    pub fn share_among(&mut self, ranks: usize, fitted: &Fitted) {
        let shares = fitted.programs.first().map_or(0, |p| {
            let tensors = p.tape.shares();
            tensors.iter().map(|t| t.spec().bytes()).sum()
        });
        let own = self.micro_batches.div_ceil(ranks.max(1));
        let times = |n: usize| n as u64 * shares;
        self.shared = Some(Shared {
            ranks,
            micro_batches_of_one: own,
            sent_bytes: times(own * (ranks.max(1) - 1)),
            received_bytes: times(self.micro_batches - own),
        });
    }

    /// The sums as lines of text.
    pub fn table(&self) -> Vec<String> {
        let row = |what: &str, bytes: u64| format!("{what:<14}{:>12}", format::bytes(bytes));
        let mut lines = vec![
            row("weights", self.weights_bytes),
            row("gradients", self.gradients_bytes),
            row("optimizer", self.optimizer_bytes),
            row("activations", self.activations_bytes),
            row("workspace", self.workspace_bytes),
            row("staging", self.staging_bytes),
            row("data", self.dataset_bytes),
            row("total", self.total_bytes),
            row("lower bound", self.lower_bound_bytes),
        ];
        if let Some(budget) = self.budget_bytes {
            lines.push(row("budget", budget));
        }
        if let Some(s) = &self.shared {
            lines.push(format!(
                "that on each of {} cards, which computes {} of {} micro-batches, sends {} a step and gets {}",
                s.ranks,
                s.micro_batches_of_one,
                self.micro_batches,
                format::bytes(s.sent_bytes),
                format::bytes(s.received_bytes)
            ));
        }
        lines.push("largest tensors:".to_owned());
        let named = |l: &Largest| format!("  {:<48}{:>12}", l.tensor, format::bytes(l.bytes));
        lines.extend(self.largest.iter().map(named));
        lines
    }

    /// What a batch that is split means for batch norm, as a line of text.
    pub fn statistics(&self) -> Option<String> {
        self.split_statistics.then(|| {
            format!(
                "batch norm takes its statistics from each micro-batch of {}, not from the batch of {}",
                self.micro_batch_size, self.batch_size
            )
        })
    }

    /// What was chosen, what each choice costs, and what was tried before, as lines of text.
    pub fn explain(&self) -> Vec<String> {
        let mut lines = vec!["plans tried, in this order:".to_owned()];
        for t in &self.considered {
            let bytes = t
                .bytes
                .map_or_else(|| "the device does not allow it".to_owned(), format::bytes);
            let time = (t.time).map_or_else(String::new, |t| {
                format!(", {:+.0} % predicted time", 100.0 * (t - 1.0))
            });
            lines.push(format!("  {}: {bytes}{time}", t.plan));
        }
        if !self.recomputed.is_empty() {
            lines.push(
                "computed again before backward reads them, most bytes per FLOP first:".to_owned(),
            );
        }
        for r in &self.recomputed {
            lines.push(format!(
                "  {}: {} for {:.1} MFLOP",
                r.tensor,
                format::bytes(r.bytes),
                r.flops as f64 / 1e6
            ));
        }
        lines
    }
}

/// The largest five tensors of a plan's first program.
fn largest(s: &Schedule, plan: &MemoryPlan) -> Vec<Largest> {
    let places = plan.programs.first().map_or(&[][..], |p| &p.places);
    let mut tensors: Vec<Largest> = (s.items.iter().zip(places))
        .filter(|(_, place)| place.is_some())
        .map(|(item, _)| Largest {
            tensor: format!("{} ({})", item.name, item.spec.shape),
            bytes: item.spec.bytes(),
        })
        .collect();
    tensors.sort_by_key(|t| std::cmp::Reverse(t.bytes));
    tensors.truncate(5);
    tensors
}

/// A program's arenas over its dispatches, for `plan --svg` and the report.
pub fn timeline(s: &Schedule, plan: &MemoryPlan, program: usize) -> MemoryTimeline {
    let arenas: Vec<usize> = (0..plan.buffers.len())
        .filter(|&b| plan.buffers[b].category == Category::Arenas)
        .collect();
    let p = &plan.programs[program];
    let mut buffers = Vec::new();
    for ((item, place), life) in s.items.iter().zip(&p.places).zip(&p.lives) {
        let (Some(place), Some((first, last))) = (place, *life) else {
            continue;
        };
        if let Some(arena) = arenas.iter().position(|&a| a == place.buffer) {
            buffers.push(PlannedBuffer {
                name: item.name.clone(),
                arena,
                offset: place.offset,
                bytes: place.bytes,
                first,
                last,
            });
        }
    }
    MemoryTimeline {
        arenas: (arenas.iter())
            .map(|&a| Arena {
                name: plan.buffers[a].name.clone(),
                bytes: plan.buffers[a].bytes,
            })
            .collect(),
        buffers,
        live: p.live_bytes.clone(),
        lower_bound: p.lower_bound(),
        dispatches: (s.dispatches.iter())
            .map(|d| format!("{}: {}", s.labels[d.node], d.kernel.name))
            .collect(),
    }
}
