//! The contract of an op.
//!
//! To add an op: write `ops/NAME.rs` with a struct of its attributes and `impl Op` for it, in this order: the shapes of its outputs
//! (with an error that names what does not fit), which inputs have a gradient, what backward reads; `forward` and `backward`, which
//! push [`Dispatch`](super::Dispatch) values into a [`Lowering`]; and the reference of both in plain loops, which is the definition
//! that finite differences and every kernel are checked against. Put the kernels into `shaders/NAME/`. End the file with an
//! [`Entry`](super::Entry): the op's name, its cases (odd sizes, batch 1, ties) and its ladders, none if every kernel is the only one
//! for its job. Name the file and re-export the op in `mod.rs`, and add one line to `registry.rs`: gradient checks, GPU
//! comparisons and benches find it there.
//!
//! An op knows shapes, kernels and formulas; it knows neither the tape nor the device.

use super::{Array, Io, Lowering, Real, Step};
use crate::error::{Error, Result};
use crate::tensor::Spec;
use std::fmt;

/// Which direction a node of the tape runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Outputs from inputs.
    Forward,
    /// Gradients of inputs from the gradient of output 0.
    Backward,
    /// A dropped forward output computed again, from whatever of the first run was kept.
    Recompute,
}

/// What backward reads: indices of inputs and of outputs. This alone decides how long activations live.
#[derive(Debug, Clone, Copy, Default)]
pub struct Saved {
    /// Inputs that backward reads.
    pub inputs: &'static [usize],
    /// Outputs that backward reads.
    pub outputs: &'static [usize],
}

impl Saved {
    /// Inputs alone.
    pub const fn inputs(inputs: &'static [usize]) -> Self {
        Self {
            inputs,
            outputs: &[],
        }
    }
}

/// A differentiable operation. Only output 0 carries a gradient; further outputs are by-products (statistics, argmax).
pub trait Op: fmt::Debug + Send + Sync + 'static {
    /// Name in messages, tables and on the command line, e.g. `conv2d`.
    fn name(&self) -> &'static str;

    /// Specs of all outputs.
    ///
    /// # Errors
    /// Says op, shapes and expectation when the inputs don't fit.
    fn output_specs(&self, inputs: &[Spec]) -> Result<Vec<Spec>>;

    /// Inputs that have a gradient (labels, class weights and running statistics have none), optional ones included: those that a
    /// node was not given are passed over.
    fn differentiable(&self) -> &'static [usize];

    /// What backward reads.
    fn saved(&self) -> Saved {
        Saved::default()
    }

    /// `(input, output)` that share memory in this pass when the input is not needed afterwards. The kernels of such a
    /// pass bind the pair once, as `read_write`; when the input is still needed, it is copied first.
    /// For [`Pass::Backward`] the input is always dy and the number names the dx (so `(0, i)`: dy becomes dx `i`).
    fn in_place(&self, _pass: Pass) -> Option<(usize, usize)> {
        None
    }

    /// Inputs that forward changes in memory (running statistics, parameters under an optimizer).
    fn mutates(&self) -> &'static [usize] {
        &[]
    }

    /// True when the gradient of every input is dy itself (addition): no kernel runs backward.
    fn gradient_is_dy(&self) -> bool {
        false
    }

    /// True when outputs depend on statistics of all samples of a micro-batch, so that another cut of the batch is another
    /// computation, and a single sample may have none.
    fn batch_statistics(&self) -> bool {
        false
    }

    /// True when computing the output again costs memory traffic but little arithmetic, so that a plan short of memory
    /// may drop it (batch norm, ReLU, dropout, pooling).
    fn cheap_to_recompute(&self) -> bool {
        false
    }

    /// Floating-point operations of one pass (a multiply-add counts 2), for rooflines and for the planner's choices.
    fn flops(&self, _pass: Pass, inputs: &[Spec], outputs: &[Spec]) -> u64 {
        inputs.iter().chain(outputs).map(|s| s.numel() as u64).sum()
    }

    /// Greatest difference that kernels may have from the f64 reference, relative to the tensor's maximum. The default
    /// leaves room for f32 rounding of short sums; an op whose sums are long, or whose fast rungs trade accuracy, states
    /// its own with the reason.
    fn tolerance(&self) -> f64 {
        2e-6
    }

    /// For an op whose output 1 names which of several values output 0 is (a pooling's argmax): output 0 if these choices are right, exactly; NaN
    /// where one names nothing, or can't be true of this output 0. `x` are the inputs, `y` the outputs that somebody found. Where values are
    /// almost equal there are several right choices, and this tells them from the wrong ones. None for an op without choices.
    fn chosen(&self, _x: &[&Array<f64>], _y: &[&Array<f64>]) -> Option<Array<f64>> {
        None
    }

    /// Push the kernels that compute the outputs `io.y(..)`.
    ///
    /// # Errors
    /// When no rung of a needed kernel family fits the device.
    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()>;

    /// Push the kernels that compute the wanted gradients `io.dx(..)` from `io.dy()` and what [`Op::saved`] names.
    ///
    /// # Errors
    /// As [`Op::forward`]; and for an op without a gradient.
    fn backward(&self, _io: &Io, _l: &mut Lowering) -> Result<()> {
        Err(Error::shape(self.name(), "has no gradient"))
    }

    /// Push the kernels that compute output 0 again; other outputs of the first run still hold their values.
    ///
    /// # Errors
    /// As [`Op::forward`].
    fn recompute(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        self.forward(io, l)
    }

    /// CPU reference of forward: all outputs; for an op that [`Op::mutates`], the new values of those inputs instead.
    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>>
    where
        Self: Sized;

    /// CPU reference of backward: one gradient per entry of [`Op::differentiable`].
    /// Inputs and outputs that [`Op::saved`] does not name arrive without elements (an input whose gradient is wanted still
    /// with its shape).
    fn backward_reference<T: Real>(
        &self,
        _x: &[&Array<T>],
        _y: &[&Array<T>],
        _dy: &Array<T>,
        _step: &Step,
    ) -> Vec<Array<T>>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

