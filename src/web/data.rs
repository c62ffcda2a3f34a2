//! What a page knows. `web/types.d.ts` says the same to the page's scripts.

use super::blob::Piece;
use crate::report::MemoryTimeline;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that the page knows, apart from the bytes of the blob.
#[derive(Debug, Serialize)]
pub struct Page {
    /// Version of the program that wrote it.
    pub version: &'static str,
    /// Name of the model.
    pub model: String,
    /// Trainable parameters.
    pub parameters: usize,
    /// Class names, in the order of the outputs.
    pub labels: Vec<String>,
    /// Files that kernels are made of.
    pub files: Vec<File>,
    /// Every kernel.
    pub kernels: Vec<KernelData>,
    /// Evaluation at the size of real features; none when the page has no trained weights.
    pub classify: Option<Classify>,
    /// Why there is none.
    pub no_classify: Option<String>,
    /// Training on the small set.
    pub train: Train,
    /// Gradient checks.
    pub checks: Vec<Check>,
    /// Rival kernels for the problems of the training step.
    pub ladders: Vec<LadderData>,
}

/// A WGSL file.
#[derive(Debug, Serialize)]
pub struct File {
    /// Path under `shaders/`, without the ending.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// A kernel with its constants.
#[derive(Debug, Serialize)]
pub struct KernelData {
    /// Path of its own file, without the ending.
    pub name: &'static str,
    /// Indices into [`Page::files`]: joined by line ends, in this order, they are the source. The entry point is `main`.
    pub files: Vec<usize>,
    /// Values of `override` constants.
    pub constants: BTreeMap<&'static str, f64>,
    /// Bindings 0, 1, ….
    pub bindings: Vec<Kind>,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// What a browser wants enabled, beyond what the source enables itself.
    pub enable: Vec<&'static str>,
    /// Features that the device must have.
    pub needs: Vec<&'static str>,
}

/// What a binding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that is written, and maybe read.
    Write,
    /// A uniform buffer.
    Uniform,
}

/// The same programs with different kernels.
#[derive(Debug, Serialize)]
pub struct Recordings {
    /// What GPUs run by default.
    pub gpu: Recording,
    /// The first rung of every ladder, for drivers that run kernels on the CPU: they compile these in seconds, and barriers, which
    /// faster rungs rest on, cost them dearly.
    pub naive: Recording,
}

/// Programs over one set of buffers.
#[derive(Debug, Serialize)]
pub struct Recording {
    /// The buffers, by index.
    pub buffers: Vec<BufferData>,
    /// The programs.
    pub programs: Vec<ProgramData>,
}

/// A buffer to create.
#[derive(Debug, Serialize)]
pub struct BufferData {
    /// Unique name.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// `lasting`, `scratch`, `params` or `staging`.
    pub purpose: &'static str,
}

/// A program: what one step dispatches.
#[derive(Debug, Serialize)]
pub struct ProgramData {
    /// e.g. `training`.
    pub name: String,
    /// Index of the buffer with the kernels' params, and what it holds.
    pub uniforms: usize,
    /// Its content.
    pub params: Piece,
    /// In the order of a step.
    pub dispatches: Vec<DispatchData>,
    /// The tensors that they are bound to.
    pub tensors: Vec<TensorData>,
    /// Arenas over the dispatches, to draw; none where nobody looks at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryTimeline>,
}

/// A tensor as kernels see it.
#[derive(Debug, PartialEq, Serialize)]
pub struct TensorData {
    /// Its name.
    pub name: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// `f32`, `u32` or `u8`.
    pub dtype: &'static str,
    /// Scratch of a kernel rather than a tensor of the model.
    pub scratch: bool,
}

/// One launch.
#[derive(Debug, Serialize)]
pub struct DispatchData {
    /// Index into [`Page::kernels`].
    pub kernel: usize,
    /// The node, e.g. `conv1/conv2d`.
    pub label: String,
    /// Workgroups.
    pub grid: [u32; 3],
    /// What is bound: storage buffers, then params, then windows.
    pub bindings: Vec<BindingData>,
    /// Ladder, rung and problem, for a kernel with rivals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<ChoiceData>,
}

/// A range of a buffer.
#[derive(Debug, Serialize)]
pub struct BindingData {
    /// Index of the buffer.
    pub buffer: usize,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// Index of the tensor; none for params.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor: Option<usize>,
}

/// A rung for a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChoiceData {
    /// e.g. `conv2d.forward`.
    pub ladder: &'static str,
    /// e.g. `naive`.
    pub rung: &'static str,
    /// e.g. `n=8 c=64 …`.
    pub problem: String,
}

