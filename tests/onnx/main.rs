//! Exported models give the probabilities of the models they came from: in an interpreter of this test's own, and in ONNX
//! Runtime where Python and the network are there to install it.

#[path = "../common/mod.rs"]
mod common;
mod interpreter;
mod nodes;

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use gtzan_gpu::dataset::{Normaliser, Segments};
use gtzan_gpu::nn::Model;
use gtzan_gpu::onnx;
use gtzan_gpu::onnx::proto::ModelProto;
use gtzan_gpu::ops::Choices;
use gtzan_gpu::tape::{Role, initial_values};
use gtzan_gpu::train::{
    FeatureSettings, Feed, GraphSettings, ModelFile, Predictor, Weights, evaluation_tape,
};
use interpreter::Array;
use prost::Message;

const ROWS: usize = 45;
const FRAMES: usize = 38;
const CLASSES: usize = 4;
const SAMPLES: usize = 20;

/// Every layer with its less usual settings: uneven padding, strides that differ, windows that leave a rest, pooling that
/// overlaps, blocks with and without a shortcut, one block in another.
const ODD: &str = r#"
name = "odd"
layer = [
  { type = "conv2d", filters = 5, kernel = [4, 3], stride = [2, 3], activation = "relu" },
  { type = "avg_pool2d", window = [2, 3], stride = [2, 1] },
  { type = "residual", layer = [
      { type = "conv2d", filters = 5, kernel = [1, 2] },
      { type = "residual", layer = [{ type = "batch_norm", epsilon = 0.01 }], shortcut = [{ type = "relu" }] },
    ] },
  { type = "relu" },
  { type = "conv2d", filters = 6, kernel = 2, padding = "valid", stride = [1, 2], bias = false },
  { type = "batch_norm" },
  { type = "dropout", rate = 0.5 },
  { type = "max_pool2d", window = 3, stride = 2 },
  { type = "flatten" },
  { type = "batch_norm" },
  { type = "dense", units = 7, activation = "relu" },
  { type = "dense", units = "classes" },
]
"#;

/// Numbers in -1..1.
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

/// `model` as if trained: weights as they begin, and everything that begins at 0 or 1 moved away from it.
fn trained(model: Model, noise: &mut Noise) -> ModelFile {
    let settings = GraphSettings {
        rows: ROWS,
        frames: FRAMES,
        classes: CLASSES,
        ..common::tiny_settings(1, 1, Feed::Streamed)
    };
    let tape = evaluation_tape(&model, &settings, 1).unwrap();
    let values = initial_values(&tape, 7);
    let mut weights = Weights::new();
    for role in [Role::Parameter, Role::State] {
        for tensor in tape.tensors(role) {
            let name = tape.value(tensor.id()).name.clone();
            let n = tensor.numel();
            let data = match &name[..] {
                name if name.ends_with("running_mean") => noise.fill(n, 0.2, 0.3),
                name if name.ends_with("running_var") => noise.fill(n, 1.0, 0.6),
                name if name.ends_with("bias") => noise.fill(n, 0.0, 0.3),
                name if name.starts_with("bn") => noise.fill(n, 1.0, 0.4),
                _ => values[&tensor.id()].clone(),
            };
            weights.push((name, tensor.shape().clone(), data));
        }
    }
    ModelFile {
        labels: ["blues", "Ümläut \"q\"", "日本", "d"]
            .map(String::from)
            .to_vec(),
        model,
        features: FeatureSettings {
            definition: None,
            segments: Segments::First,
            rows: ROWS,
            frames: FRAMES,
        },
        normaliser: Normaliser {
            mean: noise.fill(ROWS, -20.0, 30.0),
            std: noise.fill(ROWS, 10.0, 8.0),
        },
        synthetic: false,
        split: None,
        weights,
    }
}

/// Raw features around what the normaliser expects.
fn samples(file: &ModelFile, noise: &mut Noise) -> Vec<f32> {
    let Normaliser { mean, std } = &file.normaliser;
    (0..SAMPLES * ROWS * FRAMES)
        .map(|i| {
            let row = i / FRAMES % ROWS;
            mean[row] + 1.5 * std[row] * noise.next()
        })
        .collect()
}

