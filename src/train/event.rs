//! What the training loop tells its listener, and how it ends.

use crate::report::EpochRow;

/// What the loop tells while it runs.
#[derive(Debug, Clone)]
pub enum EpochEvent {
    /// Some steps of an epoch are done.
    Steps {
        /// The epoch, from 1.
        epoch: u32,
        /// Steps done.
        done: usize,
        /// Steps in the epoch.
        steps: usize,
        /// Mean loss so far in the epoch, and accuracy; absent between readbacks.
        so_far: Option<(f64, f64)>,
    },
    /// An epoch is done.
    Epoch {
        /// Its row.
        row: EpochRow,
        /// The best validation accuracy so far.
        best: bool,
    },
    /// A callback fired.
    Message(String),
    /// Something that the user asked for can't be had; the training goes on.
    Warning(String),
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// One sentence; also in the checkpoint.
    pub ending: String,
    /// Ctrl-C ended it before it was done.
    pub interrupted: bool,
}
