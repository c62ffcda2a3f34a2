//! gtzan-gpu: a GPU training engine from scratch.
//!
//! Hand-written WGSL kernels run through wgpu on any Vulkan, Metal or DX12 GPU; a small autograd [`tape`] drives them; all
//! memory is planned before the first allocation. Its main job is classifying music by genre (`gtzan-gpu train`), but the
//! engine trains any network that its [`ops`] can express:
//!
//! ```
//! use gtzan_gpu::gpu::{Gpu, Session, StepInputs};
//! use gtzan_gpu::ops::{Adam, Choices, Dense, SoftmaxCrossEntropy, Step};
//! use gtzan_gpu::plan::{MemoryPlan, Placement, schedule};
//! use gtzan_gpu::tape::{Flat, Init, Tape, initial_values};
//! use gtzan_gpu::tensor::Spec;
//!
//! # fn main() -> gtzan_gpu::Result<()> {
//! // Record: a linear classifier, its loss, its gradients, its optimizer. Nothing is computed yet.
//! let mut tape = Tape::new();
//! let x = tape.input("x", Spec::f32([4, 2]));
//! let labels = tape.input("labels", Spec::u32([4]));
//! let class_weights = tape.input("class weights", Spec::f32([2]));
//! let w = tape.parameter("w", [2, 2], Init::GlorotUniform { fan_in: 2, fan_out: 2 });
//! let b = tape.parameter("b", [2], Init::Constant(0.0));
//! let logits = tape.apply(Dense { relu: false }, &[&x, &w, &b])?;
//! let loss = tape.apply(SoftmaxCrossEntropy::default(), &[&logits, &labels, &class_weights])?;
//! tape.keep(&loss);
//! tape.backward(&loss)?;
//! tape.begin_update();
//! let flat = [Flat::Parameters, Flat::Gradients, Flat::Moment1, Flat::Moment2].map(|which| tape.flat(which));
//! tape.apply_all(std::sync::Arc::new(Adam::default()), &flat.iter().collect::<Vec<_>>())?;
//!
//! // Plan: every byte is known before the first allocation.
//! let gpu = Gpu::open(&Default::default())?;
//! let steps = schedule(&tape, gpu.capabilities(), &Choices::default())?;
//! let plan = MemoryPlan::new(&[("train", &steps)], gpu.capabilities(), Placement::default(), 1)?;
//!
//! // Replay.
//! let mut session = Session::new(&gpu, plan, &[&steps])?;
//! for (tensor, values) in initial_values(&tape, 42) {
//!     let place = session.place(0, &steps, &tape.handle(tensor))?;
//!     session.write(place, bytemuck::cast_slice(&values))?;
//! }
//! session.write_buffer("input x", bytemuck::cast_slice(&[0f32, 1., 1., 0., 0., 2., 2., 0.]))?;
//! session.write_buffer("input labels", bytemuck::cast_slice(&[0u32, 1, 0, 1]))?;
//! session.write_buffer("input class weights", bytemuck::cast_slice(&[1f32, 1.]))?;
//! let mut losses = Vec::new();
//! for t in 1..=50 {
//!     let step = Step { step: t, alpha: 0.05, ..Step::full(4) };
//!     session.run(0, &[StepInputs { step, data: vec![] }])?;
//!     let place = session.place(0, &steps, &loss)?;
//!     losses.push(f32::from_le_bytes(session.read(place)?[..4].try_into().expect("4 bytes")));
//! }
//! assert!(losses[49] < 0.3 * losses[0]);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order for kernel students: an op such as [`ops::conv2d`], its WGSL under `shaders/`, then [`ops::Op`],
//! [`tape`], [`plan`], `gpu`, and [`gradcheck`], which proves them all.

pub mod audio;
pub mod bench;
pub mod cli;
pub mod dataset;
pub mod error;
pub mod exercise;
pub mod features;
pub mod fsutil;
pub mod gpu;
pub mod gradcheck;
pub mod inspect;
pub mod kernels;
mod lfs;
pub mod nn;
pub mod onnx;
pub mod ops;
pub mod plan;
mod protobuf;
pub mod reference;
pub mod report;
pub mod sync_check;
pub mod synth;
pub mod tape;
pub mod tensor;
pub mod tensorboard;
pub mod text;
pub mod train;
pub mod web;

pub use error::{Error, ErrorKind, Result};
