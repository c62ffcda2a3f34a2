//! What happens when a loss or a weight is no finite number any more: the run ends, and the first bad step is named.
//!
//! Losses are summed on the device and read back about once a second and after each epoch, so that a good run pays
//! nothing for this. A sum that is not finite stays so. To name the step, the epoch is repeated from its checkpoint,
//! which gives the same bits, with the sum read after every step. (WGSL lets a ReLU make 0 of a NaN; what that hides of a bad weight
//! is found in the weights themselves, at the end of the epoch.)

use super::callbacks::Keep;
use super::checkpoint::{Checkpoint, all_finite};
use super::trainer::{CHECKPOINT, Trainer};
use crate::error::{Error, ErrorKind, Result};
use std::ops::ControlFlow;
use std::path::Path;

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::file(path, format!("can't be read: {e}")))
}

impl Trainer<'_, '_> {
    /// The error that ends a run whose numbers are not finite. The trainer has the weights of the last checkpoint, and
    /// `model.safetensors` holds the best or, where those are not what is kept, the last ones of a whole epoch.
    pub(super) fn diverged(&mut self) -> Error {
        let said = self.back_to_checkpoint().and_then(|checkpoint| {
            let what = self.first_bad_step(&checkpoint)?;
            Ok(format!("{what}; {}", self.keep_last_good(checkpoint)?))
        });
        let said = match said {
            Ok(text) => text,
            Err(e) => format!(
                "a loss or a weight is not a finite number, and looking for the step failed ({e})"
            ),
        };
        let lr = self.settings.learning_rate;
        Error::new(
            ErrorKind::NonFinite,
            format!(
                "{said}; start again with a --learning-rate below {lr:e} or with --clip-norm 1; if that does not help, `gtzan-gpu gradcheck --sync-check MODEL` names the first op that goes wrong"
            ),
        )
    }

    fn back_to_checkpoint(&mut self) -> Result<Checkpoint> {
        let path = self.run.join(CHECKPOINT);
        let checkpoint = match self.engine.ranks() {
            None => Checkpoint::load(&path)?,
            Some(ranks) => {
                let bytes = ranks.of_first(|| read(&path))?;
                Checkpoint::from_bytes(&path, &bytes)?
            }
        };
        self.engine.set_weights(&checkpoint.weights)?;
        self.engine.set_moments(&checkpoint.moments)?;
        self.engine.set_average(&checkpoint.average)?;
        self.engine.set_totals(&checkpoint.totals)?;
        self.progress = checkpoint.progress.clone();
        self.best = checkpoint.best.clone();
        Ok(checkpoint)
    }

    fn first_bad_step(&mut self, checkpoint: &Checkpoint) -> Result<String> {
        let p = &checkpoint.progress;
        let epoch = p.epoch + 1;
        let order = self.order(epoch);
        let steps = self.engine.steps(order.len());
        let rates = self.rates();
        let mut bad = None;
        self.engine.train(
            &order,
            p.step_in_epoch,
            p.optimizer_step,
            |step| rates.at(step, p.learning_rate),
            |engine, done| {
                if all_finite(&engine.totals()?) {
                    return Ok(ControlFlow::Continue(()));
                }
                // Several ranks do one more step.
                bad.get_or_insert(done);
                Ok(ControlFlow::Break(()))
            },
        )?;
        if let Some(step) = bad {
            return Ok(format!(
                "the loss of step {step} of {steps} in epoch {epoch} is not a finite number"
            ));
        }
        let weights = self.engine.weights()?;
        Ok(
            match weights.iter().find(|(_, _, data)| !all_finite(data)) {
                Some((name, ..)) => format!(
                    "{name} has values that are not finite after step {steps} of {steps} in epoch {epoch}"
                ),
                None => format!(
                    "the validation loss or Adam's moments are not finite after step {steps} of {steps} in epoch {epoch}"
                ),
            },
        )
    }

    fn keep_last_good(&mut self, checkpoint: Checkpoint) -> Result<String> {
        self.engine.set_weights(&checkpoint.weights)?;
        let (epoch, callbacks) = (checkpoint.progress.epoch, checkpoint.progress.callbacks);
        let which = match (epoch, callbacks.early_stopping.best_epoch) {
            (0, _) => {
                return Ok("no epoch was finished, so there is no model to keep".to_owned());
            }
            // Without validation none is the best.
            (_, best) if self.settings.keep == Keep::Best && best > 0 => {
                format!("{best}, the best one,")
            }
            _ => format!("{epoch}"),
        };
        Ok(format!(
            "the weights of epoch {which} are kept in {}",
            self.run.join("model.safetensors").display()
        ))
    }
}
