//! What watches the epochs: early stopping and a learning rate that falls on a plateau, with Keras' semantics.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Whose weights a run keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the epoch with the best validation accuracy, the first of equals: the score that they validate with is then too
    /// good, since validation chose them.
    #[default]
    Best,
    /// Those of the last epoch.
    Last,
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Best => "best",
            Self::Last => "last",
        })
    }
}

impl FromStr for Keep {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "best" => Ok(Self::Best),
            "last" => Ok(Self::Last),
            _ => Err(()),
        }
    }
}

/// Stops after `patience` epochs without a better validation accuracy (Keras `EarlyStopping`, monitor `val_accuracy`,
/// `restore_best_weights=True`). It also says which epoch was best, so it runs with patience 0 (never stop) too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// Epochs to wait; 0 waits for ever.
    pub patience: u32,
    /// Best accuracy so far.
    pub best: Option<f64>,
    /// Its epoch, from 1.
    pub best_epoch: u32,
    waited: u32,
}

impl EarlyStopping {
    /// A fresh one.
    pub fn new(patience: u32) -> Self {
        Self {
            patience,
            best: None,
            best_epoch: 0,
            waited: 0,
        }
    }

    /// Look at an epoch; returns (this is the best one so far, stop now).
    pub fn epoch(&mut self, epoch: u32, accuracy: f64) -> (bool, bool) {
        if self.best.is_none_or(|best| accuracy > best) {
            self.best = Some(accuracy);
            self.best_epoch = epoch;
            self.waited = 0;
            return (true, false);
        }
        self.waited += 1;
        (false, self.patience > 0 && self.waited >= self.patience)
    }
}

/// Multiplies the learning rate by `factor` after `patience` epochs whose validation loss did not fall by more than
/// `min_delta` (Keras `ReduceLROnPlateau`, monitor `val_loss`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReduceLrOnPlateau {
    /// Epochs to wait; 0 never reduces.
    pub patience: u32,
    /// Factor.
    pub factor: f64,
    /// Lowest learning rate.
    pub min_lr: f64,
    best: Option<f64>,
    waited: u32,
}

impl ReduceLrOnPlateau {
    /// Keras' `min_delta`.
    const MIN_DELTA: f64 = 1e-4;

    /// A fresh one.
    pub fn new(patience: u32, factor: f64, min_lr: f64) -> Self {
        Self {
            patience,
            factor,
            min_lr,
            best: None,
            waited: 0,
        }
    }

    /// Look at an epoch's loss; returns the new learning rate when it falls.
    pub fn epoch(&mut self, loss: f64, lr: f64) -> Option<f64> {
        if self.best.is_none_or(|best| loss < best - Self::MIN_DELTA) {
            self.best = Some(loss);
            self.waited = 0;
            return None;
        }
        self.waited += 1;
        if self.patience == 0 || self.waited < self.patience || lr <= self.min_lr {
            return None;
        }
        self.waited = 0;
        Some((lr * self.factor).max(self.min_lr))
    }
}

/// Both, as a checkpoint keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Callbacks {
    /// Early stopping.
    pub early_stopping: EarlyStopping,
    /// Plateau.
    pub plateau: ReduceLrOnPlateau,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_stopping_waits_as_keras_does() {
        let mut stop = EarlyStopping::new(2);
        let seen: Vec<_> = [0.5, 0.6, 0.6, 0.59]
            .iter()
            .zip(1..)
            .map(|(&a, e)| stop.epoch(e, a))
            .collect();
        assert_eq!(
            seen,
            [(true, false), (true, false), (false, false), (false, true)]
        );
        assert_eq!(stop.best_epoch, 2);
    }

    #[test]
    fn patience_zero_never_stops() {
        let mut stop = EarlyStopping::new(0);
        assert!((1..100).all(|e| !stop.epoch(e, 0.1).1));
    }

    /// Traced with Keras 3: losses 1.0, 0.99995 (no improvement: within min_delta), 1.1 with patience 2 reduce at epoch 3.
    #[test]
    fn plateau_reduces_and_starts_again() {
        let mut plateau = ReduceLrOnPlateau::new(2, 0.2, 1e-6);
        let mut lr = 1e-3;
        let mut rates = Vec::new();
        for loss in [1.0, 0.99995, 1.1, 1.1, 1.1, 0.5] {
            lr = plateau.epoch(loss, lr).unwrap_or(lr);
            rates.push(lr);
        }
        let expected = [1e-3, 1e-3, 2e-4, 2e-4, 4e-5, 4e-5];
        assert!(
            rates
                .iter()
                .zip(expected)
                .all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-12),
            "{rates:?}"
        );
    }

    #[test]
    fn plateau_stops_at_the_minimum() {
        let mut plateau = ReduceLrOnPlateau::new(1, 0.1, 1e-4);
        assert_eq!(plateau.epoch(1.0, 2e-4), None);
        assert_eq!(plateau.epoch(1.0, 2e-4), Some(1e-4));
        assert_eq!(plateau.epoch(1.0, 1e-4), None);
    }
}
