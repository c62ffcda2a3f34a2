//! The trust chain: finite differences on the f64 reference prove the reference's gradients, and the reference proves
//! every kernel, on every rung, with a random upstream gradient and memory that starts as NaN.

use crate::error::Result;
use crate::gpu::{Gpu, Session, StepInputs};
use crate::ops::{Access, Array, Case, Choices, Chosen, Entry, Fill, RungView, Step, registry};
use crate::plan::{MemoryPlan, Placement, Schedule, schedule};
use crate::reference::Executor;
use crate::tape::Tape;
use crate::tensor::{DType, Tensor, TensorId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

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

/// Central differences with a step of 1e-5 in f64 leave about 1e-10 of truncation and rounding error; a wrong formula is off
/// by parts in ten or more.
pub const FD_TOLERANCE: f64 = 1e-6;

/// Step of the finite differences.
const FD_STEP: f64 = 1e-5;

/// Which rungs of a kernel are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that can run the case's problem.
    Every,
    /// Only what a run without choices takes.
    Default,
}

/// Check all ops (or those whose name contains `filter`): finite differences always, kernels when there is a device.
///
/// # Errors
/// When a case can't be recorded or the device fails; wrong numbers are rows with `ok: false`.
pub fn run(
    filter: Option<&str>,
    gpu: Option<&Gpu>,
    scope: Scope,
    mut each: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for entry in registry() {
        if filter.is_some_and(|f| !entry.name.contains(f)) {
            continue;
        }
        for case in (entry.cases)() {
            let checked = check(&entry, &case, gpu, scope)
                .map_err(|e| e.context(format!("{}, case '{}'", entry.name, case.name)))?;
            checked.iter().for_each(&mut each);
            rows.extend(checked);
        }
    }
    Ok(rows)
}

/// A case recorded on a tape, filled with values.
struct Setup {
    tape: Tape,
    inputs: Vec<(Tensor, Vec<f32>)>,
    checked: Vec<(String, Tensor)>,
    step: Step,
}

fn check(entry: &Entry, case: &Case, gpu: Option<&Gpu>, scope: Scope) -> Result<Vec<Row>> {
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
    let fd = if case.smooth {
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
        return Ok((0..expected.len())
            .map(|i| row("reference", i, None, 1.0))
            .collect());
    };
    let mut rows = Vec::new();
    let mut runs = rungs(entry, case, &setup, gpu)?;
    if scope == Scope::Default {
        runs.truncate(1);
    }
    for Run {
        name,
        choices,
        only,
    } in runs
    {
        let s = schedule(&setup.tape, gpu.capabilities(), &choices)?;
        let rounding = roundings(&s).fold(1.0, |most, (_, r)| r.rounding.max(most));
        let got = on_gpu(gpu, &setup, &s)?;
        let own = only.map(|family| written(&s, family)).transpose()?;
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let root = s.root(&setup.checked[i].1);
            if own.as_ref().is_some_and(|own| !own.contains(&root)) {
                continue;
            }
            let error = relative_error(got, &expected.data);
            rows.push(row(&name, i, Some(error), rounding));
        }
    }
    Ok(rows)
}

/// What the dispatches of a family write.
fn written(s: &Schedule, family: &str) -> Result<Vec<TensorId>> {
    let mut roots = Vec::new();
    for dispatch in &s.dispatches {
        if dispatch.chosen.map(|c| s.chosen[c].family) == Some(family) {
            let accesses = s.accesses(dispatch)?;
            let writes = accesses.iter().filter(|(_, a)| *a == Access::ReadWrite);
            roots.extend(writes.map(|(root, _)| *root));
        }
    }
    Ok(roots)
}

/// One run of a case.
struct Run {
    /// `family:rung`, or `default`.
    name: String,
    choices: Choices,
    /// Check only what this family writes. So it is for a rung of reduced precision: an output that it moves across ReLU's kink has
    /// another gradient altogether, which says nothing of either kernel; and its tolerance is for its own result alone.
    only: Option<&'static str>,
}

