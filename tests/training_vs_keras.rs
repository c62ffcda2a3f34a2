//! A fixed model trained for 20 steps, against the same run in PyTorch, Keras and a Keras-form Adam in f64, stored in
//! tests/fixtures/tiny; and the whole model's gradients against the f64 reference.

mod common;

use common::*;
use gtzan_gpu::gradcheck::relative_error;
use gtzan_gpu::ops::{Choices, Step, registry};
use gtzan_gpu::reference::Executor;
use gtzan_gpu::tape::Role;
use gtzan_gpu::train::Feed;
use std::collections::BTreeMap;

fn trace(name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(fixture("trace.json")).expect("the trace");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let list = json[name].as_array().expect("a list of losses");
    list.iter().map(|v| v.as_f64().expect("a number")).collect()
}

fn assert_follows(losses: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    for (i, (got, want)) in losses.iter().zip(expected).enumerate() {
        let error = (got - want).abs() / want;
        assert!(
            error <= tolerance,
            "{what}, step {}: {got} instead of {want} ({error:.1e})",
            i + 1
        );
    }
}

/// 5e-4: Keras itself is 1.3e-4 from the f64 trace.
#[test]
fn twenty_losses_follow_keras_form_adam_in_f64() {
    let gpu = gpu();
    for (feed, micro) in [(Feed::Resident { samples: 4 }, 1), (Feed::Streamed, 1)] {
        let g = tiny_settings(4 / micro, micro, feed);
        let mut engine = tiny_engine(&gpu, &g, &tiny_model(0.0), &Choices::default());
        let got = losses(&mut engine, 4, 20);
        assert_follows(
            &got,
            &trace("loss_keras_form_adam_f64"),
            5e-4,
            &format!("{feed:?}"),
        );
    }
}

/// Every rung of every family, forced where it can run, trains to the same losses as the naive ones.
#[test]
fn every_rung_follows_the_same_losses() {
    let gpu = gpu();
    let g = tiny_settings(4, 1, Feed::Resident { samples: 4 });
    let model = tiny_model(0.0);
    let mut rungs: BTreeMap<(&str, &str), ()> = BTreeMap::new();
    for entry in registry() {
        for family in entry.families {
            for rung in family.rungs {
                rungs.insert((family.name, rung.name), ());
            }
        }
    }
    let mut ran = 0;
    for (family, rung) in rungs.keys() {
        let mut choices = Choices::default();
        choices.force(family, rung);
        let fits =
            gtzan_gpu::train::compile(&model, &g, Some(4), 4, gpu.capabilities(), &choices).is_ok();
        if !fits {
            continue;
        }
        ran += 1;
        let mut engine = tiny_engine(&gpu, &g, &model, &choices);
        let got = losses(&mut engine, 4, 20);
        assert_follows(
            &got,
            &trace("loss_keras_form_adam_f64"),
            5e-4,
            &format!("{family}:{rung}"),
        );
    }
    assert!(ran >= 10, "only {ran} rungs ran");
}

/// 1e-4 of each tensor's maximum, against PyTorch's gradients of the first step (1.5e-6 from its f64 ones).
#[test]
fn first_gradients_match_pytorch() {
    let gpu = gpu();
    let g = tiny_settings(4, 1, Feed::Resident { samples: 4 });
    let mut engine = tiny_engine(&gpu, &g, &tiny_model(0.0), &Choices::default());
    losses(&mut engine, 4, 1);
    let bytes = engine
        .session_mut()
        .read_buffer("gradients")
        .expect("gradients");
    let all: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
    let tape = &engine.programs()[0].tape;
    let (offsets, _) = tape.flat_layout();
    let mut checked = 0;
    for p in tape.tensors(Role::Parameter) {
        let name = &tape.value(p.id()).name;
        let at = offsets[&p.id()] as usize / 4;
        let expected: Vec<f64> = tensor("step1.safetensors", &format!("grad.{name}"))
            .into_iter()
            .map(f64::from)
            .collect();
        let error = relative_error(&all[at..at + p.numel()], &expected);
        assert!(error < 1e-4, "{name}: {error:.1e}");
        checked += 1;
    }
    assert_eq!(checked, 18);
}

