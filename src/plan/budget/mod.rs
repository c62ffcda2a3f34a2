//! Fitting a run into a budget: the plan as it is, then recomputation, then micro-batches, then a refusal that says what
//! would work. Pure arithmetic.

mod search;

use super::recompute::Dropped;
use super::{MemoryPlan, Schedule};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{Capabilities, Choices};
use crate::tape::Tape;
use search::Search;
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
    /// Predicted seconds of a step (see [`super::cost`]).
    pub seconds: f64,
    /// Everything that was tried; the last one is this plan.
    pub considered: Vec<Considered>,
    /// Batch norm sees micro-batches, not the whole batch.
    pub split_statistics: bool,
}

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
    let mut search = Search::new(request);
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
            if has_batch_statistics(&tapes) {
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

fn has_batch_statistics(tapes: &[(String, Tape)]) -> bool {
    let nodes = tapes.first().map_or(&[][..], |(_, t)| t.nodes());
    nodes.iter().any(|n| n.op.batch_statistics())
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