/// What a schedule chose, with the rungs.
fn roundings(s: &Schedule) -> impl Iterator<Item = (&Chosen, RungView)> {
    let rung = |c: &Chosen| c.posed.ladder().rung(c.rung);
    s.chosen.iter().filter_map(move |c| Some((c, rung(c)?)))
}

/// Default choices first, then every rung that this case's problems allow. Where ties decide what is right, only rungs that
/// keep ties: after a transform of the sums either winner of a tie is as good.
fn rungs(entry: &Entry, case: &Case, setup: &Setup, gpu: &Gpu) -> Result<Vec<Run>> {
    let ties = case.inputs.iter().any(|i| i.fill == Fill::Ties);
    let allowed = |r: &RungView| !ties || r.rounding <= 1.0;
    let runs = |c: &Chosen, r: &RungView| {
        allowed(r) && c.posed.supports(r.name, gpu.capabilities()).is_ok()
    };
    let mut base = Choices::default();
    let first = schedule(&setup.tape, gpu.capabilities(), &base)?;
    for (chosen, _) in roundings(&first).filter(|(_, r)| !allowed(r)) {
        let all = chosen.posed.ladder().rungs();
        if let Some(r) = all.iter().rev().find(|r| runs(chosen, r)) {
            base.force(chosen.family, r.name);
        }
    }
    let default = schedule(&setup.tape, gpu.capabilities(), &base)?;
    let mut all = vec![Run {
        name: "default".to_owned(),
        choices: base.clone(),
        only: None,
    }];
    for &ladder in entry.ladders {
        let family = ladder.name();
        let Some(used) = default.chosen.iter().find(|c| c.family == family) else {
            continue;
        };
        for rung in ladder.rungs() {
            if rung.name != used.rung && runs(used, &rung) {
                let mut choices = base.clone();
                choices.force(family, rung.name);
                all.push(Run {
                    name: format!("{family}:{}", rung.name),
                    choices,
                    only: rung.reduced().then_some(family),
                });
            }
        }
    }
    Ok(all)
}

/// The tape of a case: the op on its inputs, and backward from an input `dy`.
///
/// # Errors
/// When the case's shapes don't fit its op.
pub(crate) fn tape(case: &Case) -> Result<Tape> {
    Ok(record(case)?.tape)
}

fn record(case: &Case) -> Result<Setup> {
    let seed = blake3::hash(format!("{}/{}", case.op.name(), case.name).as_bytes());
    let mut rng = ChaCha8Rng::from_seed(*seed.as_bytes());
    let mut tape = Tape::new();
    let mut inputs = Vec::new();
    let mut checked = Vec::new();
    for (i, input) in case.inputs.iter().enumerate() {
        let (name, spec) = (format!("x{i}"), input.spec.clone());
        let tensor = if case.op.mutates().contains(&i) {
            let tensor = tape.output(&name, spec);
            checked.push((format!("x{i}'"), tensor.clone()));
            tensor
        } else if case.op.differentiable().contains(&i) {
            tape.variable(&name, spec)
        } else {
            tape.input(&name, spec)
        };
        let values = input.fill.values(input.spec.numel(), &mut rng);
        inputs.push((tensor, values));
    }
    let batch = case
        .inputs
        .first()
        .and_then(|i| i.spec.shape.dims().first().copied())
        .unwrap_or(1);
    let valid = case.valid.unwrap_or(batch);
    let step = Step {
        seed: 42,
        step: 3,
        valid: valid as u32,
        batch: (case.start + valid) as u32,
        sample_offset: case.start as u32,
        cursor: case.start as u32,
        share: valid as f32 / (case.start + valid).max(1) as f32,
        learning_rate: 1e-2,
        alpha: 2e-2,
        ..Step::full(batch)
    };
    let x: Vec<&Tensor> = inputs.iter().map(|(t, _)| t).collect();
    let outputs = tape.apply_all(case.op.clone(), &x)?;
    for (i, y) in outputs.iter().enumerate() {
        tape.keep(y);
        let name = if i == 0 {
            "y".to_owned()
        } else {
            format!("y{i}")
        };
        checked.push((name, y.clone()));
    }
    if let (Some(y), false) = (outputs.first(), case.op.differentiable().is_empty()) {
        let dy = tape.input("dy", y.spec().clone());
        // Padding samples have no gradient.
        let mut values = Fill::Normal(1.0).values(y.numel(), &mut rng);
        if case.valid.is_some() && y.dims().first() == Some(&batch) {
            values[valid * (y.numel() / batch)..].fill(0.0);
        }
        tape.backward_from(y, &dy)?;
        let grads: Vec<(String, Tensor)> = (0..inputs.len())
            .filter_map(|i| {
                tape.gradient(&inputs[i].0)
                    .map(|g| (format!("d{i}"), g.clone()))
            })
            .collect();
        checked.extend(grads);
        inputs.push((dy, values));
    }
    Ok(Setup {
        tape,
        inputs,
        checked,
        step,
    })
}

