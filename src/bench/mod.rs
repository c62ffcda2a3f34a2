//! Measurements: every rung of a ladder against the device's own peaks ([`run`]), the best rung per problem ([`tune`]), and
//! the time of every kernel in a training step ([`profile`]).

mod limits;
mod measure;
mod measured;
mod peaks;
pub mod profile;
mod readme;
mod subject;
pub mod tuning;

pub use limits::check_step;
pub(crate) use measure::tape_of;
pub use measured::Measured;
pub use peaks::{Peaks, kernel as peak_kernel, peaks};
pub use readme::{around, rewrite, table};
pub use subject::{Subject, of_model, of_shape};
pub(crate) use subject::{graph, of_graph};

use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::{Choices, Chosen, MadeFor, RungView};
use measure::{Bench, Limits, Reference};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// One rung on one problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Kernel family, e.g. `conv2d.forward`.
    pub op: String,
    /// Rung of the family.
    pub rung: String,
    /// Whose ladder the rung stands on.
    pub made_for: MadeFor,
    /// The problem, e.g. `n=8 c=64 …`.
    pub shape: String,
    /// Median time in milliseconds.
    pub ms: Option<f64>,
    /// Rate of the plain algorithm's operations, whatever the rung really does: Winograd may exceed the peak.
    pub gflops: Option<f64>,
    /// Rate of the least traffic.
    pub gbs: Option<f64>,
    /// The least time that the device's peaks allow (the longer of arithmetic and copying), divided by the measured one.
    pub fraction_of_peak: Option<f64>,
    /// Greatest difference from the f64 reference relative to the tensor's maximum, on one sample.
    pub max_error: Option<f64>,
    /// Why it was not timed.
    pub skipped: Option<String>,
    /// What runs when nothing is tuned or forced.
    pub default: bool,
}

/// A problem of a ladder, as one of the subjects poses it.
struct Ladder<'a> {
    subject: &'a Subject,
    /// The problem, and the default rung.
    chosen: Chosen,
}

impl Ladder<'_> {
    fn name(&self) -> &'static str {
        self.chosen.family
    }

    /// Its rungs in reading order: GPUs' before those of CPU drivers.
    fn rungs(&self) -> Vec<RungView> {
        self.chosen.posed.ladder().rungs()
    }

    fn supports(&self, rung: &RungView, gpu: &Gpu) -> Result<(), String> {
        self.chosen.posed.supports(rung.name, gpu.capabilities())
    }
}

/// The distinct problems of some subjects, in the order in which they first occur.
fn ladders<'a>(gpu: &Gpu, subjects: &'a [Subject]) -> Result<Vec<Ladder<'a>>> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for subject in subjects {
        let bench = Bench::new(gpu, subject, &subject.inputs, 1, &Choices::default())?;
        bench.check_memory()?;
        for chosen in bench.chosen() {
            if seen.insert((chosen.family, chosen.problem.clone())) {
                let chosen = chosen.clone();
                found.push(Ladder { subject, chosen });
            }
        }
    }
    Ok(found)
}

/// Check that the device can hold each of `subjects`, before anything is computed for them.
///
/// # Errors
/// When it can't.
pub fn check(gpu: &Gpu, subjects: &[Subject]) -> Result<()> {
    ladders(gpu, subjects).map(drop)
}

