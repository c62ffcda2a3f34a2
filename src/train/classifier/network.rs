//! What can be trained, and how it lies on a tape with its loss and its optimizer.

use crate::error::{Error, Result};
use crate::nn::{Mode, Model, Recorded};
use crate::ops::{AccumulateMetrics, Adam};
use crate::tape::{Flat, Role, Tape};
use crate::tensor::{Shape, Spec, Tensor};
use crate::train::graph::{BATCH, loss};
use std::sync::Arc;

/// What can be recorded as a classifier: a [`Model`], or a function of tape, samples and mode that returns the logits.
pub trait Network {
    /// Record logits (N x classes) of the samples `x` (N x ...). Both modes must declare the same parameters and states in the
    /// same order.
    ///
    /// # Errors
    /// When the network does not fit the samples.
    fn record(&self, tape: &mut Tape, x: &Tensor, classes: usize, mode: Mode) -> Result<Recorded>;
}

impl Network for Model {
    fn record(&self, tape: &mut Tape, x: &Tensor, classes: usize, mode: Mode) -> Result<Recorded> {
        Model::record(self, tape, x, classes, mode)
    }
}

impl<F: Fn(&mut Tape, &Tensor, Mode) -> Result<Tensor>> Network for F {
    fn record(&self, tape: &mut Tape, x: &Tensor, classes: usize, mode: Mode) -> Result<Recorded> {
        let logits = self(tape, x, mode)?;
        if logits.dims() != [x.dims()[0], classes] {
            return Err(Error::model(format!(
                "the network gives {}, expected {}x{classes}: one number per class",
                logits.shape(),
                x.dims()[0]
            )));
        }
        Ok(Recorded {
            logits,
            penalties: Vec::new(),
        })
    }
}

/// Outputs with the totals, of training and of evaluation.
pub(super) const TOTALS: [&str; 2] = ["totals", "eval totals"];

/// Whether both modes declare the same parameters and states in one order: they lie in the same memory.
pub(super) fn same_weights(training: &Tape, evaluation: &Tape) -> Result<()> {
    for (role, what) in [(Role::Parameter, "parameters"), (Role::State, "states")] {
        let declared = |tape: &Tape| -> Vec<String> {
            let all = tape.tensors(role);
            let told = |t: &Tensor| format!("{} ({})", tape.value(t.id()).name, t.shape());
            all.iter().map(told).collect()
        };
        let (one, other) = (declared(training), declared(evaluation));
        if one != other {
            return Err(Error::model(format!(
                "the network declares the {what} {} in training and {} in evaluation: declare the same, in the same order",
                one.join(", "),
                other.join(", ")
            )));
        }
    }
    Ok(())
}

/// The tape of a batch, and its probabilities.
pub(super) fn record(
    network: &impl Network,
    sample: &Shape,
    classes: usize,
    batch: usize,
    mode: Mode,
) -> Result<(Tape, Tensor)> {
    let mut tape = Tape::new();
    let dims: Vec<usize> = [batch].iter().chain(sample.dims()).copied().collect();
    let [x_name, y_name] = BATCH;
    let x = tape.input(x_name, Spec::f32(dims.as_slice()));
    let labels = tape.input(y_name, Spec::u32([batch]));
    let recorded = network.record(&mut tape, &x, classes, mode)?;
    let weights = tape.input("class weights", Spec::f32([classes]));
    let (total, probabilities) = loss(&mut tape, &recorded, &labels, None, &weights, 0.0)?;
    tape.keep(&probabilities);
    let totals = tape.output(
        TOTALS[usize::from(mode == Mode::Evaluation)],
        Spec::f32([4]),
    );
    tape.apply_all(
        Arc::new(AccumulateMetrics),
        &[&totals, &total, &probabilities, &labels],
    )?;
    if mode == Mode::Training {
        tape.backward(&total)?;
        tape.begin_update();
        let flat = [
            Flat::Parameters,
            Flat::Gradients,
            Flat::Moment1,
            Flat::Moment2,
        ];
        let flat = flat.map(|which| tape.flat(which));
        tape.apply_all(Arc::new(Adam::default()), &flat.each_ref())?;
    }
    Ok((tape, probabilities))
}
