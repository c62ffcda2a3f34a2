//! What a run tells TensorBoard: event files in a folder of the run's own.
//!
//! ```text
//! FOLDER/train/        every 10 steps: loss, accuracy, learning rate, samples per second
//!                      every epoch: loss, accuracy, seconds, memory, histograms of weights and gradients
//! FOLDER/validation/   every epoch: loss, accuracy, the confusion matrix
//! ```
//!
//! Training and validation are two of TensorBoard's runs, so that its charts show their curves together. Everything is told by
//! the number of optimizer steps done, counted over the whole run. Values are read and never written, so that a run has the same
//! bits with this and without.
//!
//! A run that goes on begins new files, whose first event takes back what was told of steps beyond its checkpoint: no step is
//! there twice.

mod event_file;
mod histogram;
mod picture;
pub mod proto;

pub use histogram::histogram;

use crate::error::{Error, Result};
use crate::report::{ConfusionMatrix, EpochRow};
use crate::train::Weights;
use event_file::{EventFile, latest};
use proto::{Summary, SummaryValue};
use std::path::Path;
use std::time::Instant;

/// Steps from one look at the losses to the next.
const EVERY: u64 = 10;

const TRAIN: &str = "train";
const VALIDATION: &str = "validation";

/// What there is to tell after an epoch.
#[derive(Debug)]
pub struct Epoch<'a> {
    /// Its row in the history.
    pub row: &'a EpochRow,
    /// Weights and running statistics after its last step.
    pub weights: &'a Weights,
    /// Gradients of its last step, before clipping.
    pub gradients: &'a Weights,
    /// Of the validation side, over tracks.
    pub confusion: Option<&'a ConfusionMatrix>,
    /// Bytes that the driver's allocator has handed out for buffers, where it is known.
    pub driver_bytes: Option<u64>,
}

/// The event files of a run.
#[derive(Debug)]
pub struct Board {
    train: EventFile,
    validation: Option<EventFile>,
    interval: Interval,
}

/// What was trained since the last look that was told of.
#[derive(Debug)]
struct Interval {
    /// The device's totals of the epoch at the last look: losses, right ones, samples.
    seen: [f64; 3],
    /// The same, since the last that was told.
    sums: [f64; 3],
    /// Seconds of training in it.
    seconds: f64,
    since: Instant,
}

impl Interval {
    fn look(&mut self, totals: &[f32]) {
        for ((sum, seen), &total) in self.sums.iter_mut().zip(&mut self.seen).zip(totals) {
            *sum += f64::from(total) - *seen;
            *seen = f64::from(total);
        }
        self.seconds += self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
    }
}

impl Board {
    /// Begin event files in `folder`, which is made if need be. `done`: optimizer steps of a run that goes on, `None` for a new
    /// one. `validates`: it has a validation side. Files of which nothing comes are removed again.
    ///
    /// # Errors
    /// When a new run's folder holds another's event files, or the folder can't be made or written to.
    pub fn open(folder: &Path, validates: bool, done: Option<u64>) -> Result<Self> {
        for side in [TRAIN, VALIDATION] {
            if done.is_none() && latest(&folder.join(side))?.is_some() {
                return Err(Error::file(
                    folder,
                    "holds another run's event files, which TensorBoard would show as one with these; give --tensorboard or --run another folder, or remove it",
                ));
            }
        }
        let open = |side| EventFile::create(&folder.join(side), done.unwrap_or(0));
        Ok(Self {
            train: open(TRAIN)?,
            validation: match validates {
                true => Some(open(VALIDATION)?),
                false => None,
            },
            interval: Interval {
                seen: [0.0; 3],
                sums: [0.0; 3],
                seconds: 0.0,
                since: Instant::now(),
            },
        })
    }

    /// Training begins, or begins again, with these totals of the epoch on the device.
    pub fn start(&mut self, totals: &[f32]) {
        for (seen, &total) in self.interval.seen.iter_mut().zip(totals) {
            *seen = f64::from(total);
        }
        self.interval.since = Instant::now();
    }

    /// Whether the totals are wanted after this step, counted from 1.
    pub fn wants(step: u64) -> bool {
        step.is_multiple_of(EVERY)
    }

    /// Tell the means over the steps since the last time, from the epoch's totals after `step`. They are fewer than usual where a
    /// run goes on between two looks.
    ///
    /// # Errors
    /// A full disk, and what else the system reports.
    pub fn steps(&mut self, step: u64, learning_rate: f64, totals: &[f32]) -> Result<()> {
        self.interval.look(totals);
        let [losses, right, samples] = self.interval.sums;
        let values = [
            ("steps/loss", losses / samples),
            ("steps/accuracy", right / samples),
            ("steps/learning_rate", learning_rate),
            (
                "steps/samples_per_second",
                samples / self.interval.seconds.max(1e-9),
            ),
        ];
        self.interval.sums = [0.0; 3];
        self.interval.seconds = 0.0;
        self.train.add(step, numbers(&values))
    }

    /// The epoch's last step is done, after which the device counts from 0 again.
    pub fn pause(&mut self, totals: &[f32]) {
        self.interval.look(totals);
        self.interval.seen = [0.0; 3];
    }

    /// Tell what there is to say after an epoch that ends with `step`.
    ///
    /// # Errors
    /// A full disk, and what else the system reports.
    pub fn epoch(&mut self, step: u64, epoch: &Epoch) -> Result<()> {
        let row = epoch.row;
        let mut values = vec![
            ("epoch/loss", row.loss),
            ("epoch/accuracy", row.accuracy),
            ("epoch/number", f64::from(row.epoch)),
            ("epoch/seconds", row.seconds),
            ("memory/created_bytes", row.vram_bytes as f64),
        ];
        values.extend(
            epoch
                .driver_bytes
                .map(|b| ("memory/driver_bytes", b as f64)),
        );
        let mut summary = numbers(&values);
        for (group, tensors) in [("weights", epoch.weights), ("gradients", epoch.gradients)] {
            for (name, _, data) in tensors {
                if let Some(histo) = histogram(data) {
                    summary.value.push(SummaryValue {
                        tag: Some(format!("{group}/{name}")),
                        histo: Some(histo),
                        ..SummaryValue::default()
                    });
                }
            }
        }
        self.train.add(step, summary)?;
        if let (Some(file), Some(loss), Some(accuracy)) =
            (&mut self.validation, row.val_loss, row.val_accuracy)
        {
            let mut summary = numbers(&[("epoch/loss", loss), ("epoch/accuracy", accuracy)]);
            summary
                .value
                .extend(epoch.confusion.map(|matrix| SummaryValue {
                    tag: Some("confusion".to_owned()),
                    image: Some(picture::confusion(matrix)),
                    ..SummaryValue::default()
                }));
            file.add(step, summary)?;
        }
        Ok(())
    }
}

fn numbers(values: &[(&str, f64)]) -> Summary {
    let value = |&(tag, number): &(&str, f64)| SummaryValue {
        tag: Some(tag.to_owned()),
        simple_value: Some(number as f32),
        ..SummaryValue::default()
    };
    Summary {
        value: values.iter().map(value).collect(),
    }
}