fn models() -> Vec<Model> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let deep = root.join("models/deep.toml");
    let mut models: Vec<Model> = Model::built_in()
        .into_iter()
        .map(|name| Model::load(name).unwrap())
        .collect();
    models.push(Model::load(deep.to_str().unwrap()).unwrap());
    models.push(Model::from_toml(ODD, "odd").unwrap());
    models
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn exported_models_compute_the_same() {
    let gpu = common::gpu();
    let folder = tempfile::tempdir().unwrap();
    let mut noise = Noise(1);
    let models = models();
    assert!(models.len() >= 6);
    for model in models {
        let name = model.name.clone();
        let file = trained(model, &mut noise);
        let x = samples(&file, &mut noise);
        let mut predictor = Predictor::new(&gpu, &file, 8, &Choices::default()).unwrap();
        let want = predictor.probabilities(&x).unwrap();
        assert_eq!(want.len(), SAMPLES * CLASSES);
        // Rows must differ in some class, or a graph that ignores its input would pass.
        let spread = |class: usize| {
            let column = want.iter().skip(class).step_by(CLASSES);
            let (low, high) = column.fold((1f32, 0f32), |(a, b), &v| (a.min(v), b.max(v)));
            high - low
        };
        let most = (0..CLASSES).map(spread).fold(0.0, f32::max);
        assert!(
            most > 1e-3,
            "{name}: probabilities differ by {most} at most"
        );

        let bytes = onnx::to_bytes(&file).unwrap();
        std::fs::write(folder.path().join(format!("{name}.onnx")), &bytes).unwrap();
        std::fs::write(folder.path().join(format!("{name}.x")), bytes_of(&x)).unwrap();
        std::fs::write(folder.path().join(format!("{name}.p")), bytes_of(&want)).unwrap();
        let decoded = ModelProto::decode(&bytes[..]).unwrap();
        assert_eq!(decoded, onnx::model(&file).unwrap());
        let few = 2;
        let input = Array {
            dims: vec![few, ROWS, FRAMES],
            data: x[..few * ROWS * FRAMES].iter().map(|&v| v.into()).collect(),
        };
        let got = interpreter::run(decoded.graph.as_ref().unwrap(), input);
        assert_eq!(got.dims, [few, CLASSES]);
        let pairs = got.data.iter().zip(&want);
        let difference = pairs
            .map(|(a, &b)| (a - f64::from(b)).abs())
            .fold(0.0, f64::max);
        println!("{name}: {} bytes, differs by {difference:.1e}", bytes.len());
        assert!(difference < 1e-5, "{name}: {difference:e}");
    }
    let about = "exported models in ONNX Runtime";
    python("onnx_runtime.py", folder.path(), &[], about);
}

/// What a script under `tests/scripts` says of `folder`, in an environment with the packages that it needs; a line to the terminal when
/// they can't be had here, and nothing comes back.
fn python(script: &str, folder: &Path, more: &[&str], about: &str) -> Option<String> {
    // Both tests have one environment, and the first makes it.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx-venv");
    let output = Command::new("python3")
        .arg(scripts.join(script))
        .args([&environment, folder])
        .args(more)
        .output();
    let why = match output {
        Err(e) => format!("python3: {e}"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            print!("{text}");
            match output.status.code() {
                Some(0) => return Some(text),
                Some(77) => text,
                _ => panic!("{text}"),
            }
        }
    };
    // Straight to stderr, for the harness hides what a passing test prints.
    let note = format!(
        "\n!!! {about}: NOT checked, for the packages are not here: {}\n\n",
        why.trim()
    );
    std::io::stderr().write_all(note.as_bytes()).unwrap();
    None
}

#[test]
fn what_the_file_says_of_itself() {
    let file = trained(Model::load("small").unwrap(), &mut Noise(3));
    let model = onnx::model(&file).unwrap();
    assert_eq!(model.opset_import[0].version, Some(17));
    let metadata = |key: &str| {
        let mut entries = model.metadata_props.iter();
        let entry = entries.find(|e| e.key.as_deref() == Some(key)).unwrap();
        entry.value.clone().unwrap()
    };
    let labels: Vec<String> = serde_json::from_str(&metadata("labels")).unwrap();
    assert_eq!(labels, file.labels);
    let again = Model::from_toml(&metadata("architecture"), "metadata").unwrap();
    assert_eq!(again, file.model);
    let graph = model.graph.as_ref().unwrap();
    for (value, sizes) in [
        (&graph.input, vec![ROWS, FRAMES]),
        (&graph.output, vec![CLASSES]),
    ] {
        let tensor = value[0]
            .r#type
            .as_ref()
            .unwrap()
            .tensor_type
            .as_ref()
            .unwrap();
        let dims = &tensor.shape.as_ref().unwrap().dim;
        assert_eq!(dims[0].dim_param.as_deref(), Some("batch"));
        let fixed: Vec<usize> = dims[1..]
            .iter()
            .map(|d| d.dim_value.unwrap() as usize)
            .collect();
        assert_eq!(fixed, sizes);
    }
    // Every weight is there under its own name, to the bit, and nothing else but the normalisation.
    for (name, _, data) in &file.weights {
        let mut constants = graph.initializer.iter();
        let found = constants.find(|t| t.name.as_deref() == Some(name)).unwrap();
        assert_eq!(found.raw_data, Some(bytes_of(data)), "{name}");
    }
    assert_eq!(graph.initializer.len(), file.weights.len() + 3);
}

