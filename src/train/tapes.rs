//! The tapes of a run, for whatever way of cutting a step the planner considers.

use super::engine::{Engine, Samples};
use super::graph::{Feed, GraphSettings, evaluation_tape, training_tape};
use super::limits::Sizes;
use super::ranks::Ranks;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::nn::Model;
use crate::plan::budget::{Cut, Fitted, Request, fit, fit_and_open};
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

    /// [`record`](Self::record), for steps that ranks share.
    ///
    /// # Errors
    /// As there, and when a layer's micro-batches can't be computed apart.
    pub fn shared(&self, cut: &Cut) -> Result<Vec<(String, Tape)>> {
        let mut tapes = self.record(cut)?;
        for (_, tape) in tapes.iter_mut().take(1) {
            tape.sum_apart()?;
        }
        Ok(tapes)
    }

    /// The sizes of the run, for the sentence about one that is too large.
    fn sizes(&self, batch: usize) -> Sizes {
        Sizes {
            model: self.model.clone(),
            batch,
            rows: self.base.rows,
            frames: self.base.frames,
            classes: self.base.classes,
            samples: self.samples,
        }
    }

    /// `error`, when it is about a size that the device does not allow, with the largest that it does.
    pub fn name_largest(&self, request: &Request, error: Error) -> Error {
        // A batch is split where it has to be, down to the two samples that batch norm wants.
        let works = |s: &Sizes| {
            let smallest = Request {
                budget: None,
                batch: s.batch.min(2),
                may_recompute: false,
                ..request.clone()
            };
            // Rounded up, so that no more is promised than there is room for.
            let share = |part: usize| {
                let product = s.samples as u128 * part as u128;
                product.div_ceil(self.samples.max(1) as u128) as usize
            };
            let tapes = Tapes {
                model: &s.model,
                base: GraphSettings {
                    rows: s.rows,
                    frames: s.frames,
                    classes: s.classes,
                    ..self.base.clone()
                },
                samples: s.samples,
                entries: share(self.entries).max(1),
                eval_entries: share(self.eval_entries).max(1),
            };
            fit(&smallest, |cut| tapes.record(cut)).is_ok()
        };
        self.sizes(request.batch).name_largest(error, works)
    }

    /// Why a step of this batch, cut into as many parts as were asked for, can't teach a model anything: batch norm behind global
    /// pooling sees one value of each channel, whose deviation from itself is 0, so that its output is its bias whatever the
    /// input. `None` when it can. (The planner's own cuts leave such a model two samples; of an epoch's last, short batch one may be
    /// left, which teaches the bias and what follows only, and leaves the running statistics alone.)
    pub fn cannot_learn(
        &self,
        batch: usize,
        micro_batches: Option<usize>,
    ) -> Result<Option<String>> {
        if batch > micro_batches.unwrap_or(1) {
            return Ok(None);
        }
        let (what, instead) = match batch {
            1 => ("a batch of 1", "--batch-size 2 or more"),
            _ => ("micro-batches of 1", "fewer --micro-batches"),
        };
        let tape = training_tape(self.model, &self.settings(&Cut::whole(1)), self.entries)?;
        let alone = tape.nodes().iter().find(|n| {
            let x = n.io.x.first().and_then(Option::as_ref);
            n.op.batch_statistics() && x.is_some_and(|x| x.numel() == x.dims()[1])
        });
        Ok(alone.map(|node| {
            format!(
                "{}: with {what} each channel has one value here, and what batch norm makes of that is the same whatever the value, so that nothing can be learned; use {instead}, or a model without batch norm behind global pooling",
                node.label
            )
        }))
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
        let record = |cut: &Cut| self.record(cut);
        fit_and_open(request, record, |f| {
            self.engine(gpu, f, request, samples, seed)
        })
        .map_err(|e| self.name_largest(request, e))
    }

    /// [`open`](Self::open), for steps that are shared with other ranks, if there are any.
    ///
    /// # Errors
    /// As there, and as [`Engine::join`].
    pub fn open_shared<'g>(
        &self,
        gpu: &'g Gpu,
        request: &Request,
        samples: &Arc<Samples>,
        seed: u64,
        ranks: &'g Ranks,
    ) -> Result<(Fitted, Engine<'g>)> {
        if !ranks.are_several() {
            return self.open(gpu, request, samples, seed);
        }
        let record = |cut: &Cut| self.shared(cut);
        fit_and_open(request, record, |f| {
            let mut engine = self.engine(gpu, f, request, samples, seed)?;
            engine.join(ranks)?;
            Ok(engine)
        })
        .map_err(|e| self.name_largest(request, e))
    }

    fn engine<'g>(
        &self,
        gpu: &'g Gpu,
        fitted: &Fitted,
        request: &Request,
        samples: &Arc<Samples>,
        seed: u64,
    ) -> Result<Engine<'g>> {
        let g = self.settings(&fitted.cut);
        let (programs, plan) = (fitted.programs.clone(), fitted.plan.clone());
        let samples = samples.clone();
        Engine::new(gpu, programs, plan, &g, samples, request.batch, seed)
    }
}
