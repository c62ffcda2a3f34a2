//! Softmax, its loss, and Adam.

use super::case::Case;
use super::cover::Got;
use super::run::Run;
use gtzan_gpu::gpu::Gpu;
use gtzan_gpu::ops::{Adam, Add, L2Penalty, SoftmaxCrossEntropy, Step};
use gtzan_gpu::tape::{Flat, Init};
use gtzan_gpu::tensor::Tensor;
use std::sync::Arc;

/// Rows of classes, from a tensor that has them along an axis: where element `i` of the rows is in the tensor.
fn rows(dims: &[usize], axis: usize) -> Vec<usize> {
    let classes = dims[axis];
    let inner: usize = dims[axis + 1..].iter().product();
    let outer: usize = dims[..axis].iter().product();
    let mut all = Vec::with_capacity(outer * classes * inner);
    for position in 0..outer * inner {
        let first = position / inner * classes * inner + position % inner;
        all.extend((0..classes).map(|c| first + c * inner));
    }
    all
}

/// Rows back into a tensor.
fn back(values: &[f32], places: &[usize]) -> Vec<f32> {
    let mut all = vec![0.0; values.len()];
    for (&value, &place) in values.iter().zip(places) {
        all[place] = value;
    }
    all
}

pub fn softmax(case: &Case, gpu: &Gpu) -> Got {
    let (dims, x) = (case.dims(0), case.floats(0)?);
    let axis = case.int("axis").unwrap_or(-1);
    let axis = axis.rem_euclid(dims.len() as i64) as usize;
    let (places, classes) = (rows(&dims, axis), dims[axis]);
    let x: Vec<f32> = places.iter().map(|&i| x[i]).collect();
    let n = x.len() / classes;
    let mut run = Run::new();
    let logits = run.input(&[n, classes], &x);
    let labels = run.labels(&vec![0; n]);
    let weights = run.input(&[classes], &vec![1.0; classes]);
    let y = run.apply(
        SoftmaxCrossEntropy::default(),
        &[&logits, &labels, &weights],
    );
    let got = run.read(gpu, Step::full(n), &y[1..2]);
    Ok(vec![back(&got[0], &places)])
}

/// Every position of every sample is a sample here; the mean over weights is a sum with weights that add up to 1.
pub fn cross_entropy(case: &Case, gpu: &Gpu) -> Got {
    let (dims, x) = (case.dims(0), case.floats(0)?);
    let classes = dims[1];
    let places = rows(&dims, 1);
    let x: Vec<f32> = places.iter().map(|&i| x[i]).collect();
    let labels = case.integers(1);
    let n = labels.len();
    let mut weights = match case.has(2) {
        true => case.floats(2)?,
        false => vec![1.0; classes],
    };
    if labels.iter().any(|&l| l < 0 || l >= classes as i64) {
        return Err("labels that are no class, to be passed over");
    }
    // A class to be passed over has no weight.
    if let Some(weight) = case
        .int("ignore_index")
        .and_then(|i| weights.get_mut(i as usize))
    {
        *weight = 0.0;
    }
    let labels: Vec<u32> = labels.iter().map(|&l| l as u32).collect();
    let reduction = case.text("reduction").unwrap_or("mean".to_owned());
    if reduction == "none" && n > 1000 {
        return Err("more than a thousand losses, each of which would be a run of its own");
    }
    if reduction == "mean" {
        let each = labels.iter().map(|&l| f64::from(weights[l as usize]));
        let sum: f64 = each.sum();
        (weights.iter_mut()).for_each(|w| *w = (f64::from(*w) / sum) as f32);
    }
    // The op divides by the size of the batch: of which this is all, and which counts as one.
    let sum = |n: usize| Step {
        batch: 1,
        ..Step::full(n)
    };
    let record = |x: &[f32], labels: &[u32]| {
        let mut run = Run::new();
        let logits = run.input(&[labels.len(), classes], x);
        let labels = run.labels(labels);
        let weights = run.input(&[classes], &weights);
        let y = run.apply(
            SoftmaxCrossEntropy::default(),
            &[&logits, &labels, &weights],
        );
        (run, logits, labels, y)
    };
    let (run, _, _, y) = record(&x, &labels);
    let mut got = run.read(gpu, sum(n), &y);
    if reduction == "none" {
        let (run, logits, label, y) = record(&x[..classes], &labels[..1]);
        let mut one = run.ready(gpu);
        got[0].clear();
        for (x, l) in x.chunks(classes).zip(&labels) {
            one.write(&logits, bytemuck::cast_slice(x));
            one.write(&label, bytemuck::bytes_of(l));
            one.run(sum(1));
            got[0].push(one.read(&y[0])[0]);
        }
    }
    // Probabilities here, their logarithms there.
    got[1] = back(&got[1], &places).into_iter().map(f32::ln).collect();
    got.truncate(case.outputs());
    Ok(got)
}

