//! Exported pages in a real browser: the same losses and probabilities as the engine's, every kernel's gradient check, and what
//! the page says when something goes wrong. The browser is started by `make test-web` alone; otherwise the test says so and checks what
//! needs none.

mod browser;

use browser::{Browser, Served};
use gtzan_gpu::dataset::{Normaliser, Segments};
use gtzan_gpu::features::{Definition, FRAMES, ROWS};
use gtzan_gpu::gpu::{AdapterChoice, Gpu};
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::{Choices, DeviceClass};
use gtzan_gpu::synth::GENRES;
use gtzan_gpu::tape::{Role, initial_values};
use gtzan_gpu::train::{
    Engine, FeatureSettings, Feed, GraphSettings, ModelFile, Predictor, Samples, Weights, compile,
    evaluation_tape,
};
use gtzan_gpu::web::Export;
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Every kind of layer, few numbers: SwiftShader computes them.
const MODEL: &str = include_str!("../../.ci/short.toml");
/// Segments that are classified: not a whole number of batches.
const SEGMENTS: usize = 11;

/// Numbers in -1..1; the test's script has the same.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn fill(&mut self, n: usize, middle: f32, by: f32) -> Vec<f32> {
        (0..n).map(|_| middle + by * self.next()).collect()
    }
}

fn settings(frames: usize, feed: Feed) -> GraphSettings {
    GraphSettings {
        rows: ROWS,
        frames,
        classes: GENRES.len(),
        micro_batch: 8,
        micro_batches: 1,
        feed,
        label_smoothing: 0.0,
        weight_decay: 0.0,
        clip_norm: None,
        time_shift: 0,
        augment: Default::default(),
        average: None,
    }
}

/// `model` as if trained: everything that begins at 0 or 1 moved away from it.
fn trained(model: &Model) -> ModelFile {
    let noise = &mut Noise(5);
    let tape = evaluation_tape(model, &settings(FRAMES, Feed::Streamed), 1).expect("a tape");
    let values = initial_values(&tape, 7);
    let mut weights = Weights::new();
    for role in [Role::Parameter, Role::State] {
        for tensor in tape.tensors(role) {
            let name = tape.value(tensor.id()).name.clone();
            let by = if name.ends_with("running_var") {
                0.5
            } else {
                0.1
            };
            let moved = values[&tensor.id()].iter().map(|v| v + by * noise.next());
            weights.push((name, tensor.shape().clone(), moved.collect()));
        }
    }
    ModelFile {
        labels: GENRES.map(String::from).to_vec(),
        model: model.clone(),
        features: FeatureSettings {
            definition: Some(Definition::Segment),
            segments: Segments::First,
            rows: ROWS,
            frames: FRAMES,
        },
        normaliser: Normaliser {
            mean: noise.fill(ROWS, -20.0, 30.0),
            std: noise.fill(ROWS, 10.0, 8.0),
        },
        synthetic: true,
        split: None,
        weights,
    }
}

/// Losses of ten steps on the page's set, with the same seed, as the engine computes them.
fn losses(gpu: &Gpu, model: &Model, export: &Export) -> Vec<f64> {
    let page = serde_json::to_value(&export.page).expect("JSON");
    let train = &page["train"];
    let bytes = |piece: &Value| {
        let number = |key: &str| piece[key].as_u64().expect("a number") as usize;
        &export.blob[number("offset")..][..number("bytes")]
    };
    let numbers = |list: &Value| -> Vec<u32> {
        serde_json::from_value(list.clone()).expect("a list of numbers")
    };
    let frames = train["frames"].as_u64().expect("frames") as usize;
    let per_row = |list: &str, row: usize| train[list][row].as_f64().expect("a number");
    let mut value = 0u8;
    let x = (bytes(&train["x"]).iter().enumerate())
        .map(|(i, &more)| {
            let row = i / frames % ROWS;
            value = more.wrapping_add(if i % frames == 0 { 0 } else { value });
            (per_row("offset", row) + per_row("scale", row) * f64::from(value)) as f32
        })
        .collect();
    let labels = numbers(&train["y"]);
    let entries = numbers(&train["train"]);
    let order: Vec<u32> = (bytes(&train["orders"])[..entries.len()].iter())
        .map(|&position| entries[position as usize])
        .collect();
    let feed = Feed::Resident {
        samples: labels.len(),
    };
    let g = settings(frames, feed);
    let choices = Choices::default();
    let (programs, plan) = compile(
        model,
        &g,
        Some(order.len()),
        8,
        gpu.capabilities(),
        &choices,
    )
    .expect("the model compiles");
    let samples = Samples {
        x,
        labels,
        neighbours: Vec::new(),
    };
    let mut engine = Engine::new(gpu, programs, plan, &g, samples.into(), 8, 42).expect("engine");
    engine.initialise(42).expect("weights");
    engine
        .set_class_weights(&vec![1.0; GENRES.len()])
        .expect("class weights");
    engine.set_totals(&[0.0; 4]).expect("totals");
    let mut losses = Vec::new();
    let mut before = [0.0f64; 2];
    let each = |engine: &mut Engine, _| {
        let totals = engine.totals()?;
        let now = [f64::from(totals[0]), f64::from(totals[2])];
        losses.push((now[0] - before[0]) / (now[1] - before[1]));
        before = now;
        Ok(match losses.len() {
            10 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    };
    engine.train(&order, 0, 0, |_| 1e-3, each).expect("steps");
    losses
}

fn floats(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap_or_else(|_| panic!("numbers, not {value}"))
}

fn assert_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        let error = (g - e).abs();
        assert!(error <= tolerance, "{what} {i}: {g} in the page, {e} here");
    }
}