/// For every gradient among the checked tensors: greatest error against central differences of `sum(y * dy)`.
fn finite_differences(setup: &Setup, expected: &[Array<f64>]) -> Vec<Option<f64>> {
    let Some((dy, upstream)) = setup
        .inputs
        .iter()
        .find(|(t, _)| setup.tape.value(t.id()).name == "dy")
    else {
        return vec![None; expected.len()];
    };
    let forward = setup.tape.forward_only();
    let Some((_, y)) = setup.checked.iter().find(|(n, _)| n == "y") else {
        return vec![None; expected.len()];
    };
    let mut executor = Executor::<f64>::new(&forward);
    for (tensor, values) in setup.inputs.iter().filter(|(t, _)| t != dy) {
        executor.set(tensor, values);
    }
    let mut loss = |x: &Tensor, element: usize, by: f64| {
        executor.nudge(x, element, by);
        executor.run(&setup.step);
        let value: f64 = executor
            .get(y)
            .data
            .iter()
            .zip(upstream)
            .map(|(&y, &d)| y * f64::from(d))
            .sum();
        executor.nudge(x, element, -by);
        value
    };
    let mut errors = Vec::new();
    for ((name, _), analytic) in setup.checked.iter().zip(expected) {
        let input = name.strip_prefix('d').and_then(|n| n.parse::<usize>().ok());
        errors.push(input.map(|i| {
            let x = &setup.inputs[i].0;
            let numeric: Vec<f64> = (0..x.numel())
                .map(|e| (loss(x, e, FD_STEP) - loss(x, e, -FD_STEP)) / (2.0 * FD_STEP))
                .collect();
            relative_error(&numeric, &analytic.data)
        }));
    }
    errors
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

/// Values as the bytes of a tensor of this type.
pub fn to_bytes(dtype: DType, values: &[f32]) -> Vec<u8> {
    match dtype {
        DType::F32 => bytemuck::cast_slice(values).to_vec(),
        DType::U32 => values
            .iter()
            .flat_map(|&v| (v as u32).to_le_bytes())
            .collect(),
        DType::U8 => values.iter().map(|&v| v as u8).collect(),
    }
}

/// A tensor's values from its bytes.
pub fn from_bytes(tensor: &Tensor, bytes: &[u8]) -> Vec<f32> {
    let n = tensor.numel();
    match tensor.spec().dtype {
        DType::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(&bytes[..n * 4]),
        DType::U32 => {
            let words = bytemuck::pod_collect_to_vec::<u8, u32>(&bytes[..n * 4]);
            words.into_iter().map(|w| w as f32).collect()
        }
        DType::U8 => bytes[..n].iter().map(|&b| f32::from(b)).collect(),
    }
}

/// Greatest absolute difference, relative to the expected tensor's maximum; infinite when a value is not finite.
pub fn relative_error<T: crate::ops::Real>(got: &[T], expected: &[f64]) -> f64 {
    let scale = expected
        .iter()
        .fold(0.0f64, |m, v| m.max(v.abs()))
        .max(1e-6);
    if got.len() != expected.len() {
        return f64::INFINITY;
    }
    let mut worst = 0.0f64;
    for (&g, &e) in got.iter().zip(expected) {
        let error = (g.f64() - e).abs() / scale;
        if !error.is_finite() {
            return f64::INFINITY;
        }
        worst = worst.max(error);
    }
    worst
}
