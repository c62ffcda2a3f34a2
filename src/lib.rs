//! gtzan-gpu: a GPU training engine from scratch.

pub mod audio;
pub mod error;
pub mod features;

pub use error::{Error, ErrorKind, Result};
