//! gtzan-gpu: a GPU training engine from scratch.

pub mod audio;
pub mod bench;
pub mod cli;
pub mod dataset;
pub mod error;
pub mod features;
pub mod fsutil;
pub mod gpu;
pub mod gradcheck;
pub mod nn;
pub mod ops;
pub mod plan;
pub mod reference;
pub mod report;
pub mod synth;
pub mod tape;
pub mod tensor;
pub mod train;

pub use error::{Error, ErrorKind, Result};
