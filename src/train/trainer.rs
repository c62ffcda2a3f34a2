//! The training loop: epochs, callbacks, checkpoints. It prints nothing; it tells a listener what happens.

use super::board::tell;
use super::callbacks::{Callbacks, EarlyStopping, Keep, ReduceLrOnPlateau};
use super::checkpoint::Progress;
use super::computed_by::ComputedBy;
use super::engine::{Engine, Weights, means};
use super::event::{EpochEvent, Outcome};
use super::schedule::{LearningRate, Schedule};
use super::settings::Settings;
use super::task::Task;
use crate::dataset::epoch_order;
use crate::error::Result;
use crate::nn::Model;
use crate::report::{EpochRow, History};
use crate::tensorboard::Board;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The file that a run goes on from.
pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";

/// How often the totals are read back for the progress bar.
const READ_EVERY: Duration = Duration::from_millis(1000);

/// A run in progress.
#[derive(Debug)]
pub struct Trainer<'a, 'g> {
    pub(super) engine: Engine<'g>,
    pub(super) task: &'a Task,
    pub(super) settings: &'a Settings,
    pub(super) model: &'a Model,
    pub(super) run: PathBuf,
    pub(super) progress: Progress,
    pub(super) best: Weights,
    /// The last epoch's weights, once the run is over.
    pub(super) last: Weights,
    /// Epochs in the checkpoint on disk.
    pub(super) saved: u32,
    /// What computed the run before it was stopped.
    pub(super) computed_before: Option<ComputedBy>,
    pub(super) board: Option<Board>,
}

impl<'a, 'g> Trainer<'a, 'g> {
    /// A new run in the folder `run`, which exists; `init` replaces the fresh weights. Writes the first checkpoint.
    ///
    /// # Errors
    /// When the weights don't fit, the device fails, or the checkpoint can't be written.
    pub fn start(
        mut engine: Engine<'g>,
        task: &'a Task,
        settings: &'a Settings,
        model: &'a Model,
        run: &Path,
        init: Option<&Weights>,
    ) -> Result<Self> {
        engine.initialise(settings.seed)?;
        if let Some(weights) = init {
            engine
                .set_weights(weights)
                .map_err(|e| match &settings.init {
                    Some(path) => e.context(path.display()),
                    None => e,
                })?;
            engine.start_average()?;
        }
        engine.set_class_weights(&task.class_weights)?;
        engine.set_totals(&[0.0; 4])?;
        let s = settings;
        let patience = match s.schedule {
            Schedule::Plateau => s.plateau_patience,
            Schedule::Constant | Schedule::Cosine => 0,
        };
        let progress = Progress {
            epoch: 0,
            step_in_epoch: 0,
            optimizer_step: 0,
            learning_rate: s.learning_rate,
            callbacks: Callbacks {
                early_stopping: EarlyStopping::new(s.early_stopping),
                plateau: ReduceLrOnPlateau::new(patience, s.plateau_factor, s.min_lr),
            },
            history: Vec::new(),
            seconds: 0.0,
            ending: None,
            task: task.fingerprint.clone(),
            model: Some(model.fingerprint()?),
            computed_by: Some(ComputedBy::of(&engine)),
        };
        let mut trainer = Self {
            engine,
            task,
            settings,
            model,
            run: run.to_owned(),
            progress,
            best: Vec::new(),
            last: Vec::new(),
            saved: 0,
            computed_before: None,
            board: None,
        };
        trainer.on_first(Self::save_split)?;
        trainer.save_checkpoint()?;
        Ok(trainer)
    }

    /// Epochs done, history, learning rate.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Epochs that the checkpoint on disk holds, whatever happens next.
    pub fn saved_epochs(&self) -> u32 {
        self.saved
    }

