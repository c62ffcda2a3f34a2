//! Fitting a run into a budget: the plan as it is, then recomputation, then micro-batches, then a refusal that says what
//! would work. Pure arithmetic.

use super::recompute::{Dropped, Stage, stages};
use super::{MemoryPlan, Placement, Schedule, cost, schedule};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{Capabilities, Choices};
use crate::report::format;
use crate::tape::{Role, Tape};
use std::ops::Range;

/// What to fit.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Bytes that all buffers together may take; `None` for as many as it needs.
    pub budget: Option<u64>,
    /// Samples per optimizer step.
    pub batch: usize,
    /// Micro-batches per step; `None` to take as few as fit.
    pub micro_batches: Option<usize>,
    /// Whether the data set may lie on the GPU when there is room.
    pub may_reside: bool,
    /// Whether activations may be recomputed.
    pub may_recompute: bool,
    /// The device.
    pub capabilities: &'a Capabilities,
    /// Rungs.
    pub choices: &'a Choices,
}

/// One way to cut a step: what the tapes are recorded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Micro-batches per step. Above 1 the tapes must sum gradients into [`crate::tape::Flat::GradientSum`].
    pub micro_batches: usize,
    /// Samples of the largest micro-batch: the batch dimension of all tensors.
    pub micro_batch: usize,
    /// The whole data set lies on the GPU; otherwise every batch is sent.
    pub resident: bool,
}

/// Bytes from what a user writes: `256MiB`, `1.5 GiB`, `300MB` (powers of 1000), or a plain number of bytes.
///
/// # Errors
/// When it is none of these, or not above 0.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: f64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "k" | "kib" => f64::from(1 << 10),
        "m" | "mib" => f64::from(1 << 20),
        "g" | "gib" => f64::from(1 << 30),
        _ => f64::NAN,
    };
    let bytes = digits.trim().parse::<f64>().unwrap_or(f64::NAN) * unit;
    if bytes >= 1.0 && bytes < 2f64.powi(63) {
        return Ok(bytes as u64);
    }
    Err(Error::usage(format!(
        "'{text}' is no amount of memory; write it like 256MiB or 1.5GiB"
    )))
}

/// The samples of each micro-batch when `samples` are cut into `parts`, sizes differing by one at most; fewer parts when
/// there are fewer samples.
pub fn balanced(samples: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = parts.clamp(1, samples.max(1));
    (0..parts).map(move |i| i * samples / parts..(i + 1) * samples / parts)
}

/// A program of a plan.
#[derive(Debug, Clone)]
pub struct Program {
    /// e.g. `training`.
    pub name: String,
    /// Its tape, recomputation included.
    pub tape: Tape,
    /// Its dispatches.
    pub schedule: Schedule,
}

/// A plan that was considered on the way, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Considered {
    /// What was tried, e.g. `micro-batches of 16, 3 tensors recomputed`.
    pub what: String,
    /// Bytes of all buffers; `None` when the device allows no such plan.
    pub bytes: Option<u64>,
    /// Predicted time of a step, relative to the whole batch without recomputation, where that was possible.
    pub time: Option<f64>,
}

/// A plan within the budget.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// How a step is cut.
    pub cut: Cut,
    /// Workspace cap that kernels were lowered with.
    pub workspace_cap: u64,
    /// The programs, in the order in which they were recorded.
    pub programs: Vec<Program>,
    /// Their memory.
    pub plan: MemoryPlan,
    /// What is recomputed.
    pub recomputed: Vec<Dropped>,
    /// Predicted seconds of a step (see [`cost`]).
    pub seconds: f64,
    /// Everything that was tried; the last one is this plan.
    pub considered: Vec<Considered>,
    /// Batch norm sees micro-batches, not the whole batch.
    pub split_statistics: bool,
}

/// Workspace caps to try, from the one that lets kernels run freely.
const WORKSPACE_CAPS: [u64; 2] = [Choices::DEFAULT_WORKSPACE_CAP, 4 << 20];

