//! Standardisation per feature row.

use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::error::{Error, Result};

/// Mean and standard deviation of each feature row, over samples and frames.
///
/// A mel row is in dB, a chroma row in 0..1: without this the loudest rows would drown the
/// others. It is fitted on the training samples only and stored with the model, so nothing of
/// the validation data leaks into training, and `predict` needs nothing but the model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normaliser {
    /// One mean per row.
    pub mean: Vec<f32>,
    /// One standard deviation per row (divided by n, as scikit-learn's `StandardScaler` does);
    /// 1 for a row that is constant.
    pub std: Vec<f32>,
}

impl Normaliser {
    /// Fits on the given samples of `dataset`: two passes in f64, so that a large mean does not
    /// cancel a small variance.
    ///
    /// # Errors
    /// If `samples` is empty.
    pub fn fit(dataset: &Dataset, samples: &[usize]) -> Result<Self> {
        if samples.is_empty() {
            return Err(Error::data(
                "there is no training sample to fit the normalisation on",
            ));
        }
        let mean = row_means(dataset, samples, |_, v| v);
        let variance = row_means(dataset, samples, |row, v| (v - mean[row]).powi(2));
        let std = mean.iter().zip(&variance).map(|(m, v)| {
            // What is left of a constant row is rounding, and must not be blown up to noise.
            let noise = 1e-6 * m.abs().max(1e-6);
            if v.sqrt() > noise {
                v.sqrt() as f32
            } else {
                1.0
            }
        });
        Ok(Self {
            std: std.collect(),
            mean: mean.iter().map(|&m| m as f32).collect(),
        })
    }

    /// `x <- (x - mean) / std` in place, for one or more samples of (rows, frames).
    ///
    /// # Errors
    /// If `x` does not hold whole samples of as many rows as were fitted.
    pub fn apply(&self, x: &mut [f32], frames: usize) -> Result<()> {
        let rows = self.mean.len();
        if frames == 0
            || rows == 0
            || self.std.len() != rows
            || !x.len().is_multiple_of(rows * frames)
        {
            return Err(Error::data(format!(
                "normalisation was fitted on {rows} rows, but {} values in rows of {frames} frames were given",
                x.len()
            )));
        }
        for (i, values) in x.chunks_exact_mut(frames).enumerate() {
            let (mean, std) = (self.mean[i % rows], self.std[i % rows]);
            for v in values {
                *v = (*v - mean) / std;
            }
        }
        Ok(())
    }
}

/// The mean over samples and frames of `value(row, v)`, for each row.
fn row_means(dataset: &Dataset, samples: &[usize], value: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; dataset.rows];
    for &i in samples {
        let rows = dataset.sample(i).chunks_exact(dataset.frames);
        for (row, (sum, values)) in sums.iter_mut().zip(rows).enumerate() {
            *sum += values.iter().map(|&v| value(row, v.into())).sum::<f64>();
        }
    }
    let n = (samples.len() * dataset.frames) as f64;
    sums.iter().map(|sum| sum / n).collect()
}