    /// The engine.
    pub fn engine(&mut self) -> &mut Engine<'g> {
        &mut self.engine
    }

    /// Train until the last epoch, early stopping, or until `interrupted` is set (the step in flight is finished, and
    /// everything is saved).
    ///
    /// # Errors
    /// When the device fails or a file can't be written; the last checkpoint stays.
    pub fn run(
        &mut self,
        interrupted: &AtomicBool,
        on: &mut dyn FnMut(EpochEvent),
    ) -> Result<Outcome> {
        while self.progress.epoch < self.settings.epochs && self.progress.ending.is_none() {
            if !self.epoch(interrupted, on)? {
                let p = &self.progress;
                return Ok(Outcome {
                    ending: match p.step_in_epoch {
                        0 => format!("interrupted after epoch {}", p.epoch),
                        steps => format!("interrupted after step {steps} of epoch {}", p.epoch + 1),
                    },
                    interrupted: true,
                });
            }
        }
        let ending = match &self.progress.ending {
            Some(ending) => ending.clone(),
            None => format!("all {} epochs done", self.settings.epochs),
        };
        self.last = self.engine.averaged(|engine| engine.weights())?;
        if self.best.is_empty() {
            self.best = self.last.clone();
        }
        self.engine.set_weights(&self.best)?;
        self.on_first(Self::save_model)?;
        Ok(Outcome {
            ending,
            interrupted: false,
        })
    }

    /// The training samples in the order of an epoch.
    pub(super) fn order(&self, epoch: u32) -> Vec<u32> {
        let train = &self.task.train;
        let s = self.settings;
        epoch_order(s.seed, u64::from(epoch), train.len(), s.shuffle)
            .into_iter()
            .map(|i| train[i as usize])
            .collect()
    }

    /// The learning rate of every step.
    pub(super) fn rates(&self) -> LearningRate {
        let s = self.settings;
        let steps = self.engine.steps(self.task.train.len()) as f64;
        LearningRate {
            schedule: s.schedule,
            warm_up: (s.warm_up * steps).round() as u64,
            steps: u64::from(s.epochs) * steps as u64,
            floor: s.min_lr,
        }
    }

    /// One epoch, or the rest of one; false when interrupted.
    fn epoch(&mut self, interrupted: &AtomicBool, on: &mut dyn FnMut(EpochEvent)) -> Result<bool> {
        let epoch = self.progress.epoch + 1;
        let order = self.order(epoch);
        let n = order.len();
        let from = self.progress.step_in_epoch;
        let steps = self.engine.steps(n);
        let (rates, peak) = (self.rates(), self.progress.learning_rate);
        if let Some(board) = &mut self.board {
            board.start(&self.engine.totals()?);
        }
        let began = Instant::now();
        let mut read = began;
        let before = self.progress.optimizer_step;
        let board = &mut self.board;
        let done = self.engine.train(
            &order,
            from,
            before,
            |step| rates.at(step, peak),
            |engine, done| {
                let step = before + (done - from) as u64;
                let due = read.elapsed() >= READ_EVERY;
                let wanted = board.is_some() && Board::wants(step);
                let mut so_far = None;
                if due || wanted {
                    let totals = engine.totals()?;
                    so_far = Some(means(&totals));
                    if wanted {
                        let rate = rates.at(step, peak);
                        tell(board, on, |board| board.steps(step, rate, &totals));
                    }
                    read = Instant::now();
                }
                let lost = so_far.is_some_and(|(loss, _)| !loss.is_finite());
                on(EpochEvent::Steps {
                    epoch,
                    done,
                    steps,
                    so_far,
                });
                Ok(if lost || interrupted.load(Ordering::Relaxed) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            },
        )?;
        let totals = self.engine.totals()?;
        if let Some(board) = &mut self.board {
            board.pause(&totals);
        }
        let training = began.elapsed().as_secs_f64();
        self.progress.optimizer_step += (done - from) as u64;
        self.progress.step_in_epoch = done;
        if done < steps {
            self.progress.seconds += training;
            self.save_checkpoint()?;
            return Ok(false);
        }
        let gradients = self.wanted_gradients()?;
        let (loss, accuracy) = means(&totals);
        let validation = self.validate()?;
        if !loss.is_finite() || validation.as_ref().is_some_and(|v| !v.loss.is_finite()) {
            return Err(self.diverged());
        }
        let row = EpochRow {
            epoch,
            loss,
            accuracy,
            val_loss: validation.as_ref().map(|v| v.loss),
            val_accuracy: validation.as_ref().map(|v| v.accuracy),
            lr: rates.at(self.progress.optimizer_step, peak),
            seconds: self.progress.seconds + began.elapsed().as_secs_f64(),
            ms_per_step: training * 1e3 / (done - from).max(1) as f64,
            vram_bytes: self.engine.session().created_bytes(),
        };
        self.show_epoch(&row, &gradients, validation.as_ref(), on)?;
        self.finish_epoch(row, on)?;
        // An interrupt that arrived during validation: the epoch is whole and saved.
        let interrupted = interrupted.load(Ordering::Relaxed);
        Ok(!match self.engine.ranks() {
            Some(ranks) => ranks.any(interrupted)?,
            None => interrupted,
        })
    }

    fn finish_epoch(&mut self, row: EpochRow, on: &mut dyn FnMut(EpochEvent)) -> Result<()> {
        let epoch = row.epoch;
        let mut best = false;
        let mut messages = Vec::new();
        if let (Some(val_loss), Some(val_accuracy)) = (row.val_loss, row.val_accuracy) {
            let callbacks = &mut self.progress.callbacks;
            let stop;
            (best, stop) = callbacks.early_stopping.epoch(epoch, val_accuracy);
            if stop {
                let kept = match self.settings.keep {
                    Keep::Best => format!(
                        "; the weights of epoch {} are kept",
                        callbacks.early_stopping.best_epoch
                    ),
                    Keep::Last => String::new(),
                };
                let text = format!(
                    "early stopping after epoch {epoch}: {} epochs without a better validation accuracy{kept}",
                    callbacks.early_stopping.patience
                );
                // Not a message as well: it is what the run ends with.
                self.progress.ending = Some(text);
            } else if let Some(lr) = callbacks
                .plateau
                .epoch(val_loss, self.progress.learning_rate)
            {
                self.progress.learning_rate = lr;
                messages.push(format!(
                    "learning rate reduced to {lr:.3e}: {} epochs without a lower validation loss",
                    callbacks.plateau.patience
                ));
            }
        }
        self.progress.epoch = epoch;
        self.progress.step_in_epoch = 0;
        self.progress.seconds = 0.0;
        self.progress.history.push(row.clone());
        // Without validation no epoch is the best: the last one's weights are as good as known.
        let keeps = best || self.settings.keep == Keep::Last || row.val_accuracy.is_none();
        if keeps {
            self.best = self.engine.averaged(|engine| engine.weights())?;
        }
        self.engine.set_totals(&[0.0; 4])?;
        self.save_checkpoint()?;
        self.on_first(|t| {
            if keeps {
                t.save_model()?;
            }
            t.save_history()
        })?;
        on(EpochEvent::Epoch { row, best });
        for message in messages {
            on(EpochEvent::Message(message));
        }
        Ok(())
    }

    /// The history so far.
    pub fn history(&self) -> History {
        History {
            rows: self.progress.history.clone(),
        }
    }
}
