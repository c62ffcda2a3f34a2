//! A fixed model trained for 20 steps, against the same run in PyTorch, Keras and a Keras-form Adam in f64, stored in
//! tests/fixtures/tiny; and the whole model's gradients against the f64 reference.

mod common;

use common::*;
use gtzan_gpu::gpu::Gpu;
use gtzan_gpu::gradcheck::relative_error;
use gtzan_gpu::ops::{Choices, DeviceClass, MadeFor, RungView, Step, registry};
use gtzan_gpu::reference::Executor;
use gtzan_gpu::tape::{Role, Tape};
use gtzan_gpu::tensor::Tensor;
use gtzan_gpu::train::{Engine, Feed, Weights};
use std::collections::BTreeMap;

fn trace(name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(fixture("trace.json")).expect("the trace");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let list = json[name].as_array().expect("a list of losses");
    let losses: Vec<f64> = list.iter().map(|v| v.as_f64().expect("a number")).collect();
    assert_eq!(losses.len(), 20);
    losses
}

/// The first step's gradient of [`AMPLIFIED`] in f64, and the greatest of its tensor.
fn amplified(gpu: &Gpu) -> [f64; 2] {
    let g = tiny_settings(4, 1, Feed::Resident { samples: 4 });
    let mut engine = tiny_engine(gpu, &g, &tiny_model(0.0), &Choices::default());
    let weights = engine.weights().expect("weights");
    let tape = &engine.programs()[0].tape;
    let mut reference = reference(tape, &weights);
    reference.run(&Step {
        seed: 42,
        step: 1,
        ..Step::full(4)
    });
    let gradient = tape.gradient(&amplified_tensor(tape)).expect("a gradient");
    let values = &reference.get(gradient).data;
    [
        values[AMPLIFIED.1],
        values.iter().fold(0.0, |m, v| m.max(v.abs())),
    ]
}

fn amplified_tensor(tape: &Tape) -> Tensor {
    let mut parameters = tape.tensors(Role::Parameter).into_iter();
    let found = parameters.find(|p| tape.value(p.id()).name == AMPLIFIED.0);
    found.expect("the parameter")
}

/// Twenty losses from the stored weights, and how far the first step's gradient of [`AMPLIFIED`] is off `want`, relative to the tensor's
/// maximum.
fn run(engine: &mut Engine, [want, largest]: [f64; 2]) -> (Vec<f64>, f64) {
    let mut all = losses(engine, 4, 1);
    let bytes = engine.session_mut().read_buffer("gradients");
    let flat: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes.expect("gradients"));
    let tape = &engine.programs()[0].tape;
    let at = tape.flat_layout().0[&amplified_tensor(tape).id()] as usize / 4 + AMPLIFIED.1;
    let error = (f64::from(flat[at]) - want).abs() / largest;
    all.extend(losses_of(engine, 4, 1..20));
    (all, error)
}

/// All steps as [`assert_follows`] says but for the one that amplifies, which may be as far off as `error`, that of the gradient that it
/// amplifies, makes it.
fn assert_follows_but_for_one(
    (losses, error): &(Vec<f64>, f64),
    expected: &[f64],
    tolerance: f64,
    rounding: f64,
    what: &str,
) {
    let at = AMPLIFIER - 1;
    let mut others = losses.clone();
    others[at] = expected[at];
    assert_follows(&others, expected, tolerance, what);
    assert!(
        *error <= AMPLIFIED_ERROR * rounding.max(1.0),
        "{what}: the gradient of {AMPLIFIED:?} is off by {error:.1e}"
    );
    let alone = AMPLIFICATION * error + UNAMPLIFIED;
    assert_follows(&losses[at..=at], &expected[at..=at], alone, what);
}

fn assert_follows(losses: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(losses.len(), expected.len(), "{what}");
    for (i, (got, want)) in losses.iter().zip(expected).enumerate() {
        let error = (got - want).abs() / want;
        assert!(
            error <= tolerance,
            "{what}, step {}: {got} instead of {want} ({error:.1e})",
            i + 1
        );
    }
}

/// Free runs may be this far from the f64 trace, relative, at any step but one: with the default rungs, and with the naive ones.
/// What does not depend on luck, a step from given weights, is bounded 250 times tighter below.
const FREE_RUN: f64 = 5e-4;

