//! gtzan-gpu: a GPU training engine from scratch.

pub mod error;
pub mod ops;
pub mod tape;
pub mod tensor;

pub use error::{Error, ErrorKind, Result};
