//! gtzan-gpu: a GPU training engine from scratch.

pub mod error;
pub mod fsutil;
pub mod report;

pub use error::{Error, ErrorKind, Result};
