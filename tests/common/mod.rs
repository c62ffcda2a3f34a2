//! What several tests need: the device, the tiny model of the stored training run, a small labelled set.
#![allow(dead_code)]

use gtzan_gpu::gpu::{AdapterChoice, Gpu};
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::Choices;
use gtzan_gpu::train::{Engine, Feed, GraphSettings, Samples, compile};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Let the program keep features and the tuner's choices in this folder, and hear nothing of what surrounds the tests. Compiled shaders
/// are the machine's: a driver that looks for them in an empty folder compiles them again.
pub fn keep_in<'c>(command: &'c mut Command, cache: &Path) -> &'c mut Command {
    let variable = |name: &str| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let home = || {
        Some(
            PathBuf::from(variable("HOME")?)
                .join(".cache")
                .into_os_string(),
        )
    };
    let shaders = variable("MESA_SHADER_CACHE_DIR").or_else(|| variable("XDG_CACHE_HOME"));
    if let Some(shaders) = shaders.or_else(home) {
        command.env("MESA_SHADER_CACHE_DIR", shaders);
    }
    // Where each system's caches are (src/cli/mod.rs).
    command
        .env("XDG_CACHE_HOME", cache)
        .env("LOCALAPPDATA", cache);
    if cfg!(target_os = "macos") {
        command.env("HOME", cache);
    }
    for name in ["GTZAN_GPU_SHADERS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"] {
        command.env_remove(name);
    }
    command
}

pub fn gpu() -> Gpu {
    Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter")
}

/// The network of the stored run: the seed's layers with 4, 8 and 16 filters, dense 16, L2 on all kernels but the last.
pub fn tiny_model(dropout: f32) -> Model {
    let block = |filters: usize| {
        format!(
            "[[layer]]\ntype='conv2d'\nfilters={filters}\nkernel=3\nactivation='relu'\nl2=1e-3\n\
             [[layer]]\ntype='max_pool2d'\nwindow=2\n[[layer]]\ntype='batch_norm'\n[[layer]]\ntype='dropout'\nrate={dropout}\n"
        )
    };
    let head = format!(
        "[[layer]]\ntype='global_avg_pool'\n[[layer]]\ntype='dense'\nunits=16\nactivation='relu'\nl2=1e-3\n\
         [[layer]]\ntype='batch_norm'\n[[layer]]\ntype='dropout'\nrate={dropout}\n[[layer]]\ntype='dense'\nunits='classes'\n"
    );
    let text = format!("name='tiny'\n{}{}{}{head}", block(4), block(8), block(16));
    Model::from_toml(&text, "tiny")
        .expect("a valid model")
        .with_keras_statistics()
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/tiny")
        .join(name)
}

/// A tensor of a stored file as f32 (integers converted).
pub fn tensor(file: &str, name: &str) -> Vec<f32> {
    let bytes = std::fs::read(fixture(file)).expect("the fixture exists");
    let all = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let view = all.tensor(name).expect("the tensor is there");
    match view.dtype() {
        Dtype::F32 => bytemuck::pod_collect_to_vec(view.data()),
        Dtype::I32 => {
            let v: Vec<i32> = bytemuck::pod_collect_to_vec(view.data());
            v.into_iter().map(|v| v as f32).collect()
        }
        other => panic!("{name} is {other:?}"),
    }
}

pub fn tiny_settings(micro_batch: usize, micro_batches: usize, feed: Feed) -> GraphSettings {
    GraphSettings {
        rows: 19,
        frames: 14,
        classes: 10,
        micro_batch,
        micro_batches,
        feed,
        label_smoothing: 0.0,
        weight_decay: 0.0,
        clip_norm: None,
        time_shift: 0,
        augment: Default::default(),
        average: None,
    }
}

/// The stored batch.
pub fn tiny_samples() -> Samples {
    Samples {
        x: tensor("batch.safetensors", "x"),
        labels: tensor("batch.safetensors", "y")
            .into_iter()
            .map(|v| v as u32)
            .collect(),
        // Three of one track, and one alone.
        neighbours: vec![[0, 1], [0, 2], [1, 2], [3, 3]],
    }
}

/// An engine over the stored batch with the stored initial weights.
pub fn tiny_engine<'g>(
    gpu: &'g Gpu,
    g: &GraphSettings,
    model: &Model,
    choices: &Choices,
) -> Engine<'g> {
    let samples = tiny_samples();
    let n = samples.len();
    let (programs, plan) =
        compile(model, g, Some(n), n, gpu.capabilities(), choices).expect("the model compiles");
    let mut engine = Engine::new(gpu, programs, plan, g, samples.into(), n, 42).expect("an engine");
    engine.initialise(42).expect("weights");
    let weights = gtzan_gpu::train::read_weights(&fixture("weights_init.safetensors"))
        .expect("stored weights");
    engine
        .set_weights(&weights)
        .expect("the stored weights fit");
    engine
        .set_class_weights(&tensor("batch.safetensors", "class_weight"))
        .expect("class weights");
    engine
}

/// Loss of each of `steps` steps over the whole set.
pub fn losses(engine: &mut Engine, n: u32, steps: u64) -> Vec<f64> {
    losses_of(engine, n, 0..steps)
}

/// Loss of each of these steps, counted from 0, over the whole set.
pub fn losses_of(engine: &mut Engine, n: u32, steps: std::ops::Range<u64>) -> Vec<f64> {
    let order: Vec<u32> = (0..n).collect();
    steps
        .map(|t| {
            engine.set_totals(&[0.0; 4]).expect("totals");
            engine
                .train(
                    &order,
                    0,
                    t,
                    |_| 1e-3,
                    |_, _| Ok(std::ops::ControlFlow::Continue(())),
                )
                .expect("a step");
            gtzan_gpu::train::means(&engine.totals().expect("totals")).0
        })
        .collect()
}

/// Writes a small labelled set of arrays: class k has a ridge at row 2k + 1, and noise everywhere.
pub fn write_arrays(path: &Path, per_class: usize, classes: usize) {
    let (rows, frames) = (2 * classes + 5, 14);
    let n = per_class * classes;
    let mut state = 12345u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut x = Vec::new();
    let mut y = Vec::new();
    for i in 0..n {
        let class = i % classes;
        for row in 0..rows {
            for _ in 0..frames {
                x.push(noise() + if row == 2 * class + 1 { 2.0 } else { 0.0 });
            }
        }
        y.push(class as i64);
    }
    let x_view =
        TensorView::new(Dtype::F32, vec![n, rows, frames], bytemuck::cast_slice(&x)).expect("x");
    let y_view = TensorView::new(Dtype::I64, vec![n], bytemuck::cast_slice(&y)).expect("y");
    let bytes = safetensors::serialize([("x", x_view), ("y", y_view)], None).expect("bytes");
    std::fs::write(path, bytes).expect("the file is written");
}
