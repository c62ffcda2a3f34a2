//! The trust chain: finite differences on the f64 reference prove the reference's gradients, and the reference proves
//! every kernel, on every rung, with a random upstream gradient and memory that starts as NaN.

mod choice;
#[cfg(test)]
mod matrix_units;
mod prepared;
mod record;
mod scope;
mod values;

pub(crate) use prepared::{Prepared, PreparedRun, prepare};
pub(crate) use record::tape;
pub use scope::Scope;
pub use values::{from_bytes, relative_error, to_bytes};

use crate::error::Result;
use crate::gpu::{Gpu, Session, StepInputs};
use crate::ops::{Access, Array, Capabilities, Case, Choices, Chosen, Entry, RungView, registry};
use crate::plan::{MemoryPlan, Placement, Schedule, schedule};
use crate::reference::Executor;
use crate::tensor::TensorId;
use choice::Judged;
use record::{Setup, finite_differences, record};
use serde::Serialize;
use std::collections::BTreeMap;

/// One checked tensor.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The op.
    pub op: &'static str,
    /// `family:rung` that was forced, or `default`.
    pub rung: String,
    /// The case.
    pub case: &'static str,
    /// `y`, `y1`, … for outputs, `d0`, `d1`, … for gradients of inputs.
    pub tensor: String,
    /// Greatest difference between the f64 reference's gradient and central differences, relative to the tensor's maximum.
    pub fd_error: Option<f64>,
    /// Greatest difference between GPU and f64 reference, relative to the tensor's maximum.
    pub gpu_error: Option<f64>,
    /// What `gpu_error` may be at most.
    pub tolerance: f64,
    /// Both errors within bounds.
    pub ok: bool,
}

/// What a check did.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Every checked tensor.
    pub rows: Vec<Row>,
    /// Every rung of every checked op, by ladder and name.
    pub rungs: BTreeMap<(&'static str, &'static str), Tried>,
}

/// What became of a rung.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// Cases that it ran.
    pub ran: usize,
    /// Cases that it did not run, by the reason.
    pub left: BTreeMap<String, usize>,
}

impl Checked {
    fn ran(&mut self, s: &Schedule) {
        for c in &s.chosen {
            self.rungs.entry((c.family, c.rung)).or_default().ran += 1;
        }
    }

    fn left(&mut self, family: &'static str, rung: &'static str, why: String) {
        let rung = self.rungs.entry((family, rung)).or_default();
        *rung.left.entry(why).or_default() += 1;
    }

    /// Rungs that ran no case, with the reason that was given most often.
    pub fn never_ran(&self) -> Vec<(&'static str, &'static str, String)> {
        let most = |rung: &Tried| {
            let reason = rung.left.iter().max_by_key(|(_, cases)| **cases);
            reason.map_or("", |(why, _)| why.as_str()).to_owned()
        };
        let never = self.rungs.iter().filter(|(_, rung)| rung.ran == 0);
        never
            .map(|(&(family, name), rung)| (family, name, most(rung)))
            .collect()
    }
}

/// Central differences with a step of 1e-5 in f64 leave about 1e-10 of truncation and rounding error; a wrong formula is off
/// by parts in ten or more.
pub const FD_TOLERANCE: f64 = 1e-6;

/// Check all ops (or those whose name contains `filter`): finite differences always, kernels when there is a device.
///
/// # Errors
/// When a case can't be recorded or the device fails; wrong numbers are rows with `ok: false`.
pub fn run(
    filter: Option<&str>,
    gpu: Option<&Gpu>,
    scope: Scope,
    mut each: impl FnMut(&Row),
) -> Result<Checked> {
    let mut checked = Checked::default();
    for entry in registry() {
        if filter.is_some_and(|f| !entry.name.contains(f)) {
            continue;
        }
        if let Scope::Only(family, _) = scope
            && entry.ladders.iter().all(|l| l.name() != family)
        {
            continue;
        }
        for case in (entry.cases)() {
            let before = checked.rows.len();
            check(&entry, &case, gpu, scope, &mut checked)
                .map_err(|e| e.context(format!("{}, case '{}'", entry.name, case.name)))?;
            checked.rows[before..].iter().for_each(&mut each);
        }
    }
    Ok(checked)
}