/// Find the fastest plan within the budget. `record` makes the tapes of a cut, the training one first.
///
/// Tried in this order: the batch as it is, with the data set on the GPU, then sent batch by batch; recomputation, as little
/// as needed, which changes no bit of the result; both with smaller kernel workspaces, which may round sums in another order;
/// then all of that for 2, 3, … micro-batches, down to single samples (two where batch norm needs a variance).
///
/// # Errors
/// Kind [`ErrorKind::Budget`] when nothing fits, naming the smallest budget that does and the tensor that decides it;
/// otherwise what `record` or the lowering reports.
pub fn fit(
    request: &Request,
    record: impl Fn(&Cut) -> Result<Vec<(String, Tape)>>,
) -> Result<Fitted> {
    if request.batch == 0 {
        return Err(Error::usage("the batch size is 0; it must be at least 1"));
    }
    let mut search = Search {
        request,
        considered: Vec::new(),
        baseline: None,
        too_large: Vec::new(),
        refused: None,
    };
    let mut least = 1;
    for (micro_batches, micro_batch) in cuts(request) {
        if micro_batch < least && micro_batches > 1 && request.micro_batches.is_none() {
            break;
        }
        for resident in [true, false] {
            if resident && !request.may_reside {
                continue;
            }
            let cut = Cut {
                micro_batches,
                micro_batch,
                resident,
            };
            let tapes = record(&cut)?;
            if has_batch_norm(&tapes) {
                least = 2;
            }
            if let Some(found) = search.cut(cut, &tapes)? {
                return Ok(found);
            }
        }
    }
    Err(search.refusal())
}

/// (micro-batches, samples of the largest), from the whole batch down; of several counts with the same size the fewest.
fn cuts(request: &Request) -> Vec<(usize, usize)> {
    let batch = request.batch;
    if let Some(k) = request.micro_batches {
        let k = k.clamp(1, batch);
        return vec![(k, batch.div_ceil(k))];
    }
    let mut all: Vec<(usize, usize)> = Vec::new();
    for k in 1..=batch {
        let size = batch.div_ceil(k);
        if all.last().is_none_or(|&(_, s)| s != size) {
            all.push((k, size));
        }
    }
    all
}

fn has_batch_norm(tapes: &[(String, Tape)]) -> bool {
    let nodes = tapes.first().map_or(&[][..], |(_, t)| t.nodes());
    nodes.iter().any(|n| n.op.name() == "update_running")
}

struct Search<'r, 'a> {
    request: &'r Request<'a>,
    considered: Vec<Considered>,
    /// Predicted time of the first plan that the device allows.
    baseline: Option<f64>,
    too_large: Vec<TooLarge>,
    /// Why the device allows no plan at all.
    refused: Option<Error>,
}

enum Attempt {
    Fits(Box<Fitted>),
    TooLarge,
    NotAllowed,
}

/// A plan over the budget.
struct TooLarge {
    /// No packing needs less.
    least: u64,
    /// A rough packing needs this much.
    most: u64,
    cut: Cut,
    what: String,
    programs: Vec<Program>,
}

