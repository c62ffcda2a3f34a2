//! gtzan-gpu: a GPU training engine from scratch.

pub mod error;

pub use error::{Error, ErrorKind, Result};
