//! gtzan-gpu: a GPU training engine from scratch.
//!
//! Hand-written WGSL kernels run through wgpu on any Vulkan, Metal or DX12 GPU; a small autograd [`tape`] drives them; all
//! memory is planned before the first allocation. Its main job is classifying music by genre (`gtzan-gpu train`), but the
//! engine trains any network that its [`ops`] can express:
//!
//! ```
//! use gtzan_gpu::{Classifier, Gpu, Learning, Model};
//!
//! # fn main() -> gtzan_gpu::Result<()> {
//! // Whether two numbers have the same sign: no linear classifier tells. Eight points, two numbers each.
//! let x = [1f32, 1., -1., -1., 1., -1., -1., 1., 2., 1., -2., -1., 1., -2., -1., 2.];
//! let y = [1, 1, 0, 0, 1, 1, 0, 0];
//! let layers = r#"
//!     name = "signs"
//!     layer = [{ type = "dense", units = 16, activation = "relu" }, { type = "dense", units = "classes" }]
//! "#;
//! let gpu = Gpu::open(&Default::default())?;
//! let model = Model::from_toml(layers, "signs")?;
//! let mut signs = Classifier::new(&gpu, &model, [2], 2, Learning::at(0.02))?;
//! let losses = signs.fit(&x, &y, 100)?;
//! assert!(losses[99] < 0.1 * losses[0]);
//! let p = signs.predict(&[3., 3., -3., 3.])?; // two points: the probabilities of both classes for each
//! assert!(p[1] > 0.9 && p[2] > 0.9);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` has more: two moons, a convolutional network that is saved and loaded, and an op of your own with kernels of your own.
//! [`gpu::Session`] shows the parts that [`Classifier`] is made of, for a loop that is not its.
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
mod tensor_bytes;
pub mod tensorboard;
pub mod text;
pub mod train;
pub mod web;

pub use error::{Error, ErrorKind, Result};
pub use gpu::Gpu;
pub use nn::{Mode, Model};
pub use train::{Classifier, Learning, Network};
