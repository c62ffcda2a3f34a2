//! A case on a tape, with values; and finite differences of it.

use super::values::relative_error;
use crate::error::Result;
use crate::ops::{Array, Case, Fill, Step};
use crate::reference::Executor;
use crate::tape::Tape;
use crate::tensor::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Step of the finite differences.
const FD_STEP: f64 = 1e-5;

/// A case recorded on a tape, filled with values.
pub(super) struct Setup {
    pub tape: Tape,
    pub inputs: Vec<(Tensor, Vec<f32>)>,
    pub checked: Vec<(String, Tensor)>,
    pub step: Step,
}

/// The tape of a case: the op on its inputs, and backward from an input `dy`.
///
/// # Errors
/// When the case's shapes don't fit its op.
pub(crate) fn tape(case: &Case) -> Result<Tape> {
    Ok(record(case)?.tape)
}

pub(super) fn record(case: &Case) -> Result<Setup> {
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
        step: case.step,
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
pub(super) fn finite_differences(setup: &Setup, expected: &[Array<f64>]) -> Vec<Option<f64>> {
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