impl Search<'_, '_> {
    /// All plans of one cut, from the fastest.
    fn cut(&mut self, cut: Cut, tapes: &[(String, Tape)]) -> Result<Option<Fitted>> {
        for cap in WORKSPACE_CAPS {
            let choices = self.request.choices.clone().with_workspace_cap(cap);
            match self.attempt(cut, &choices, tapes, None)? {
                Attempt::Fits(found) => return Ok(Some(*found)),
                // One tensor is over a device limit: that only a smaller micro-batch can change.
                Attempt::NotAllowed => return Ok(None),
                Attempt::TooLarge => {}
            }
            // Room for the data set is not worth recomputing for.
            if cut.resident {
                return Ok(None);
            }
            let Some((_, training)) = tapes.first() else {
                return Ok(None);
            };
            if self.request.may_recompute {
                let all = stages(training, self.request.capabilities, &choices)?;
                for stage in &all[1..] {
                    if let Attempt::Fits(found) = self.attempt(cut, &choices, tapes, Some(stage))? {
                        return Ok(Some(*found));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Plan one cut, perhaps with recomputation.
    fn attempt(
        &mut self,
        cut: Cut,
        choices: &Choices,
        tapes: &[(String, Tape)],
        stage: Option<&Stage>,
    ) -> Result<Attempt> {
        let capabilities = self.request.capabilities;
        let workspace_cap = choices.workspace_cap();
        let mut programs = Vec::new();
        for (i, (name, tape)) in tapes.iter().enumerate() {
            let tape = match stage {
                Some(stage) if i == 0 => &stage.tape,
                _ => tape,
            };
            programs.push(Program {
                name: name.clone(),
                tape: tape.clone(),
                schedule: schedule(tape, capabilities, choices)?,
            });
        }
        let what = describe(cut, workspace_cap, stage);
        let quick = match pack(&programs, cut, capabilities, Placement::QUICK) {
            Ok(plan) => plan,
            Err(e) if e.kind() == ErrorKind::Budget => {
                self.considered.push(Considered {
                    what,
                    bytes: None,
                    time: None,
                });
                self.refused = Some(e);
                return Ok(Attempt::NotAllowed);
            }
            Err(e) => return Err(e),
        };
        let seconds = programs.first().map_or(0.0, |p| {
            cost::step_seconds(&p.tape, &p.schedule, capabilities, cut.micro_batches)
        });
        let baseline = *self.baseline.get_or_insert(seconds);
        let mut consider = |bytes: u64| {
            self.considered.push(Considered {
                what: what.clone(),
                bytes: Some(bytes),
                time: Some(seconds / baseline),
            });
        };
        let fits = |bytes: u64| self.request.budget.is_none_or(|b| bytes <= b);
        if fits(quick.lower_bound()) {
            let plan = pack(&programs, cut, capabilities, Placement::default())?;
            let bytes = plan.total_bytes();
            consider(bytes);
            if fits(bytes) {
                return Ok(Attempt::Fits(Box::new(Fitted {
                    cut,
                    workspace_cap,
                    split_statistics: cut.micro_batches > 1 && has_batch_norm(tapes),
                    programs,
                    plan,
                    recomputed: stage.map_or(Vec::new(), |s| s.dropped.clone()),
                    seconds,
                    considered: std::mem::take(&mut self.considered),
                })));
            }
        } else {
            consider(quick.total_bytes());
        }
        self.remember(TooLarge {
            least: quick.lower_bound(),
            most: quick.total_bytes(),
            cut,
            what,
            programs,
        });
        Ok(Attempt::TooLarge)
    }

    /// Keep a plan that does not fit, as long as it may be the smallest of all.
    fn remember(&mut self, plan: TooLarge) {
        self.too_large.push(plan);
        let most = self.too_large.iter().map(|p| p.most).min();
        self.too_large.retain(|p| Some(p.least) <= most);
    }

    fn refusal(mut self) -> Error {
        self.too_large.sort_by_key(|p| p.least);
        let capabilities = self.request.capabilities;
        let mut smallest: Option<(u64, &TooLarge, MemoryPlan)> = None;
        for candidate in &self.too_large {
            if smallest.as_ref().is_some_and(|s| s.0 <= candidate.least) {
                break;
            }
            let placement = Placement::default();
            match pack(&candidate.programs, candidate.cut, capabilities, placement) {
                Ok(plan) => {
                    let bytes = plan.total_bytes();
                    if smallest.as_ref().is_none_or(|s| bytes < s.0) {
                        smallest = Some((bytes, candidate, plan));
                    }
                }
                Err(e) => return e,
            }
        }
        let Some((bytes, s, plan)) = smallest else {
            let none = || Error::usage("there is no way to cut this batch");
            return self.refused.unwrap_or_else(none);
        };
        Error::new(
            ErrorKind::Budget,
            format!(
                "batch size {} does not fit {}: the smallest plan ({}) takes {}, which {} decides; set --vram {}MiB or more, or take a smaller model",
                self.request.batch,
                format::bytes(self.request.budget.unwrap_or(u64::MAX)),
                s.what,
                format::bytes(bytes),
                decides(&s.programs, &plan),
                bytes.div_ceil(1 << 20),
            ),
        )
    }
}

fn pack(
    programs: &[Program],
    cut: Cut,
    capabilities: &Capabilities,
    placement: Placement,
) -> Result<MemoryPlan> {
    let list: Vec<(&str, &Schedule)> = (programs.iter())
        .map(|p| (p.name.as_str(), &p.schedule))
        .collect();
    MemoryPlan::new(&list, capabilities, placement, cut.micro_batches)
}

fn describe(cut: Cut, workspace_cap: u64, stage: Option<&Stage>) -> String {
    let mut parts = vec![match cut.micro_batches {
        1 => format!("the whole batch of {}", cut.micro_batch),
        k => format!("{k} micro-batches of {}", cut.micro_batch),
    }];
    if cut.resident {
        parts.push("data set on the GPU".to_owned());
    }
    if workspace_cap != Choices::DEFAULT_WORKSPACE_CAP {
        parts.push(format!(
            "kernel workspaces of {} at most",
            format::bytes(workspace_cap)
        ));
    }
    if let Some(stage) = stage {
        let plural = if stage.dropped.len() == 1 { "" } else { "s" };
        parts.push(format!("{} tensor{plural} recomputed", stage.dropped.len()));
    }
    parts.join(", ")
}

/// The largest tensor that lives at the peak of the arenas, or a larger persistent buffer.
fn decides(programs: &[Program], plan: &MemoryPlan) -> String {
    let persistent = (plan.buffers.iter())
        .filter(|b| b.category != super::Category::Arenas)
        .map(|b| (b.bytes, format!("the buffer '{}'", b.name)));
    let mut candidates: Vec<(u64, String)> = persistent.collect();
    if let (Some(program), Some(p)) = (programs.first(), plan.programs.first()) {
        let peak = p.peak();
        let items = program.schedule.items.iter().zip(&p.lives);
        let alive = items.filter(|(item, life)| {
            item.role == Role::Activation
                && life.is_some_and(|(first, last)| (first..=last).contains(&peak))
        });
        candidates.extend(alive.map(|(item, _)| {
            let name = format!("{} ({})", item.name, item.spec.shape);
            (item.spec.bytes(), name)
        }));
    }
    let largest = candidates.into_iter().max_by_key(|c| c.0);
    largest.map_or_else(String::new, |(bytes, name)| {
        format!("{name} of {}", format::bytes(bytes))
    })
}

/// The largest batch that fits without being split, and its plan; `None` when not even one sample does. `request.batch` is
/// where the search ends.
///
/// # Errors
/// As [`fit`], but for a budget that is too small.
pub fn largest_batch(
    request: &Request,
    record: impl Fn(&Cut) -> Result<Vec<(String, Tape)>>,
) -> Result<Option<Fitted>> {
    let plan = |batch: usize| {
        let request = Request {
            batch,
            micro_batches: Some(1),
            ..request.clone()
        };
        match fit(&request, &record) {
            Ok(fitted) => Ok(Some(fitted)),
            Err(e) if e.kind() == ErrorKind::Budget => Ok(None),
            Err(e) => Err(e),
        }
    };
    let (mut best, mut fits, mut fails) = (None, 0, request.batch + 1);
    while fits + 1 < fails {
        // Doubling first: most of a wide range is too large, and large plans take longest.
        let batch = (fits * 2)
            .clamp(1, usize::MAX)
            .min((fits + fails) / 2)
            .max(fits + 1);
        match plan(batch)? {
            Some(found) => (best, fits) = (Some(found), batch),
            None => fails = batch,
        }
    }
    Ok(best)
}

/// How much smaller the next plan is made when a driver refuses one.
const STEP_DOWN: (u64, u64) = (4, 5);

/// Fit, then `open` the plan (create its buffers); where the driver is out of memory, fit again into four fifths of what
/// was refused, until it opens.
///
/// # Errors
/// As [`fit`]; the driver's own error, with what would have been the smallest plan, when no plan opens.
pub fn fit_and_open<T>(
    request: &Request,
    record: impl Fn(&Cut) -> Result<Vec<(String, Tape)>>,
    mut open: impl FnMut(&Fitted) -> Result<T>,
) -> Result<(Fitted, T)> {
    let mut request = request.clone();
    let mut refused: Option<Error> = None;
    loop {
        let fitted = match (fit(&request, &record), refused) {
            (Ok(fitted), _) => fitted,
            (Err(e), Some(driver)) if e.kind() == ErrorKind::Budget => {
                return Err(driver.context(e));
            }
            (Err(e), _) => return Err(e),
        };
        match open(&fitted) {
            Ok(opened) => return Ok((fitted, opened)),
            Err(e) if e.kind() == ErrorKind::OutOfMemory => {
                request.budget = Some(fitted.plan.total_bytes() * STEP_DOWN.0 / STEP_DOWN.1);
                refused = Some(e);
            }
            Err(e) => return Err(e),
        }
    }
}