fn check(
    entry: &Entry,
    case: &Case,
    gpu: Option<&Gpu>,
    scope: Scope,
    checked: &mut Checked,
) -> Result<()> {
    let setup = record(case)?;
    let mut reference = Executor::<f64>::new(&setup.tape);
    for (tensor, values) in &setup.inputs {
        reference.set(tensor, values);
    }
    reference.run(&setup.step);
    let expected: Vec<Array<f64>> = setup
        .checked
        .iter()
        .map(|(_, t)| reference.get(t).clone())
        .collect();
    let kernels_alone = matches!(scope, Scope::Only(..) | Scope::WorkgroupMemory);
    let fd = if case.smooth && !kernels_alone {
        finite_differences(&setup, &expected)
    } else {
        vec![None; expected.len()]
    };
    let row = |rung: &str, i: usize, gpu_error: Option<f64>, rounding: f64| {
        let tolerance = case.op.tolerance() * rounding;
        let fd_error: Option<f64> = fd[i];
        Row {
            op: entry.name,
            rung: rung.to_owned(),
            case: case.name,
            tensor: setup.checked[i].0.clone(),
            fd_error,
            gpu_error,
            tolerance,
            // Written so that a NaN error is a failure.
            ok: fd_error.is_none_or(|e| e <= FD_TOLERANCE)
                && gpu_error.is_none_or(|e| e <= tolerance),
        }
    };
    let Some(gpu) = gpu else {
        let rows = (0..expected.len()).map(|i| row("reference", i, None, 1.0));
        checked.rows.extend(rows);
        return Ok(());
    };
    let mut runs = rungs(entry, case, &setup, gpu.capabilities(), checked, scope)?;
    match scope {
        Scope::Every | Scope::WorkgroupMemory => {}
        Scope::Default => runs.truncate(1),
        Scope::Only(family, rung) => runs.retain(|r| r.name == format!("{family}:{rung}")),
    }
    for Run {
        name,
        choices,
        only,
    } in runs
    {
        let s = schedule(&setup.tape, gpu.capabilities(), &choices)?;
        if scope == Scope::WorkgroupMemory && !uses_workgroup_memory(&s)? {
            continue;
        }
        let got = on_gpu(gpu, &setup, &s)?;
        checked.ran(&s);
        let run = Judged {
            case,
            setup: &setup,
            expected: &expected,
            only,
        };
        for (i, error, rounding) in run.compare(&s, &got, &mut reference)? {
            checked.rows.push(row(&name, i, Some(error), rounding));
        }
    }
    Ok(())
}

