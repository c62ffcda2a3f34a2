//! Cases: shapes and fillings that feed gradient checks, GPU comparisons and benches alike.

use super::{AnyLadder, AnyOp};
use crate::tensor::Spec;
use rand::{Rng, RngExt};
use std::sync::Arc;

/// How an input of a case is filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Normal with this standard deviation.
    Normal(f32),
    /// Uniform in a range.
    Uniform(f32, f32),
    /// Whole numbers 0 .. n: labels.
    Integers(u32),
    /// Distinct values on a shuffled grid of step 1/8, none of them 0: keeps finite differences off the kinks of ReLU and max.
    Distinct,
    /// Few distinct values, 0 among them: many ties and values exactly on a kink. Not for finite differences.
    Ties,
}

/// One input of a case.
#[derive(Debug, Clone)]
pub struct Input {
    /// Shape and type.
    pub spec: Spec,
    /// Filling.
    pub fill: Fill,
}

/// An op with attributes and inputs.
#[derive(Debug, Clone)]
pub struct Case {
    /// Short name, e.g. `1x1 input`.
    pub name: &'static str,
    /// The op.
    pub op: Arc<dyn AnyOp>,
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// Real samples, when fewer than the batch dimension.
    pub valid: Option<usize>,
    /// Real samples of the batch that come before this micro-batch.
    pub start: usize,
    /// Optimizer step, from 1.
    pub step: u32,
    /// Whether finite differences make sense (no: fillings on a kink).
    pub smooth: bool,
}

/// One op as the registry knows it.
#[derive(Clone, Copy)]
pub struct Entry {
    /// [`Op::name`](super::op::Op::name).
    pub name: &'static str,
    /// Shapes that feed gradcheck, the GPU comparison and the benches, awkward ones included.
    pub cases: fn() -> Vec<Case>,
    /// The op's ladders, one per job that has rival kernels.
    pub ladders: &'static [&'static dyn AnyLadder],
}

impl Entry {
    /// An op whose kernels have no rivals.
    pub const fn new(name: &'static str, cases: fn() -> Vec<Case>) -> Self {
        Self {
            name,
            cases,
            ladders: &[],
        }
    }
}

impl Case {
    /// A case over the full batch, checked by finite differences too.
    pub fn new(name: &'static str, op: impl AnyOp, inputs: Vec<(Spec, Fill)>) -> Self {
        Self {
            name,
            op: Arc::new(op),
            inputs: inputs
                .into_iter()
                .map(|(spec, fill)| Input { spec, fill })
                .collect(),
            valid: None,
            start: 0,
            step: 3,
            smooth: true,
        }
    }

    /// The case with only the first `n` samples real.
    pub fn valid(mut self, n: usize) -> Self {
        self.valid = Some(n);
        self
    }

    /// The case as a later micro-batch of its batch, after `n` samples.
    pub fn starting_at(mut self, n: usize) -> Self {
        self.start = n;
        self
    }

    /// The case in another optimizer step than the third.
    pub fn at_step(mut self, step: u32) -> Self {
        self.step = step;
        self
    }

    /// The case left out of finite differences: its values sit on kinks.
    pub fn kinks(mut self) -> Self {
        self.smooth = false;
        self
    }
}

impl Fill {
    /// `n` values.
    pub fn values(self, n: usize, rng: &mut impl Rng) -> Vec<f32> {
        match self {
            Fill::Normal(std) => (0..n).map(|_| std * normal(rng)).collect(),
            Fill::Uniform(low, high) => (0..n)
                .map(|_| low + (high - low) * rng.random::<f32>())
                .collect(),
            Fill::Integers(k) => (0..n).map(|_| rng.random_range(0..k) as f32).collect(),
            Fill::Distinct => {
                let mut v: Vec<f32> = (0..n)
                    .map(|i| (i as f32 - (n / 2) as f32 + 0.5) / 8.0)
                    .collect();
                for i in (1..n).rev() {
                    v.swap(i, rng.random_range(0..=i));
                }
                v
            }
            Fill::Ties => (0..n)
                .map(|_| rng.random_range(0..5u32) as f32 / 2.0 - 1.0)
                .collect(),
        }
    }
}

/// A standard normal value (Box-Muller).
fn normal(rng: &mut impl Rng) -> f32 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    ((-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}