#[test]
fn a_page_computes_what_the_engine_does_and_says_what_goes_wrong() {
    let model = Model::from_toml(MODEL, "short").expect("a model");
    let file = trained(&model);
    let export = Export::new(&model, Some(&file), &|_, _| ()).expect("an export");
    let Some(browser) = Browser::asked_for() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    export.write(dir.path(), false).expect("written");
    for (name, text) in [
        ("test.html", include_str!("test.html")),
        ("test.js", include_str!("test.js")),
    ] {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    let served = Served::new(dir.path());
    let _running = browser.open(&served.address("test.html"));

    let gpu = Gpu::open(&AdapterChoice::Best).expect("an adapter");
    let gpu = gpu.with_defaults_of(DeviceClass::Hardware);
    let expected = losses(&gpu, &model, &export);
    let noise = &mut Noise(9);
    let features = noise.fill(SEGMENTS * ROWS * FRAMES, -20.0, 30.0);
    let mut predictor = Predictor::new(&gpu, &file, 8, &Choices::default()).expect("a predictor");
    let probabilities = predictor.probabilities(&features).expect("probabilities");
    let probabilities: Vec<f64> = probabilities.into_iter().map(f64::from).collect();

    let wait = Duration::from_secs(330);
    let report = |step: &str| {
        let result = served.result(step, wait);
        assert_eq!(result["error"], Value::Null, "{step}");
        result
    };
    let (trained, classified) = (report("losses"), report("probabilities"));
    for kernels in ["gpu", "naive"] {
        assert_close(&floats(&trained[kernels]), &expected, 1e-4, "loss of step");
        assert_close(
            &floats(&classified[kernels]),
            &probabilities,
            1e-5,
            "probability",
        );
    }

    let checks = report("checks");
    let verdicts = checks["verdicts"].as_array().expect("verdicts");
    let failed: Vec<&Value> = verdicts.iter().filter(|v| v["ok"] != true).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let ran = verdicts.iter().filter(|v| v["skipped"] != true).count();
    assert!(
        ran >= export.page.checks.len(),
        "only {ran} tensors were checked"
    );
    // Each kernel is in a check, or nothing on the page would notice that it is wrong.
    assert_eq!(checks["unchecked"], serde_json::json!([]));

    let page = report("page");
    for (what, expected) in [
        ("trained", "samples/s"),
        ("broken", "conv2d/naive/forward.wgsl"),
        ("uncompilable", "does not compile"),
        ("lost", "The GPU was lost"),
        ("continued", "samples/s"),
    ] {
        let text = page[what].as_str().unwrap_or_default();
        assert!(text.contains(expected), "{what}: {text:?}");
    }
}

/// What is on a page is written whole, in both forms, and the command says what it can't do.
#[test]
fn the_command_writes_pages() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    std::fs::write(at("model.toml"), MODEL).expect("written");
    std::fs::write(at("file"), "").expect("written");
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"))
            .arg("export")
            .args(args)
            .output()
            .expect("runs");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let (status, text) = run(&["--web", &at("page"), "--single", &at("model.toml")]);
    assert_eq!(status, Some(0), "{text}");
    let files: Vec<_> = std::fs::read_dir(at("page")).expect("a folder").collect();
    assert_eq!(files.len(), 1);
    let page = std::fs::read_to_string(Path::new(&at("page")).join("index.html")).expect("a page");
    for network in ["http://", "https://", "src=\"", "href=\"style"] {
        let code = page.replace("https:// or localhost", "");
        assert!(!code.contains(network), "the page asks for {network}");
    }
    for (args, expected) in [
        (vec!["--web", &at("file")], "it is no folder"),
        (vec!["--web", &at("page"), "no-model"], "there is no model"),
        (
            vec!["--web", &at("page"), "--onnx", &at("x")],
            "cannot be used with",
        ),
        (
            vec![&at("file"), "--onnx", &at("x"), "--single"],
            "cannot be used with",
        ),
    ] {
        let (status, text) = run(&args);
        assert!(
            status != Some(0) && text.contains(expected),
            "{args:?}: {text}"
        );
    }
}

/// A page is something to send: cases with many numbers would be most of it.
#[test]
fn a_trained_seed_in_one_file_is_below_3_megabytes() {
    let model = Model::load("seed").expect("built in");
    let export = Export::new(&model, Some(&trained(&model)), &|_, _| ()).expect("an export");
    let dir = tempfile::tempdir().expect("a folder");
    let (_, bytes) = export.write(dir.path(), true).expect("written");
    assert!(bytes < 3_000_000, "{bytes} bytes");
}
