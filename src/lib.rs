//! gtzan-gpu: a GPU training engine from scratch.

pub mod audio;
pub mod error;
pub mod gpu;
pub mod gradcheck;
pub mod ops;
pub mod plan;
pub mod reference;
pub mod tape;
pub mod tensor;
pub mod features;
pub mod dataset;
pub mod error;
pub mod features;
pub mod synth;
pub mod fsutil;
pub mod report;

pub use error::{Error, ErrorKind, Result};
