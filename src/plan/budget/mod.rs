//! Fitting a run into a budget: the plan as it is, then recomputation, then micro-batches, then a refusal that says what
//! would work. Pure arithmetic.

mod search;

use super::recompute::Dropped;
use super::{MemoryPlan, Schedule};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{Capabilities, Choices};
use crate::tape::Tape;
use search::{Outcome, Refusal, Search};
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

impl Cut {
    /// The whole batch at once, sent from the CPU.
    pub fn whole(batch: usize) -> Self {
        Self {
            micro_batches: 1,
            micro_batch: batch,
            resident: false,
        }
    }
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

/// The samples of each micro-batch when `samples` are cut into as few as hold at most `most` each, sizes differing by one at most. So
/// an epoch's last, short batch has fewer of them, not smaller ones: the fewer samples, the less their statistics say.
pub fn balanced(samples: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = samples.div_ceil(most.max(1)).max(1);
    (0..parts).map(move |i| i * samples / parts..(i + 1) * samples / parts)
}

/// Refuse a number of micro-batches that does not cut a batch into equal parts.
///
/// # Errors
/// With the nearest numbers that do.
pub fn check_micro_batches(batch: usize, micro_batches: usize) -> Result<()> {
    let cuts = |k: &usize| batch.is_multiple_of(*k);
    if (1..=batch).contains(&micro_batches) && cuts(&micro_batches) {
        return Ok(());
    }
    let why = match micro_batches > batch {
        true => format!("more parts than a batch of {batch} has samples"),
        false => format!("a batch of {batch} can't be cut into that many equal parts"),
    };
    let fewer = (1..=batch.min(micro_batches)).rev().find(cuts);
    let more = (micro_batches..=batch).find(cuts);
    let near: Vec<String> = [fewer, more]
        .into_iter()
        .flatten()
        .map(|k| k.to_string())
        .collect();
    Err(Error::usage(format!(
        "--micro-batches {micro_batches}: {why}; give {}, or another --batch-size",
        near.join(" or ")
    )))
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
    search(request, record)?.map_err(|refusal| refusal.error)
}

/// [`fit`], whose refusal says as a number too what would fit.
fn search(
    request: &Request,
    record: impl Fn(&Cut) -> Result<Vec<(String, Tape)>>,
) -> Result<Result<Fitted, Refusal>> {
    if request.batch == 0 {
        return Err(Error::usage("the batch size is 0; it must be at least 1"));
    }
    let mut search = Search::new(request);
    let cuts = cuts(request);
    let mut least = 1;
    let mut at = 0;
    while let Some(&(micro_batches, micro_batch)) = cuts.get(at) {
        if micro_batch < least && micro_batches > 1 && request.micro_batches.is_none() {
            break;
        }
        let mut allowed = false;
        for resident in [true, false] {
            if resident && !request.may_reside {
                continue;
            }
            let cut = Cut {
                micro_batches,
                micro_batch,
                resident,
            };
            let tapes = match record(&cut) {
                Err(e) if e.kind() == ErrorKind::Budget => {
                    search.refuse(cut, e);
                    continue;
                }
                recorded => recorded?,
            };
            if has_batch_statistics(&tapes) {
                least = 2;
            }
            match search.cut(cut, &tapes)? {
                Outcome::Fits(found) => return Ok(Ok(*found)),
                Outcome::TooLarge => allowed = true,
                Outcome::NotAllowed => {}
            }
        }
        at += 1;
        if !allowed {
            // What the device allows none of it allows smaller: no need to try each of a large batch's cuts.
            at += cuts[at..].partition_point(|&(micro_batches, micro_batch)| {
                let cut = Cut {
                    micro_batches,
                    micro_batch,
                    resident: false,
                };
                match record(&cut) {
                    Ok(tapes) => search.is_refused(cut, &tapes),
                    Err(e) => e.kind() == ErrorKind::Budget,
                }
            });
        }
    }
    Ok(Err(search.refusal()))
}

/// (micro-batches, samples of the largest), from the whole batch down; of several counts with the same size the fewest.
fn cuts(request: &Request) -> Vec<(usize, usize)> {
    let batch = request.batch;
    if let Some(k) = request.micro_batches {
        let k = k.clamp(1, batch);
        return vec![(k, batch.div_ceil(k))];
    }
    let mut all: Vec<(usize, usize)> = Vec::new();
    let mut k = 1;
    loop {
        let size = batch.div_ceil(k);
        all.push((k, size));
        if size == 1 {
            return all;
        }
        // The fewest that make the largest smaller.
        k = batch.div_ceil(size - 1);
    }
}

fn has_batch_statistics(tapes: &[(String, Tape)]) -> bool {
    let nodes = tapes.first().map_or(&[][..], |(_, t)| t.nodes());
    nodes.iter().any(|n| n.op.batch_statistics())
}

/// The largest value from 1 to below `above` that `works`; `None` when none is found. Above some value none works; below
/// another none may (a pooling layer wants rows).
pub fn largest(above: usize, works: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut tried, mut does_not) = (above / 2, above);
    while tried > 0 && !works(tried) {
        (tried, does_not) = (tried / 2, tried);
    }
    if tried == 0 {
        return None;
    }
    while does_not - tried > 1 {
        let middle = tried + (does_not - tried) / 2;
        if works(middle) {
            tried = middle;
        } else {
            does_not = middle;
        }
    }
    Some(tried)
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
/// was refused, or where nothing does into as little as can be, until it opens.
///
/// # Errors
/// As [`fit`]; the driver's own error, with what would have been the smallest plan, when no plan opens.
pub fn fit_and_open<T>(
    request: &Request,
    record: impl Fn(&Cut) -> Result<Vec<(String, Tape)>>,
    mut open: impl FnMut(&Fitted) -> Result<T>,
) -> Result<(Fitted, T)> {
    let mut request = request.clone();
    // The driver's error, and the bytes of the plan that it refused.
    let mut refused: Option<(Error, u64)> = None;
    loop {
        let fitted = match (search(&request, &record)?, refused) {
            (Ok(fitted), _) => fitted,
            (Err(none), None) => return Err(none.error),
            (Err(none), Some((driver, bytes))) => {
                match none.smallest.filter(|&smallest| smallest < bytes) {
                    Some(smallest) => {
                        request.budget = Some(smallest);
                        refused = Some((driver, smallest));
                        continue;
                    }
                    None => return Err(driver.context(none.error)),
                }
            }
        };
        match open(&fitted) {
            Ok(opened) => return Ok((fitted, opened)),
            Err(e) if e.kind() == ErrorKind::OutOfMemory => {
                let bytes = fitted.plan.total_bytes();
                request.budget = Some(bytes / STEP_DOWN.1 * STEP_DOWN.0);
                refused = Some((e, bytes));
            }
            Err(e) => return Err(e),
        }
    }
}