/// The same for any rung, forced or a GPU's default.
const FREE_RUN_ANY_RUNG: f64 = 1e-3;

/// The step that amplifies, counted from 1. One weight starts with a gradient of 5.4e-7, which is below the rounding noise of f32 in its
/// tensor, and Adam's first step is as large for it as for any other. The deviations of all rungs are one and the same curve times the
/// error of that one gradient: 2.4e-7 of the tensor's maximum is -1.95e-4 of the 8th loss, 5.4e-7 -4.7e-4, 1.13e-6 (where a convolution adds
/// all its products up in one accumulator) -1.01e-3.
const AMPLIFIER: usize = 8;

/// That weight: its tensor, and its place there.
const AMPLIFIED: (&str, usize) = ("conv3.weight", 104);

/// How far its gradient may be off, of the tensor's maximum; a rung that grants itself a multiple of an op's rounding (F(4x4)'s transforms: 5)
/// has that multiple. Most of it comes from the nine additions per element in the first convolution.
const AMPLIFIED_ERROR: f64 = 2e-6;

/// What the step makes of such an error, and what it may be off without one.
const AMPLIFICATION: f64 = 1e3;
const UNAMPLIFIED: f64 = 1e-4;

/// The same for a rung of reduced precision, whose factors are 2^-11 off where f32 is 2^-24. The first loss is off by 5.5e-5 (f16
/// forward) or not at all (backward); then Adam amplifies what it does to gradients as above: 7.4e-3 at worst. The loss itself
/// falls by more than half in these steps, so a wrong kernel still shows.
const FREE_RUN_REDUCED: f64 = 2e-2;

/// The first rung of every ladder.
fn naive() -> Choices {
    let mut choices = Choices::default();
    for ladder in registry().iter().flat_map(|entry| entry.ladders) {
        choices.force(ladder.name(), ladder.rungs()[0].name);
    }
    choices
}

#[test]
fn twenty_losses_follow_keras_form_adam_in_f64() {
    let gpu = gpu();
    let want = amplified(&gpu);
    for (feed, choices, what) in [
        (
            Feed::Resident { samples: 4 },
            Choices::default(),
            "resident",
        ),
        (Feed::Streamed, Choices::default(), "streamed"),
        (Feed::Resident { samples: 4 }, naive(), "naive rungs"),
    ] {
        let g = tiny_settings(4, 1, feed);
        let mut engine = tiny_engine(&gpu, &g, &tiny_model(0.0), &choices);
        let got = run(&mut engine, want);
        let expected = trace("loss_keras_form_adam_f64");
        assert_follows_but_for_one(&got, &expected, FREE_RUN, 1.0, what);
    }
}

/// What a GPU runs by default, here on whatever adapter there is; batch norm's reductions and the step sizes of kernels that ask for
/// the kind of device included.
#[test]
fn a_gpu_s_defaults_follow_the_same_losses() {
    let gpu = gpu().with_defaults_of(DeviceClass::Hardware);
    let want = amplified(&gpu);
    for feed in [Feed::Resident { samples: 4 }, Feed::Streamed] {
        let g = tiny_settings(4, 1, feed);
        let mut engine = tiny_engine(&gpu, &g, &tiny_model(0.0), &Choices::default());
        let made_for_cpu_drivers: Vec<_> = engine
            .programs()
            .iter()
            .flat_map(|p| &p.schedule.chosen)
            .filter(|c| {
                let rung = c.posed.ladder().rung(c.rung);
                rung.is_none_or(|r| r.class == MadeFor::CpuDriver)
            })
            .map(|c| (c.family, c.rung))
            .collect();
        assert_eq!(made_for_cpu_drivers, []);
        let rounding = (engine.programs()[0].schedule.chosen.iter())
            .filter_map(|c| Some(c.posed.ladder().rung(c.rung)?.rounding))
            .fold(1.0, f64::max);
        let got = run(&mut engine, want);
        let expected = trace("loss_keras_form_adam_f64");
        let what = "a GPU's defaults";
        assert_follows_but_for_one(&got, &expected, FREE_RUN_ANY_RUNG, rounding, what);
    }
}

