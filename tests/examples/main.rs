//! The programs under `examples/` and the op of the book's chapter, run, and the surface that they stand on.

#[allow(dead_code)]
#[path = "../../examples/custom_op.rs"]
mod custom_op;
#[allow(dead_code)]
#[path = "../../examples/digits.rs"]
mod digits;
#[allow(dead_code)]
#[path = "../../examples/two_moons.rs"]
mod two_moons;

mod a_new_op;
// The chapter's file is written for a place inside the crate: what it finds there as `crate::error` and so on is here, too.
use gtzan_gpu::{error, tensor, wgsl as kernel};

use gtzan_gpu::gpu::{Session, StepInputs};
use gtzan_gpu::ops::{
    Array, Choices, Entry, Io, Kernel, Lowering, Op, Real, ShaderFile, Step, register, registry,
};
use gtzan_gpu::plan::{MemoryPlan, Placement, schedule};
use gtzan_gpu::tape::{Init, Tape};
use gtzan_gpu::tensor::{Spec, Tensor};
use gtzan_gpu::{Classifier, Gpu, Learning, Mode, Model, Result};

fn gpu() -> Gpu {
    Gpu::open(&Default::default()).unwrap()
}

/// A line between the moons is wrong about one point in eight.
#[test]
fn two_moons() {
    let accuracy = two_moons::learn().unwrap();
    assert!(accuracy > 0.98, "{accuracy}");
    let gpu = gpu();
    let linear = Model::from_toml(LINEAR, "linear").unwrap();
    let mut line = Classifier::new(&gpu, &linear, [2], 2, Learning::at(1e-2)).unwrap();
    let (x, y) = two_moons::moons(512, 1);
    line.fit(&x, &y, 40).unwrap();
    let accuracy = line.evaluate(&x, &y).unwrap().accuracy;
    assert!(accuracy > 0.7 && accuracy < 0.95, "{accuracy}");
}

#[test]
fn digits() {
    let accuracy = digits::learn().unwrap();
    assert!(accuracy > 0.95, "{accuracy}");
}

/// Inside and outside of a circle: without the squares no better than always the same answer, which is right for 56 %.
#[test]
fn custom_op() {
    let accuracy = custom_op::learn().unwrap();
    assert!(accuracy > 0.95, "{accuracy}");
    let own = registry().into_iter().find(|e| e.name == "square").unwrap();
    for name in ["square", "relu"] {
        let again = register(Entry::new(name, own.cases))
            .unwrap_err()
            .to_string();
        assert!(again.contains(name) && again.contains("already"), "{again}");
    }
    let relu = registry().into_iter().find(|e| e.name == "conv2d").unwrap();
    let error = register(Entry {
        name: "mine",
        ..relu
    })
    .unwrap_err()
    .to_string();
    assert!(error.contains("ladder 'conv2d.forward'"), "{error}");
}

/// Each is short enough to read at once.
#[test]
fn examples_are_under_a_hundred_lines() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "rs") {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines < 100, "{}: {lines}", path.display());
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
}

const LINEAR: &str = "name='linear'\n[[layer]]\ntype='dense'\nunits='classes'\n";

/// A linear classifier's loss and probabilities, against sums by hand; batches that don't divide the samples.
#[test]
fn what_is_evaluated_is_what_the_weights_say() {
    let gpu = gpu();
    let model = Model::from_toml(LINEAR, "linear").unwrap();
    let learning = Learning {
        batch: 3,
        rate: 0.05,
        ..Learning::default()
    };
    let mut net = Classifier::new(&gpu, &model, [2], 3, learning).unwrap();
    let x: Vec<f32> = (0..14).map(|i| (i as f32 * 1.7).sin()).collect();
    let y = [0, 1, 2, 2, 1, 0, 1];
    let losses = net.fit(&x, &y, 5).unwrap();
    assert!(losses[4] < losses[0], "{losses:?}");
    let weights = net.weights().unwrap();
    let of = |end: &str| &weights.iter().find(|w| w.0.ends_with(end)).unwrap().2;
    let (w, b) = (of("weight"), of("bias"));
    let got = net.evaluate(&x, &y).unwrap();
    let (mut loss, mut right) = (0.0, 0);
    for (i, p) in x.chunks(2).enumerate() {
        let logit = |k: usize| f64::from(w[2 * k] * p[0] + w[2 * k + 1] * p[1] + b[k]);
        let sum: f64 = (0..3).map(|k| logit(k).exp()).sum();
        let q: Vec<f64> = (0..3).map(|k| logit(k).exp() / sum).collect();
        for (k, q) in q.iter().enumerate() {
            assert!((f64::from(got.probabilities[3 * i + k]) - q).abs() < 1e-5);
        }
        loss -= q[y[i] as usize].ln() / 7.0;
        right += usize::from(q.iter().all(|&other| other <= q[y[i] as usize]));
    }
    assert!((got.loss - loss).abs() < 1e-5, "{} {loss}", got.loss);
    assert!((got.accuracy - right as f64 / 7.0).abs() < 1e-6);
    // The same seed, the same bits; and training in two parts is training in one.
    let mut again = Classifier::new(&gpu, &model, [2], 3, learning).unwrap();
    let mut told = again.fit(&x, &y, 2).unwrap();
    told.extend(again.fit(&x, &y, 3).unwrap());
    assert_eq!(told, losses);
    assert_eq!(again.weights().unwrap(), weights);
}

