//! gtzan-gpu: a GPU training engine from scratch.

pub mod error;
pub mod fsutil;

pub use error::{Error, ErrorKind, Result};
