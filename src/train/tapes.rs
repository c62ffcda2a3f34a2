//! The tapes of a run, for whatever way of cutting a step the planner considers.

use super::engine::{Engine, Samples};
use super::graph::{Feed, GraphSettings, evaluation_tape, training_tape};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::nn::Model;
use crate::plan::budget::{Cut, Fitted, Request, fit_and_open};
use crate::tape::Tape;
use std::sync::Arc;

/// A model and a data set's sizes: enough to record a run's tapes.
#[derive(Debug, Clone)]
pub struct Tapes<'a> {
    /// The model.
    pub model: &'a Model,
    /// Sizes and options; batch and feed are replaced by the cut's.
    pub base: GraphSettings,
    /// Samples of the data set.
    pub samples: usize,
    /// Samples of an epoch.
    pub entries: usize,
    /// Samples of an evaluation.
    pub eval_entries: usize,
}

impl Tapes<'_> {
    /// The settings of one cut.
    pub fn settings(&self, cut: &Cut) -> GraphSettings {
        GraphSettings {
            micro_batch: cut.micro_batch,
            micro_batches: cut.micro_batches,
            feed: if cut.resident {
                Feed::Resident {
                    samples: self.samples,
                }
            } else {
                Feed::Streamed
            },
            ..self.base.clone()
        }
    }

    /// The tapes of one cut, training first.
    ///
    /// # Errors
    /// When the model does not fit the data's shape.
    pub fn record(&self, cut: &Cut) -> Result<Vec<(String, Tape)>> {
        let g = self.settings(cut);
        Ok(vec![
            (
                "training".to_owned(),
                training_tape(self.model, &g, self.entries)?,
            ),
            (
                "evaluation".to_owned(),
                evaluation_tape(self.model, &g, self.eval_entries.max(1))?,
            ),
        ])
    }

    /// Fit the run into the request's budget and create everything on `gpu`; a plan that the driver refuses is made again,
    /// smaller.
    ///
    /// # Errors
    /// As [`crate::plan::budget::fit`], and when the device fails.
    pub fn open<'g>(
        &self,
        gpu: &'g Gpu,
        request: &Request,
        samples: &Arc<Samples>,
        seed: u64,
    ) -> Result<(Fitted, Engine<'g>)> {
        fit_and_open(
            request,
            |cut| self.record(cut),
            |fitted| {
                let g = self.settings(&fitted.cut);
                let programs = fitted.programs.clone();
                Engine::new(
                    gpu,
                    programs,
                    fitted.plan.clone(),
                    &g,
                    samples.clone(),
                    request.batch,
                    seed,
                )
            },
        )
    }
}
