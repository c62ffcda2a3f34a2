//! The graph of a training step and of an evaluation pass, as tapes over the same parameters.

use crate::error::Result;
use crate::nn::{Mode, Model, Recorded};
use crate::ops::util::AddAssign;
use crate::ops::{
    AccumulateMetrics, Adam, Add, GatherBatch, GlobalNormScale, SoftmaxCrossEntropy, StoreRows,
};
use crate::tape::{Flat, Tape};
use crate::tensor::{Spec, Tensor};
use std::sync::Arc;

/// How batches reach the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// The whole set lies on the GPU; kernels gather batches by the epoch's order.
    Resident {
        /// Samples in the set.
        samples: usize,
    },
    /// The host sends every batch.
    Streamed,
}

/// What decides the graph of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphSettings {
    /// Feature rows of a sample.
    pub rows: usize,
    /// Frames of a sample.
    pub frames: usize,
    /// Number of classes.
    pub classes: usize,
    /// Samples of one micro-batch.
    pub micro_batch: usize,
    /// Micro-batches per step.
    pub micro_batches: usize,
    /// Where batches come from.
    pub feed: Feed,
    /// Label smoothing of the training loss.
    pub label_smoothing: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Global-norm clipping.
    pub clip_norm: Option<f32>,
}

impl GraphSettings {
    /// The batch (N x 1 x rows x frames) and its labels (N).
    fn batch(&self, tape: &mut Tape, order: &str, entries: usize) -> Result<(Tensor, Tensor)> {
        let (n, rows, frames) = (self.micro_batch, self.rows, self.frames);
        tape.set_scope("input");
        match self.feed {
            Feed::Resident { samples } => {
                let set = tape.input("dataset", Spec::f32([samples, rows, frames]));
                let labels = tape.input("dataset labels", Spec::u32([samples]));
                let order = tape.input(order, Spec::u32([entries]));
                let gathered = tape.apply_all(
                    Arc::new(GatherBatch { n, partners: false }),
                    &[&set, &labels, &order],
                )?;
                Ok((gathered[0].clone(), gathered[1].clone()))
            }
            Feed::Streamed => {
                let x = tape.input("batch x", Spec::f32([n, 1, rows, frames]));
                let labels = tape.input("batch labels", Spec::u32([n]));
                Ok((x, labels))
            }
        }
    }
}

/// Loss of a recorded model: cross-entropy plus penalties; returns (loss, probabilities).
fn loss(
    tape: &mut Tape,
    recorded: &Recorded,
    labels: &Tensor,
    weights: &Tensor,
    label_smoothing: f32,
) -> Result<(Tensor, Tensor)> {
    tape.set_scope("loss");
    let op = SoftmaxCrossEntropy {
        label_smoothing,
        mixed: false,
    };
    let outputs = tape.apply_all(Arc::new(op), &[&recorded.logits, labels, weights])?;
    let mut total = outputs[0].clone();
    for penalty in &recorded.penalties {
        total = tape.apply(Add, &[&total, penalty])?;
    }
    Ok((total, outputs[1].clone()))
}

/// The tape of one training step. Inputs: `dataset`, `dataset labels`, `order` (or `batch x`, `batch labels`), and
/// `class weights`; output `totals`.
///
/// `entries`: length of the epoch's order.
///
/// # Errors
/// When the model does not fit the data's shape.
pub fn training_tape(model: &Model, g: &GraphSettings, entries: usize) -> Result<Tape> {
    let mut tape = Tape::new();
    let (x, labels) = g.batch(&mut tape, "order", entries)?;
    let recorded = model.record(&mut tape, &x, g.classes, Mode::Training)?;
    let weights = tape.input("class weights", Spec::f32([g.classes]));
    let (total, probabilities) = loss(&mut tape, &recorded, &labels, &weights, g.label_smoothing)?;
    let totals = tape.output("totals", Spec::f32([4]));
    tape.set_scope("metrics");
    tape.apply_all(
        Arc::new(AccumulateMetrics),
        &[&totals, &total, &probabilities, &labels],
    )?;
    tape.backward(&total)?;
    let mut gradients = tape.flat(Flat::Gradients);
    if g.micro_batches > 1 {
        tape.set_scope("accumulate");
        let sum = tape.flat(Flat::GradientSum);
        tape.apply_all(Arc::new(AddAssign), &[&sum, &gradients])?;
        gradients = sum;
    }
    tape.begin_update();
    tape.set_scope("optimizer");
    let parameters = tape.flat(Flat::Parameters);
    let (m, v) = (tape.flat(Flat::Moment1), tape.flat(Flat::Moment2));
    let adam = Adam {
        weight_decay: g.weight_decay,
        ..Adam::default()
    };
    let mut inputs = vec![&parameters, &gradients, &m, &v];
    let scale;
    if let Some(max_norm) = g.clip_norm {
        scale = tape.apply(GlobalNormScale { max_norm }, &[&gradients])?;
        inputs.push(&scale);
    }
    tape.apply_all(Arc::new(adam), &inputs)?;
    Ok(tape)
}

/// The tape of one evaluation batch: running statistics, no dropout, unweighted loss. Inputs as in [`training_tape`] with
/// `eval order` and `unit weights`; outputs `eval totals` and `predictions` (one row of probabilities per entry).
///
/// # Errors
/// When the model does not fit the data's shape.
pub fn evaluation_tape(model: &Model, g: &GraphSettings, entries: usize) -> Result<Tape> {
    let mut tape = Tape::new();
    let (x, labels) = g.batch(&mut tape, "eval order", entries)?;
    let recorded = model.record(&mut tape, &x, g.classes, Mode::Evaluation)?;
    let weights = tape.input("unit weights", Spec::f32([g.classes]));
    let (total, probabilities) = loss(&mut tape, &recorded, &labels, &weights, 0.0)?;
    let totals = tape.output("eval totals", Spec::f32([4]));
    let table = tape.output("predictions", Spec::f32([entries, g.classes]));
    tape.set_scope("metrics");
    tape.apply_all(
        Arc::new(AccumulateMetrics),
        &[&totals, &total, &probabilities, &labels],
    )?;
    tape.apply_all(Arc::new(StoreRows), &[&table, &probabilities])?;
    Ok(tape)
}
