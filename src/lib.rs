//! gtzan-gpu: a GPU training engine from scratch.

pub mod audio;
pub mod dataset;
pub mod error;
pub mod features;
pub mod synth;

pub use error::{Error, ErrorKind, Result};
