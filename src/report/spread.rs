//! What the folds of a cross-validation say together.

use serde::Serialize;

/// Mean and standard deviation of a score over the folds of a cross-validation (n − 1 in the denominator).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation; 0 of a single value.
    pub deviation: f64,
}

impl Spread {
    /// Of the values of all folds.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n.max(1.0);
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Self {
            mean,
            deviation: (squares / (n - 1.0).max(1.0)).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2, 4, 4, 4, 5, 5, 7, 9 have the mean 5 and the squared deviations 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32.
    #[test]
    fn mean_and_deviation_of_a_known_list() {
        let s = Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(s.mean, 5.0);
        assert!((s.deviation - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        let one = Spread::of(&[0.5]);
        assert_eq!((one.mean, one.deviation), (0.5, 0.0));
    }
}
