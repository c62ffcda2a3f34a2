//! How a run goes on from its checkpoint, and what it then refuses or says.

use super::checkpoint::Checkpoint;
use super::computed_by::ComputedBy;
use super::engine::Engine;
use super::schedule::Schedule;
use super::settings::Settings;
use super::task::Task;
use super::trainer::{CHECKPOINT, Trainer};
use crate::error::{Error, Result};
use crate::fsutil::remove_leftovers;
use crate::nn::Model;
use std::path::Path;

/// Refuse fewer epochs than a run has come to.
///
/// # Errors
/// With both numbers.
pub fn check_epochs(settings: &Settings, run: &Path, begun: u32) -> Result<()> {
    if begun <= settings.epochs {
        return Ok(());
    }
    Err(Error::usage(format!(
        "--epochs {}: {} has come to epoch {begun} already; give as many or more",
        settings.epochs,
        run.display()
    )))
}

impl<'a, 'g> Trainer<'a, 'g> {
    /// Go on from the checkpoint of the folder `run`.
    ///
    /// # Errors
    /// When the checkpoint does not fit the model, the data is another, fewer epochs are asked for than it has come to, or the device
    /// fails.
    pub fn resume(
        mut engine: Engine<'g>,
        task: &'a Task,
        settings: &'a Settings,
        model: &'a Model,
        run: &Path,
        checkpoint: Checkpoint,
    ) -> Result<Self> {
        let path = run.join(CHECKPOINT);
        if !task.is_of(&checkpoint.progress.task) {
            return Err(Error::file(
                run,
                "the data is not what the run was trained on (other tracks, genres, segments or groups); give it back what it had, or start a new run",
            ));
        }
        let p = &checkpoint.progress;
        let layers = model.fingerprint()?;
        if p.model.as_ref().is_some_and(|begun| *begun != layers) {
            return Err(Error::file(
                run,
                format!(
                    "the model {} has other layers than the run was begun with; give its file back what it had, or start a new run",
                    settings.model
                ),
            ));
        }
        check_epochs(settings, run, p.epoch + u32::from(p.step_in_epoch > 0))?;
        engine
            .set_weights(&checkpoint.weights)
            .and_then(|()| engine.set_moments(&checkpoint.moments))
            .and_then(|()| engine.set_average(&checkpoint.average))
            .map_err(|e| e.context(path.display()))?;
        engine.set_class_weights(&task.class_weights)?;
        engine.set_totals(&checkpoint.totals)?;
        let mut progress = checkpoint.progress;
        progress.model = Some(layers);
        let computed_before = progress.computed_by.replace(ComputedBy::of(&engine));
        let trainer = Self {
            engine,
            task,
            settings,
            model,
            run: run.to_owned(),
            saved: progress.epoch,
            progress,
            computed_before,
            best: checkpoint.best,
            last: Vec::new(),
            board: None,
        };
        trainer.on_first(|t| {
            remove_leftovers(&t.run)?;
            t.save_split()?;
            // The run may have ended between the checkpoint and the files that follow from it.
            if !t.best.is_empty() {
                t.save_model()?;
            }
            t.save_history()
        })?;
        Ok(trainer)
    }

    /// Whether there is something left to train.
    pub fn goes_on(&self) -> bool {
        self.progress.ending.is_none() && self.progress.epoch < self.settings.epochs
    }

    /// What to say where more epochs were asked for than a run that early stopping has ended will train.
    pub fn ended_early(&self) -> Option<String> {
        let p = &self.progress;
        let ending = p
            .ending
            .as_ref()
            .filter(|_| p.epoch < self.settings.epochs)?;
        Some(format!(
            "the run is over ({ending}), and more --epochs do not take it up again; to train on, start another from it: --init {}",
            self.run.display()
        ))
    }

    /// What to say when another adapter, or other kernels, computed the run before it was stopped.
    pub fn other_kernels(&self) -> Option<String> {
        let now = (self.progress.computed_by.as_ref()).filter(|_| self.goes_on())?;
        now.differs_from(self.computed_before.as_ref()?)
    }

    /// What to say of a schedule that is another than when the run was stopped: a cosine, whose end has moved with the number of
    /// epochs.
    pub fn moved_schedule(&self) -> Option<String> {
        let (p, s) = (&self.progress, self.settings);
        let before = p.history.last().filter(|_| p.ending.is_none())?.lr;
        let now = self
            .rates()
            .at(p.optimizer_step - p.step_in_epoch as u64, p.learning_rate);
        // The checkpoint's decimals may differ in the last bit.
        let differs = (before - now).abs() > 1e-9 * p.learning_rate;
        let moved = s.schedule == Schedule::Cosine && differs && p.epoch < s.epochs;
        moved.then(|| {
            format!(
                "the cosine now ends with epoch {}: the learning rate goes on from {now:.1e}, and after epoch {} it was {before:.1e}",
                s.epochs, p.epoch
            )
        })
    }
}