/// Measure every rung whose name contains `rungs`, of every family of `subjects` whose name contains `filter`: first its error on one sample, then its time.
/// A rung that the device can't run, or whose result is wrong, is a row that says why.
///
/// # Errors
/// When a subject can't be recorded. A rung that fails is a row, no error.
pub fn run(
    gpu: &Gpu,
    subjects: &[Subject],
    filter: Option<&str>,
    rungs: Option<&str>,
    peaks: &Peaks,
    mut each: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut reference: Option<(*const Subject, Reference)> = None;
    for ladder in ladders(gpu, subjects)? {
        if filter.is_some_and(|f| !ladder.name().contains(f)) {
            continue;
        }
        let subject: *const Subject = ladder.subject;
        if reference.as_ref().is_none_or(|(of, _)| *of != subject) {
            reference = Some((subject, Reference::new(ladder.subject)?));
        }
        let wanted = |name: &str| rungs.is_none_or(|part| name.contains(part));
        for rung in ladder.rungs().iter().filter(|r| wanted(r.name)) {
            let mut row = Row {
                op: ladder.name().to_owned(),
                rung: rung.name.to_owned(),
                made_for: rung.class,
                shape: ladder.chosen.problem.to_string(),
                ms: None,
                gflops: None,
                gbs: None,
                fraction_of_peak: None,
                max_error: None,
                skipped: None,
                default: rung.name == ladder.chosen.rung,
            };
            if let Err(why) = ladder.supports(rung, gpu) {
                row.skipped = Some(why);
            } else if let Some((_, reference)) = &reference {
                match check_and_time(gpu, &ladder, rung, reference, &mut row) {
                    Ok(Some(ms)) => fill(&mut row, ms, &ladder, peaks),
                    Ok(None) => {}
                    Err(e) => row.skipped = Some(e.to_string()),
                }
            }
            each(&row);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// A wrong index or a missing term is off by parts in ten; rounding of the longest sums stays far below this. The ops' own
/// tolerances are checked by `gradcheck`, on cases made for it. (A rung of reduced precision may have a tolerance above this.)
const WRONG: f64 = 1e-3;

fn check_and_time(
    gpu: &Gpu,
    ladder: &Ladder,
    rung: &RungView,
    reference: &Reference,
    row: &mut Row,
) -> Result<Option<f64>> {
    let error = measure::check(gpu, ladder, rung.name, reference)?;
    row.max_error = error.is_finite().then_some(error);
    let most = WRONG.max(ladder.subject.op.tolerance() * rung.rounding);
    if error.is_nan() || error > most {
        row.skipped = Some(format!(
            "wrong: {error:.1e} from the f64 reference, relative to the tensor's maximum"
        ));
        return Ok(None);
    }
    measure::time(gpu, ladder, rung.name, &Limits::BENCH).map(Some)
}

fn fill(row: &mut Row, ms: f64, ladder: &Ladder, peaks: &Peaks) {
    let work = ladder.chosen.posed.work();
    let per_second = |amount: u64| amount as f64 / (ms * 1e6);
    let (gflops, gbs) = (per_second(work.flops), per_second(work.bytes));
    row.ms = Some(ms);
    row.gflops = Some(gflops);
    row.gbs = Some(gbs);
    row.fraction_of_peak = Some((gflops / peaks.gflops).max(gbs / peaks.copy_gbs));
}

/// What the tuner found for one problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// Kernel family.
    pub family: &'static str,
    /// The problem.
    pub problem: String,
    /// The fastest rung.
    pub rung: &'static str,
    /// Its time in milliseconds.
    pub ms: f64,
    /// The rung that runs when nothing is tuned.
    pub default: &'static str,
    /// Its time, unless it was given up as hopeless.
    pub default_ms: Option<f64>,
}

/// Time the supported rungs of full precision of every problem of `subjects` that has a choice, the default first; `progress`
/// hears of each (done, total, family).
///
/// # Errors
/// When a subject can't be recorded, or no rung of a problem runs.
pub fn tune(
    gpu: &Gpu,
    subjects: &[Subject],
    mut progress: impl FnMut(usize, usize, &str),
) -> Result<Vec<Tuned>> {
    let mut list = ladders(gpu, subjects)?;
    let supported = |l: &Ladder| -> Vec<&'static str> {
        let runs = |r: &RungView| !r.reduced() && l.supports(r, gpu).is_ok();
        let rungs = l.rungs().into_iter();
        let mut names: Vec<_> = rungs.filter(runs).map(|r| r.name).collect();
        names.sort_by_key(|n| *n != l.chosen.rung);
        names
    };
    list.retain(|l| supported(l).len() > 1);
    let total: usize = list.iter().map(|l| supported(l).len()).sum();
    let (mut done, mut tuned) = (0, Vec::new());
    for ladder in &list {
        let mut best: Option<(&'static str, f64)> = None;
        let mut default_ms = None;
        let mut failure = None;
        for rung in supported(ladder) {
            progress(done, total, ladder.name());
            done += 1;
            let limits = Limits {
                hopeless_ms: best.map(|(_, ms)| 4.0 * ms),
                ..Limits::TUNE
            };
            match measure::time(gpu, ladder, rung, &limits) {
                Ok(ms) => {
                    if rung == ladder.chosen.rung {
                        default_ms = Some(ms);
                    }
                    if best.is_none_or(|(_, least)| ms < least) {
                        best = Some((rung, ms));
                    }
                }
                Err(e) => failure = Some(e),
            }
        }
        match (best, failure) {
            (Some((rung, ms)), _) => tuned.push(Tuned {
                family: ladder.name(),
                problem: ladder.chosen.problem.to_string(),
                rung,
                ms,
                default: ladder.chosen.rung,
                default_ms,
            }),
            (None, Some(e)) => return Err(e.context(ladder.name())),
            (None, None) => {}
        }
    }
    progress(total, total, "done");
    Ok(tuned)
}