/// Every rung of every ladder, forced where it can run, trains to the same losses as the naive ones.
#[test]
fn every_rung_follows_the_same_losses() {
    let gpu = gpu();
    let g = tiny_settings(4, 1, Feed::Resident { samples: 4 });
    let model = tiny_model(0.0);
    let mut rungs: BTreeMap<(&str, &str), RungView> = BTreeMap::new();
    for entry in registry() {
        for ladder in entry.ladders {
            for rung in ladder.rungs() {
                rungs.insert((ladder.name(), rung.name), rung);
            }
        }
    }
    let want = amplified(&gpu);
    let mut ran = 0;
    for (&(family, name), rung) in &rungs {
        let mut choices = Choices::default();
        choices.force(family, name);
        match gtzan_gpu::train::compile(&model, &g, Some(4), 4, gpu.capabilities(), &choices) {
            Ok(_) => {}
            // It says why, which is nobody's fault but this little network's or the device's.
            Err(e) if e.to_string().contains(&format!("rung {name} can't run")) => continue,
            Err(e) => panic!("{family}:{name}: {e}"),
        }
        ran += 1;
        let mut engine = tiny_engine(&gpu, &g, &model, &choices);
        let got = run(&mut engine, want);
        let (expected, what) = (
            trace("loss_keras_form_adam_f64"),
            format!("{family}:{name}"),
        );
        match rung.reduced() {
            true => assert_follows(&got.0, &expected, FREE_RUN_REDUCED, &what),
            false => {
                assert_follows_but_for_one(&got, &expected, FREE_RUN_ANY_RUNG, rung.rounding, &what)
            }
        }
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
    let mut reference = reference(tape, &weights);
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

/// Every one of the 20 steps, started from the f64 reference's weights: its loss within 2e-6 of the trace.
#[test]
fn each_step_from_the_reference_weights_has_the_trace_s_loss() {
    let gpu = gpu();
    let g = tiny_settings(4, 1, Feed::Resident { samples: 4 });
    let mut engine = tiny_engine(&gpu, &g, &tiny_model(0.0), &Choices::default());
    let tape = engine.programs()[0].tape.clone();
    let mut reference = reference(&tape, &engine.weights().expect("weights"));
    let expected = trace("loss_keras_form_adam_f64");
    for (t, want) in (1..).zip(&expected) {
        let weights = [Role::Parameter, Role::State]
            .into_iter()
            .flat_map(|role| tape.tensors(role))
            .map(|p| {
                let data = reference.get(&p).data.iter().map(|&v| v as f32).collect();
                (tape.value(p.id()).name.clone(), p.shape().clone(), data)
            })
            .collect();
        engine
            .set_weights(&weights)
            .expect("the reference's weights fit");
        let got = losses(&mut engine, 4, 1)[0];
        let error = (got - want).abs() / want;
        assert!(
            error < 2e-6,
            "step {t}: {got} instead of {want} ({error:.1e})"
        );
        let power = |beta: f64| 1.0 - beta.powi(t);
        let alpha = 1e-3 * power(0.999).sqrt() / power(0.9);
        reference.run(&Step {
            seed: 42,
            step: t as u32,
            learning_rate: 1e-3,
            alpha: alpha as f32,
            ..Step::full(4)
        });
    }
}

/// The f64 reference of a training tape over the stored batch, with these weights.
fn reference<'t>(tape: &'t Tape, weights: &Weights) -> Executor<'t, f64> {
    let samples = tiny_samples();
    let labels: Vec<f32> = samples.labels.iter().map(|&l| l as f32).collect();
    let mut reference = Executor::<f64>::new(tape);
    for role in [Role::Parameter, Role::State, Role::Input] {
        for t in tape.tensors(role) {
            let name = tape.value(t.id()).name.as_str();
            match name {
                "dataset" => reference.set(&t, &samples.x),
                "dataset labels" => reference.set(&t, &labels),
                "order" => reference.set(&t, &[0.0, 1.0, 2.0, 3.0]),
                "class weights" => reference.set(&t, &tensor("batch.safetensors", "class_weight")),
                _ => {
                    let found = weights.iter().find(|(n, ..)| n == name);
                    reference.set(&t, &found.expect("the weight").2);
                }
            }
        }
    }
    reference
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