/// As in training: parameters whose gradients come from backward (here that of a sum with nothing, which is what is given, and the
/// penalty's), and one launch over all of them.
pub fn adam(case: &Case, gpu: &Gpu) -> Got {
    let step = u32::try_from(case.integers(1)[0]).expect("a step");
    let parameters = (case.inputs() - 2) / 4;
    if case.float("norm_coefficient_post", 0.0) != 0.0 {
        return Err("a decay after the step: here it is part of it");
    }
    let op = Adam {
        beta1: case.float("alpha", 0.9),
        beta2: case.float("beta", 0.999),
        epsilon: case.float("epsilon", 0.0),
        weight_decay: 0.0,
    };
    let penalty = L2Penalty {
        coefficient: case.float("norm_coefficient", 0.0) / 2.0,
    };
    let mut run = Run::new();
    let mut all: Vec<Tensor> = Vec::new();
    for i in 0..parameters {
        let name = format!("X{i}");
        let x = run
            .tape
            .parameter(&name, case.dims(2 + i), Init::Constant(0.0));
        run.set(&x, bytemuck::cast_slice(&case.floats(2 + i)?));
        all.push(x);
    }
    for (i, x) in all.iter().enumerate() {
        let dims = case.dims(2 + i);
        let nothing = run.input(&dims, &vec![0.0; x.numel()]);
        let given = run.input(&dims, &case.floats(2 + parameters + i)?);
        let y = run.tape.apply(Add, &[x, &nothing]).expect("a sum");
        let loss = run.tape.apply(penalty, &[x]).expect("a penalty");
        run.tape.backward_from(&y, &given).expect("a gradient");
        run.tape.backward(&loss).expect("a gradient");
    }
    run.tape.begin_update();
    let which = [
        Flat::Parameters,
        Flat::Gradients,
        Flat::Moment1,
        Flat::Moment2,
    ];
    let flat = which.map(|which| run.tape.flat(which));
    (run.tape.apply_all(Arc::new(op), &flat.each_ref())).expect("an update");
    let mut ready = run.ready(gpu);
    let (offsets, bytes) = run.tape.flat_layout();
    let place = |i: usize| offsets[&all[i].id()] as usize / 4;
    let moments = ["moment 1", "moment 2"];
    for (k, name) in moments.iter().enumerate() {
        let mut values = vec![0f32; bytes as usize / 4];
        for i in 0..parameters {
            let given = case.floats(2 + (2 + k) * parameters + i)?;
            values[place(i)..][..given.len()].copy_from_slice(&given);
        }
        ready.write_buffer(name, bytemuck::cast_slice(&values));
    }
    let rate = case.floats(0)?[0];
    let alpha = match step {
        0 => f64::from(rate),
        step => op.alpha(f64::from(rate), step.into()),
    };
    ready.run(Step {
        learning_rate: rate,
        alpha: alpha as f32,
        ..Step::full(1)
    });
    let mut got: Vec<Vec<f32>> = all.iter().map(|x| ready.read(x)).collect();
    for name in moments {
        let values = ready.read_buffer(name);
        let part = |i: usize| values[place(i)..][..all[i].numel()].to_vec();
        got.extend((0..parameters).map(part));
    }
    Ok(got)
}