/// The evaluation program with trained weights.
#[derive(Debug, Serialize)]
pub struct Classify {
    /// One program.
    pub recordings: Recordings,
    /// Samples of one run.
    pub batch: usize,
    /// Feature rows.
    pub rows: usize,
    /// Frames.
    pub frames: usize,
    /// Seconds of one segment.
    pub seconds: f64,
    /// One mean per row.
    pub mean: Vec<f32>,
    /// One standard deviation per row.
    pub std: Vec<f32>,
    /// Content of the buffers `parameters` and `state`; the latter may be missing.
    pub weights: BTreeMap<&'static str, Piece>,
}

/// Training and evaluation programs, a small set, and fresh weights.
#[derive(Debug, Serialize)]
pub struct Train {
    /// `training`, then `evaluation`.
    pub recordings: Recordings,
    /// Samples of a step.
    pub batch: usize,
    /// Feature rows.
    pub rows: usize,
    /// Frames.
    pub frames: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// Adam's decay of the first moments.
    pub beta1: f32,
    /// The same of the second moments.
    pub beta2: f32,
    /// Seed of weights, orders and masks.
    pub seed: u32,
    /// Parameters and states: where they lie and how they start.
    pub weights: Vec<Fresh>,
    /// Class names of the set.
    pub labels: Vec<String>,
    /// A byte per value, (samples, rows, frames): what it is more than the one before in its row, modulo 256; the value is `offset + scale *
    /// byte` with the row's offset and scale.
    pub x: Piece,
    /// One offset per row.
    pub offset: Vec<f64>,
    /// One scale per row.
    pub scale: Vec<f64>,
    /// One class per sample.
    pub y: Vec<u32>,
    /// Samples that train.
    pub train: Vec<u32>,
    /// Samples that validate.
    pub validation: Vec<u32>,
    /// Positions in `train`, one byte each, epoch after epoch.
    pub orders: Piece,
    /// Epochs in `orders`.
    pub epochs: usize,
}

/// A parameter or state tensor of a fresh model.
#[derive(Debug, Serialize)]
pub struct Fresh {
    /// Its name.
    pub name: String,
    /// `parameters` or `state`.
    pub buffer: &'static str,
    /// First byte in it.
    pub offset: u64,
    /// Number of elements.
    pub elements: usize,
    /// How it starts.
    pub start: Start,
}

/// How a tensor starts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// All one value.
    Constant(f32),
    /// Uniform within plus and minus `limit`, drawn by ChaCha8 with this key (32 bytes in hexadecimal).
    Uniform {
        /// The limit.
        limit: f32,
        /// The generator's key.
        key: String,
    },
}

/// An op on some inputs, and what the f64 reference makes of them.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The op.
    pub op: &'static str,
    /// The case.
    pub case: &'static str,
    /// `ladder:rung` that was forced, or `default`.
    pub rung: String,
    /// One program.
    pub recording: Recording,
    /// The step state.
    pub step: Piece,
    /// What is written before.
    pub inputs: Vec<Filled>,
    /// What is compared afterwards.
    pub outputs: Vec<Expected>,
}

/// Bytes for a place.
#[derive(Debug, Serialize)]
pub struct Filled {
    /// The place.
    pub at: BindingData,
    /// What is written there.
    pub data: Piece,
}

/// Values that a tensor should have.
#[derive(Debug, Serialize)]
pub struct Expected {
    /// `y`, `y1`, … for outputs, `d0`, `d1`, … for gradients of inputs.
    pub name: String,
    /// The place.
    pub at: BindingData,
    /// `f32`, `u32` or `u8`.
    pub dtype: &'static str,
    /// The reference's values, computed in f64 and stored as f32.
    pub values: Piece,
    /// Greatest difference allowed, relative to the greatest value.
    pub tolerance: f64,
}

/// A problem with the rungs that can solve it.
#[derive(Debug, Serialize)]
pub struct LadderData {
    /// e.g. `conv2d.forward`.
    pub ladder: &'static str,
    /// The problem.
    pub problem: String,
    /// Operations of the plain algorithm.
    pub flops: u64,
    /// Bytes of the least traffic.
    pub bytes: u64,
    /// The rungs, in the ladder's order.
    pub rungs: Vec<RungData>,
}

/// A rung for the problem.
#[derive(Debug, Serialize)]
pub struct RungData {
    /// Its name.
    pub rung: &'static str,
    /// Whether a GPU runs it when nothing else is asked for.
    pub default: bool,
    /// One program: the op forward and backward.
    pub recording: Recording,
    /// The dispatches of the rung: from, to.
    pub range: [usize; 2],
}