#[test]
fn the_command_writes_it_and_says_what_it_cannot() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).display().to_string();
    let file = trained(Model::load("small").unwrap(), &mut Noise(5));
    std::fs::create_dir(at("run")).unwrap();
    file.save(Path::new(&at("run/model.safetensors"))).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"))
            .args(args)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    for model in ["run", "run/model.safetensors"] {
        let (status, text) = run(&["export", &at(model), "--onnx", &at("m.onnx")]);
        assert_eq!(status, Some(0), "{text}");
        assert!(
            text.contains("m.onnx") && text.contains("batch x 45 x 38"),
            "{text}"
        );
        assert_eq!(
            std::fs::read(at("m.onnx")).unwrap(),
            onnx::to_bytes(&file).unwrap()
        );
    }
    // A layer that this program does not know: in the metadata, in place of another.
    let text = |bytes: &[u8], old: &str, new: &str| {
        let at = bytes.windows(old.len()).position(|w| w == old.as_bytes());
        let at = at.unwrap_or_else(|| panic!("{old} is in the file"));
        [&bytes[..at], new.as_bytes(), &bytes[at + old.len()..]].concat()
    };
    let model = std::fs::read(at("run/model.safetensors")).unwrap();
    let strange = text(
        &text(&model, "conv2d", "conv9d"),
        "\"checksum\"",
        "\"checkedy\"",
    );
    std::fs::write(at("strange"), strange).unwrap();
    std::fs::write(at("own.toml"), include_str!("../../models/demo.toml")).unwrap();
    let bad: [(&[&str], i32, &str); 7] = [
        (
            &["export", &at("strange"), "--onnx", &at("x.onnx")],
            1,
            "unknown variant `conv9d`",
        ),
        (
            &["export", &at("run"), "--onnx", &at("run/model.safetensors")],
            1,
            "it is read here",
        ),
        (
            &["plan", "--model", &at("own.toml"), "--svg", &at("own.toml")],
            1,
            "it is read here",
        ),
        (
            &["export", &at("run"), "--onnx", &at("no/where/m.onnx")],
            1,
            "no/where",
        ),
        (
            &["export", &at("run"), "--onnx", &at("run")],
            1,
            "it is a folder",
        ),
        (
            &["export", &at("nothing"), "--onnx", &at("x.onnx")],
            1,
            "nothing",
        ),
        (&["export", &at("run")], 2, "--onnx"),
    ];
    for (args, status, part) in bad {
        let (got, text) = run(args);
        assert_eq!(got, Some(status), "{text}");
        assert!(text.contains(part) && !text.contains("panicked"), "{text}");
    }
    assert!(!Path::new(&at("x.onnx")).exists());
    assert!(std::fs::read(at("run/model.safetensors")).unwrap() == model);
}

/// A layer whose weights are missing or have other sizes is named.
#[test]
fn weights_that_do_not_fit_are_named() {
    let file = trained(Model::load("small").unwrap(), &mut Noise(9));
    let name = file.weights[0].0.clone();
    let mut missing = file.clone();
    missing.weights.remove(0);
    let error = onnx::model(&missing).unwrap_err().to_string();
    assert!(
        error.contains(&name) && error.contains("damaged"),
        "{error}"
    );
    let mut short = file.clone();
    short.normaliser.mean.pop();
    let error = onnx::model(&short).unwrap_err().to_string();
    assert!(error.contains("normalise.mean"), "{error}");
    let mut narrow = file;
    narrow.features.rows = 1;
    narrow.normaliser.mean.truncate(1);
    narrow.normaliser.std.truncate(1);
    let error = onnx::model(&narrow).unwrap_err().to_string();
    assert!(error.contains("does not fit"), "{error}");
}