fn uses_workgroup_memory(s: &Schedule) -> Result<bool> {
    for dispatch in &s.dispatches {
        if dispatch.kernel.reflect()?.workgroup_bytes > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// That a dispatch writes a tensor.
struct Writer {
    root: TensorId,
    /// The ladder that the dispatch belongs to, and its rung's rounding; 1 for a kernel without rivals.
    family: Option<&'static str>,
    rounding: f64,
}

/// Who writes what. A tensor is granted the rounding of the rung that wrote it, not that of its neighbours.
fn writers(s: &Schedule) -> Result<Vec<Writer>> {
    let mut all = Vec::new();
    for dispatch in &s.dispatches {
        let chosen = dispatch.chosen.map(|c| &s.chosen[c]);
        let rung = chosen.and_then(view);
        for (root, access) in s.accesses(dispatch)? {
            if access == Access::ReadWrite {
                all.push(Writer {
                    root,
                    family: chosen.map(|c| c.family),
                    rounding: rung.map_or(1.0, |r| r.rounding),
                });
            }
        }
    }
    Ok(all)
}

/// The largest rounding of those that wrote a tensor; none for one that a run of a single ladder's rung does not check, since no rung
/// of that ladder wrote it.
fn rounding(writers: &[Writer], root: TensorId, only: Option<&str>) -> Option<f64> {
    let own = || writers.iter().filter(|w| w.root == root);
    let checked = only.is_none_or(|family| own().any(|w| w.family == Some(family)));
    checked.then(|| own().fold(1.0, |most: f64, w| most.max(w.rounding)))
}

/// One run of a case.
struct Run {
    /// `family:rung`, or `default`.
    name: String,
    choices: Choices,
    /// Check only what this family writes. So it is for a rung of reduced precision, whose tolerance is for its own result alone; but where
    /// that is the outputs, gradients are checked too, against those of the outputs that the device found (see [`choice`]).
    only: Option<&'static str>,
}

/// The rung that was chosen.
fn view(c: &Chosen) -> Option<RungView> {
    c.posed.ladder().rung(c.rung)
}

/// Default choices first, then every rung that this case's problems allow; what they don't allow is noted. Where ties decide what is
/// right, only rungs that keep ties: after a transform of the sums either winner of a tie is as good. (Factors in f16 keep these: it holds them.)
fn rungs(
    entry: &Entry,
    case: &Case,
    setup: &Setup,
    capabilities: &Capabilities,
    checked: &mut Checked,
    scope: Scope,
) -> Result<Vec<Run>> {
    let ties = choice::exact(case);
    let allowed = |r: &RungView| !ties || r.rounding <= 1.0 || r.reduced();
    let runs = |c: &Chosen, r: &RungView| match allowed(r) {
        true => c.posed.supports(r.name, capabilities),
        false => Err("does not keep exact ties, which decide this case".to_owned()),
    };
    let mut base = Choices::default();
    let first = schedule(&setup.tape, capabilities, &base)?;
    for chosen in &first.chosen {
        if view(chosen).is_some_and(|r| !allowed(&r)) {
            let all = chosen.posed.ladder().rungs();
            let kept = |r: &&RungView| !r.reduced() && runs(chosen, r).is_ok();
            if let Some(r) = all.iter().rev().find(kept) {
                base.force(chosen.family, r.name);
            }
        }
    }
    let default = schedule(&setup.tape, capabilities, &base)?;
    let mut all = vec![Run {
        name: "default".to_owned(),
        choices: base.clone(),
        only: None,
    }];
    for &ladder in entry.ladders {
        let family = ladder.name();
        let used = default.chosen.iter().find(|c| c.family == family);
        for rung in ladder.rungs() {
            let verdict = match used {
                // The default run is this one, unless it is the one that is asked for.
                Some(used) if used.rung == rung.name && scope != Scope::Only(family, rung.name) => {
                    continue;
                }
                Some(used) => runs(used, &rung),
                None => Err("the case poses no such problem".to_owned()),
            };
            if let Err(why) = verdict {
                checked.left(family, rung.name, why);
                continue;
            }
            let mut choices = base.clone();
            choices.force(family, rung.name);
            all.push(Run {
                name: format!("{family}:{}", rung.name),
                choices,
                only: rung.reduced().then_some(family),
            });
        }
    }
    Ok(all)
}

fn on_gpu(gpu: &Gpu, setup: &Setup, s: &Schedule) -> Result<Vec<Vec<f32>>> {
    let plan = MemoryPlan::new(&[("check", s)], gpu.capabilities(), Placement::Arenas(4), 1)?;
    let mut session = Session::new(gpu, plan, &[s])?;
    session.poison()?;
    for (tensor, values) in &setup.inputs {
        if let Ok(place) = session.place(0, s, tensor) {
            session.write(place, &to_bytes(tensor.spec().dtype, values))?;
        }
    }
    let inputs = StepInputs {
        step: setup.step,
        data: Vec::new(),
    };
    session.run(0, &[inputs])?;
    let mut all = Vec::new();
    for (_, tensor) in &setup.checked {
        let place = session.place(0, s, tensor)?;
        let bytes = session.read(place)?;
        all.push(from_bytes(tensor, &bytes));
    }
    Ok(all)
}
