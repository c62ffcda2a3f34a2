//! The graph of a training step and of an evaluation pass, as tapes over the same parameters.

use crate::error::{Error, Result};
use crate::nn::{Mode, Model, Recorded};
use crate::ops::util::AddAssign;
use crate::ops::{
    AccumulateMetrics, Adam, Add, Augment, GatherBatch, GlobalNormScale, MovingAverage,
    SoftmaxCrossEntropy, StoreRows,
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
    /// Frames by which a training sample may move in time, see [`GatherBatch::shift`]; a host that streams moves them itself.
    pub time_shift: usize,
    /// What else happens to the training batch before the model sees it.
    pub augment: Augment,
    /// Decay of a moving average of the weights, which is kept beside them.
    pub average: Option<f32>,
}

/// Samples (N x 1 x rows x frames) with their labels (N).
type Batch = (Tensor, Tensor);

/// Training batch after augmentation, and under mixup the second labels with the shares λ.
struct Augmented {
    x: Tensor,
    labels: Tensor,
    second: Option<(Tensor, Tensor)>,
}

impl GraphSettings {
    /// The batch; in training under mixup its partners too.
    fn batch(
        &self,
        tape: &mut Tape,
        order: &str,
        entries: usize,
        mode: Mode,
    ) -> Result<(Batch, Option<Batch>)> {
        let training = mode == Mode::Training;
        let mixes = training && self.augment.mixes();
        let shift = if training { self.time_shift } else { 0 };
        let (n, rows, frames) = (self.micro_batch, self.rows, self.frames);
        tape.set_scope("input");
        match self.feed {
            Feed::Resident { samples } => {
                let set = tape.input("dataset", Spec::f32([samples, rows, frames]));
                let labels = tape.input("dataset labels", Spec::u32([samples]));
                let order = tape.input(order, Spec::u32([entries]));
                let mut inputs = vec![&set, &labels, &order];
                let neighbours;
                if shift > 0 {
                    neighbours = tape.input("dataset neighbours", Spec::u32([samples, 2]));
                    inputs.push(&neighbours);
                }
                let mut gather = |partners| -> Result<Batch> {
                    let op = Arc::new(GatherBatch { n, partners, shift });
                    let gathered = tape.apply_all(op, &inputs)?;
                    Ok((gathered[0].clone(), gathered[1].clone()))
                };
                let own = gather(false)?;
                let partners = mixes.then(|| gather(true)).transpose()?;
                Ok((own, partners))
            }
            Feed::Streamed => {
                let mut input = |[x, labels]: [&str; 2]| -> Batch {
                    let x = tape.input(x, Spec::f32([n, 1, rows, frames]));
                    (x, tape.input(labels, Spec::u32([n])))
                };
                let own = input(BATCH);
                Ok((own, mixes.then(|| input(PARTNERS))))
            }
        }
    }

    /// The training batch, augmented.
    fn augmented(&self, tape: &mut Tape, entries: usize) -> Result<Augmented> {
        let batch = self.micro_batch * self.micro_batches;
        if self.augment.mixes() && batch > Augment::MIXED {
            return Err(Error::usage(format!(
                "--batch-size {batch}: --mixup draws partners in a batch of {} at most",
                Augment::MIXED
            )));
        }
        let ((x, labels), partners) = self.batch(tape, "order", entries, Mode::Training)?;
        if self.augment == Augment::default() {
            return Ok(Augmented {
                x,
                labels,
                second: None,
            });
        }
        let mut inputs = vec![&x];
        inputs.extend(partners.as_ref().map(|(x, _)| x));
        let outputs = tape.apply_all(Arc::new(self.augment), &inputs)?;
        Ok(Augmented {
            x: outputs[0].clone(),
            labels,
            second: partners.map(|(_, labels)| (labels, outputs[1].clone())),
        })
    }
}

/// Names of what the host sends: samples and labels.
pub(super) const BATCH: [&str; 2] = ["batch x", "batch labels"];
/// The same of mixup's partners.
pub(super) const PARTNERS: [&str; 2] = ["batch partners", "batch partners' labels"];

/// Loss of a recorded model: cross-entropy plus penalties; returns (loss, probabilities).
pub(super) fn loss(
    tape: &mut Tape,
    recorded: &Recorded,
    labels: &Tensor,
    second: Option<&(Tensor, Tensor)>,
    weights: &Tensor,
    label_smoothing: f32,
) -> Result<(Tensor, Tensor)> {
    tape.set_scope("loss");
    let op = SoftmaxCrossEntropy {
        label_smoothing,
        mixed: second.is_some(),
    };
    let mut inputs = vec![&recorded.logits, labels, weights];
    inputs.extend(second.iter().flat_map(|(labels, share)| [labels, share]));
    let outputs = tape.apply_all(Arc::new(op), &inputs)?;
    let mut total = outputs[0].clone();
    for penalty in &recorded.penalties {
        total = tape.apply(Add, &[&total, penalty])?;
    }
    Ok((total, outputs[1].clone()))
}

/// The tape of one training step. Inputs: `dataset`, `dataset labels`, `order`, with a time shift `dataset neighbours` (or `batch x`,
/// `batch labels`, and under mixup `batch partners`, `batch partners' labels`), and `class weights`; output `totals`. Under mixup the accuracy counts the label
/// with the larger share.
///
/// `entries`: length of the epoch's order.
///
/// # Errors
/// When the model does not fit the data's shape.
pub fn training_tape(model: &Model, g: &GraphSettings, entries: usize) -> Result<Tape> {
    let mut tape = Tape::new();
    let Augmented { x, labels, second } = g.augmented(&mut tape, entries)?;
    let recorded = model.record(&mut tape, &x, g.classes, Mode::Training)?;
    let weights = tape.input("class weights", Spec::f32([g.classes]));
    let (total, probabilities) = loss(
        &mut tape,
        &recorded,
        &labels,
        second.as_ref(),
        &weights,
        g.label_smoothing,
    )?;
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
    if let Some(decay) = g.average {
        let average = tape.flat(Flat::Average);
        tape.apply_all(Arc::new(MovingAverage { decay }), &[&average, &parameters])?;
    }
    Ok(tape)
}

/// The tape of one evaluation batch: running statistics, no dropout, unweighted loss. Inputs as in [`training_tape`] with
/// `eval order` and `unit weights`; outputs `eval totals` and `predictions` (one row of probabilities per entry).
///
/// # Errors
/// When the model does not fit the data's shape.
pub fn evaluation_tape(model: &Model, g: &GraphSettings, entries: usize) -> Result<Tape> {
    let mut tape = Tape::new();
    let ((x, labels), _) = g.batch(&mut tape, "eval order", entries, Mode::Evaluation)?;
    let recorded = model.record(&mut tape, &x, g.classes, Mode::Evaluation)?;
    let weights = tape.input("unit weights", Spec::f32([g.classes]));
    let (total, probabilities) = loss(&mut tape, &recorded, &labels, None, &weights, 0.0)?;
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