/// The float types whose reference runs through the trait object.
pub trait Reference: Real {
    /// [`Op::forward_reference`].
    fn forward(op: &dyn AnyOp, x: &[&Array<Self>], step: &Step) -> Vec<Array<Self>>;
    /// [`Op::backward_reference`].
    fn backward(
        op: &dyn AnyOp,
        x: &[&Array<Self>],
        y: &[&Array<Self>],
        dy: &Array<Self>,
        step: &Step,
    ) -> Vec<Array<Self>>;
}

impl Reference for f32 {
    fn forward(op: &dyn AnyOp, x: &[&Array<f32>], step: &Step) -> Vec<Array<f32>> {
        op.forward_f32(x, step)
    }
    fn backward(
        op: &dyn AnyOp,
        x: &[&Array<f32>],
        y: &[&Array<f32>],
        dy: &Array<f32>,
        step: &Step,
    ) -> Vec<Array<f32>> {
        op.backward_f32(x, y, dy, step)
    }
}

impl Reference for f64 {
    fn forward(op: &dyn AnyOp, x: &[&Array<f64>], step: &Step) -> Vec<Array<f64>> {
        op.forward_f64(x, step)
    }
    fn backward(
        op: &dyn AnyOp,
        x: &[&Array<f64>],
        y: &[&Array<f64>],
        dy: &Array<f64>,
        step: &Step,
    ) -> Vec<Array<f64>> {
        op.backward_f64(x, y, dy, step)
    }
}

/// [`Op`] as a trait object: the generic CPU reference, pinned to the two float types.
pub trait AnyOp: Op {
    /// [`Op::forward_reference`] in f32.
    fn forward_f32(&self, x: &[&Array<f32>], step: &Step) -> Vec<Array<f32>>;
    /// [`Op::forward_reference`] in f64.
    fn forward_f64(&self, x: &[&Array<f64>], step: &Step) -> Vec<Array<f64>>;
    /// [`Op::backward_reference`] in f32.
    fn backward_f32(
        &self,
        x: &[&Array<f32>],
        y: &[&Array<f32>],
        dy: &Array<f32>,
        step: &Step,
    ) -> Vec<Array<f32>>;
    /// [`Op::backward_reference`] in f64.
    fn backward_f64(
        &self,
        x: &[&Array<f64>],
        y: &[&Array<f64>],
        dy: &Array<f64>,
        step: &Step,
    ) -> Vec<Array<f64>>;
}

impl<O: Op> AnyOp for O {
    fn forward_f32(&self, x: &[&Array<f32>], step: &Step) -> Vec<Array<f32>> {
        self.forward_reference(x, step)
    }
    fn forward_f64(&self, x: &[&Array<f64>], step: &Step) -> Vec<Array<f64>> {
        self.forward_reference(x, step)
    }
    fn backward_f32(
        &self,
        x: &[&Array<f32>],
        y: &[&Array<f32>],
        dy: &Array<f32>,
        step: &Step,
    ) -> Vec<Array<f32>> {
        self.backward_reference(x, y, dy, step)
    }
    fn backward_f64(
        &self,
        x: &[&Array<f64>],
        y: &[&Array<f64>],
        dy: &Array<f64>,
        step: &Step,
    ) -> Vec<Array<f64>> {
        self.backward_reference(x, y, dy, step)
    }
}
