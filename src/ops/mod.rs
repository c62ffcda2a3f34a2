//! The ops. Each is one file here (or a folder), one folder of WGSL under `shaders/`, and one line in [`registry()`].
//!
//! Read `op.rs` first, the contract, then an op such as `relu.rs`; `ladder.rs` for ops whose kernels have rivals; `registry.rs` stands
//! above them all.

mod adam;
mod add;
mod asked;
pub mod augment;
pub mod batch_norm;
mod capabilities;
mod case;
mod choices;
pub mod conv2d;
pub mod dense;
mod dropout;
mod gather_batch;
mod iterations;
mod kernel;
mod l2_penalty;
mod ladder;
mod lowering;
mod metrics;
mod moving_average;
mod op;
mod pooling;
pub(crate) mod products;

pub mod random;
mod reduce;
mod reference;
mod registry;
mod relu;
mod softmax_cross_entropy;
mod step;
pub mod util;

pub use adam::{Adam, GlobalNormScale};
pub use add::Add;
pub use asked::{AskedRung, Rungs};
pub(crate) use asked::{ladders, no_ladder, rung_of};
pub use augment::{Augment, partner, time_shift};
pub use batch_norm::{BatchNorm, UpdateRunning};
pub use capabilities::{Capabilities, DeviceClass};
pub use case::{Case, Entry, Fill, Input};
pub use choices::{AnyLadder, Choices, Chosen, MadeFor, Posed, Problem, RungView, Work};
pub use conv2d::{Conv2d, Epilogue, Padding};
pub use dense::Dense;
pub use dropout::Dropout;
pub use gather_batch::{GatherBatch, copy_moved};
pub use iterations::{Iterations, STRAIGHT, looped, nested};
pub use kernel::{
    Access, Kernel, Reflection, ShaderFile, TexelAccess, barrier_of_some, built_in_files,
    kernel_texts, substitute,
};
pub use l2_penalty::L2Penalty;
pub use ladder::{Geometry, HALF_ROUNDING, Ladder, Rung, anything};
pub use lowering::{Dispatch, Io, Lowering, Texels, Window, grid_1d};
pub use metrics::{AccumulateMetrics, StoreRows};
pub use moving_average::MovingAverage;
pub use op::{AnyOp, Op, Pass, Reference, Saved};
pub use pooling::average::AvgPool2d;
pub use pooling::global_average::GlobalAvgPool;
pub use pooling::max::MaxPool2d;
pub use reference::{Array, Real};
pub use registry::{register, registry};
pub use relu::Relu;
pub use softmax_cross_entropy::SoftmaxCrossEntropy;
pub use step::Step;