#[test]
fn what_does_not_fit_is_a_sentence() {
    let gpu = gpu();
    let model = Model::from_toml(LINEAR, "linear").unwrap();
    let mut net = Classifier::new(&gpu, &model, [2], 3, Learning::default()).unwrap();
    let said = |result: gtzan_gpu::Result<Vec<f64>>| result.unwrap_err().to_string();
    let text = said(net.fit(&[0.0; 5], &[0, 1], 1));
    assert!(text.contains("5 numbers and 2 labels"), "{text}");
    let text = said(net.fit(&[0.0; 4], &[0, 3], 1));
    assert!(text.contains("a label 3, and 3 classes"), "{text}");
    let text = net.predict(&[0.0; 3]).unwrap_err().to_string();
    assert!(text.contains("3 numbers"), "{text}");
    assert!(net.predict(&[]).unwrap().is_empty());
    let text = said(net.fit(&[], &[], 1));
    assert!(text.contains("no samples"), "{text}");
    let text = net.load("no/such.safetensors").unwrap_err().to_string();
    assert!(text.contains("no/such.safetensors"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    net.save(&path).unwrap();
    let mut other = Classifier::new(&gpu, &model, [3], 3, Learning::default()).unwrap();
    let text = other.load(&path).unwrap_err().to_string();
    assert!(
        text.contains("w.safetensors") && text.contains("another architecture"),
        "{text}"
    );
    for (batch, rate) in [(0, 1e-3), (8, f64::NAN), (8, -1.0), (usize::MAX, 1e-3)] {
        let learning = Learning {
            batch,
            rate,
            seed: 1,
        };
        let error = Classifier::new(&gpu, &model, [2], 3, learning).unwrap_err();
        assert!(error.to_string().contains("give at least"), "{error}");
    }
    assert!(net.set_rate(f64::INFINITY).is_err() && net.set_rate(1e-4).is_ok());
    let narrow = |_: &mut Tape, x: &Tensor, _: Mode| Ok(x.clone());
    let text = Classifier::new(&gpu, &narrow, [2], 3, Learning::default()).unwrap_err();
    assert!(text.to_string().contains("one number per class"), "{text}");
    let fickle = |tape: &mut Tape, x: &Tensor, mode: Mode| {
        if mode == Mode::Training {
            tape.parameter("spare", [3], Init::Constant(0.0));
        }
        Model::from_toml(LINEAR, "linear")?
            .record(tape, x, 3, mode)
            .map(|r| r.logits)
    };
    let error = Classifier::new(&gpu, &fickle, [2], 3, Learning::default()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("spare (3), ") && text.contains("in the same order"),
        "{text}"
    );
}

macro_rules! scale {
    ($by:literal) => {
        ShaderFile {
            name: "relu/forward",
            text: concat!(
                "@group(0) @binding(0) var<storage, read> x: array<f32>;
                 @group(0) @binding(1) var<storage, read_write> y: array<f32>;
                 @compute @workgroup_size(1)
                 fn main(@builtin(workgroup_id) id: vec3<u32>) { y[id.x] = ",
                $by,
                " * x[id.x]; }"
            ),
        }
    };
}
/// Two texts under one name, which is that of a kernel of the crate besides.
static KERNELS: [ShaderFile; 2] = [scale!("2.0"), scale!("3.0")];

#[derive(Debug)]
struct Scale(usize);

impl Op for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }
    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![x[0].clone()])
    }
    fn differentiable(&self) -> &'static [usize] {
        &[]
    }
    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let kernel = Kernel::of(&KERNELS[self.0]);
        l.dispatch(kernel, &[io.x(0), io.y(0)], (), [3, 1, 1])
    }
    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        vec![x[0].map(|v| v * T::lit(self.0 as f64 + 2.0))]
    }
}

#[test]
fn kernels_of_one_name_are_not_mistaken() {
    let gpu = gpu();
    let mut tape = Tape::new();
    let x = tape.input("x", Spec::f32([3]));
    let relu = tape.apply(gtzan_gpu::ops::Relu, &[&x]).unwrap();
    let twice = tape.apply(Scale(0), &[&relu]).unwrap();
    let y = tape.apply(Scale(1), &[&twice]).unwrap();
    tape.keep(&y);
    let s = schedule(&tape, gpu.capabilities(), &Choices::default()).unwrap();
    let programs = [("scales", &s)];
    let plan = MemoryPlan::new(&programs, gpu.capabilities(), Placement::default(), 1).unwrap();
    let mut session = Session::new(&gpu, plan, &[&s]).unwrap();
    let x = [-1f32, 0.5, 4.0];
    (session.write_buffer("input x", bytemuck::cast_slice(&x))).unwrap();
    let step = StepInputs {
        step: Step::full(3),
        data: vec![],
    };
    session.run(0, &[step]).unwrap();
    let place = session.place(0, &s, &y).unwrap();
    let bytes = session.read(place).unwrap();
    assert_eq!(
        bytemuck::cast_slice::<u8, f32>(&bytes[..12]),
        [0.0, 3.0, 24.0]
    );
}