/// Running statistics after one step against Keras, which keeps the biased variance.
#[test]
fn running_statistics_match_keras() {
    let gpu = gpu();
    let g = tiny_settings(4, 1, Feed::Resident { samples: 4 });
    let mut engine = tiny_engine(&gpu, &g, &tiny_model(0.0), &Choices::default());
    losses(&mut engine, 4, 1);
    let weights = engine.weights().expect("weights");
    let mut checked = 0;
    for (name, _, data) in weights.iter().filter(|(n, ..)| n.contains("running")) {
        let expected: Vec<f64> = tensor("keras_step1.safetensors", name)
            .into_iter()
            .map(f64::from)
            .collect();
        let error = relative_error(data, &expected);
        assert!(error < 1e-5, "{name}: {error:.1e}");
        checked += 1;
    }
    assert_eq!(checked, 8);
}

/// The whole training tape, dropout included, on the f64 reference: losses and every gradient.
#[test]
fn whole_model_matches_the_f64_reference() {
    let gpu = gpu();
    let g = tiny_settings(4, 1, Feed::Resident { samples: 4 });
    let mut engine = tiny_engine(&gpu, &g, &tiny_model(0.3), &Choices::default());
    let weights = engine.weights().expect("weights");
    losses(&mut engine, 4, 1);
    let bytes = engine
        .session_mut()
        .read_buffer("gradients")
        .expect("gradients");
    let all: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);

    let tape = &engine.programs()[0].tape;
    let samples = tiny_samples();
    let mut reference = Executor::<f64>::new(tape);
    for role in [Role::Parameter, Role::State] {
        for t in tape.tensors(role) {
            let name = &tape.value(t.id()).name;
            let (_, _, data) = weights
                .iter()
                .find(|(n, ..)| n == name)
                .expect("the weight");
            reference.set(&t, data);
        }
    }
    for t in tape.tensors(Role::Input) {
        let labels: Vec<f32> = samples.labels.iter().map(|&l| l as f32).collect();
        match tape.value(t.id()).name.as_str() {
            "dataset" => reference.set(&t, &samples.x),
            "dataset labels" => reference.set(&t, &labels),
            "order" => reference.set(&t, &[0.0, 1.0, 2.0, 3.0]),
            "class weights" => reference.set(&t, &tensor("batch.safetensors", "class_weight")),
            other => panic!("unexpected input {other}"),
        }
    }
    let step = Step {
        seed: 42,
        step: 1,
        learning_rate: 1e-3,
        alpha: 1e-3 * (1.0f32 - 0.999).sqrt() / (1.0 - 0.9),
        ..Step::full(4)
    };
    reference.run(&step);
    let (offsets, _) = tape.flat_layout();
    for p in tape.tensors(Role::Parameter) {
        let gradient = tape.gradient(&p).expect("every parameter has a gradient");
        let at = offsets[&p.id()] as usize / 4;
        let error = relative_error(&all[at..at + p.numel()], &reference.get(gradient).data);
        assert!(error < 2e-5, "{}: {error:.1e}", tape.value(p.id()).name);
    }
}

/// A network that can't drive the loss of four samples to (nearly) nothing has a broken gradient somewhere.
#[test]
fn one_batch_is_overfitted() {
    let gpu = gpu();
    let g = tiny_settings(4, 1, Feed::Resident { samples: 4 });
    let mut engine = tiny_engine(&gpu, &g, &tiny_model(0.0), &Choices::default());
    let curve = losses(&mut engine, 4, 300);
    let (first, last) = (curve[0], curve[299]);
    assert!(
        last < 0.1 * first && last < 0.2,
        "the loss went from {first} to {last}"
    );
}
