//! What a bench found, with where and when: to be kept in a file and drawn again without the device.

use super::{Peaks, Row};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Rows with all that a reader needs to judge them; `gtzan-gpu bench --json` prints this and `--from` reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The device's name.
    pub adapter: String,
    /// Its driver, with version.
    pub driver: String,
    /// The day of the measurement (UTC), `2026-01-31`; empty where the file does not say.
    #[serde(default)]
    pub date: String,
    /// What to type to measure the same; empty where the file does not say.
    #[serde(default)]
    pub command: String,
    /// [`Peaks::gflops`].
    pub peak_gflops: f64,
    /// [`Peaks::copy_gbs`].
    pub copy_gbs: f64,
    /// One for each rung on each problem, problem by problem.
    pub results: Vec<Row>,
}

impl Measured {
    /// From a file that holds what `gtzan-gpu bench --json` printed.
    ///
    /// # Errors
    /// When the file can't be read or holds anything else.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::file(path, format!("can't be read: {e}")))?;
        serde_json::from_str(&text).map_err(|e| {
            let why = format!("is not what `gtzan-gpu bench --json` prints: {e}");
            Error::file(path, why)
        })
    }

    /// What the device does at best.
    pub fn peaks(&self) -> Peaks {
        Peaks {
            gflops: self.peak_gflops,
            copy_gbs: self.copy_gbs,
        }
    }
}
