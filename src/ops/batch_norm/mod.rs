//! Batch normalisation, with the dropout that often follows it done in the same pass.

mod cases;
mod geometry;
mod kernels;
mod reference;
mod update_running;

pub use kernels::{BACKWARD, INPUT_GRADIENT, NORMALISE, STATISTICS};
pub(super) use update_running::ENTRY as UPDATE_RUNNING_ENTRY;
pub use update_running::UpdateRunning;

use super::{Array, Dropout, Entry, Io, Lowering, Op, Pass, Real, Saved, Step};
use crate::error::{Error, Result};
use crate::tensor::{DType, Spec};
use geometry::Geometry;

/// `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`, per channel (Ioffe & Szegedy 2015), in the conventions of Keras'
/// `BatchNormalization`: epsilon inside the root, biased variance everywhere.
///
/// Inputs: x `[N,C,H,W]` or `[N,C]`; gamma, beta, running mean and running variance `[C]`.
/// In training, mean and variance are those of the batch's real samples: outputs y, mean `[C]`, variance `[C]`; the running
/// ones are not read (see [`UpdateRunning`]). In evaluation they are the running ones, which gradients take for constants:
/// output y alone. With `dropout`, y is what [`Dropout`] would make of it, for no traffic of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance, above 0.
    pub epsilon: f32,
    /// Statistics of the batch, not the running ones.
    pub training: bool,
    /// Dropout applied to the result; in training only.
    pub dropout: Option<Dropout>,
}

impl Default for BatchNorm {
    /// Keras' epsilon of 1e-3, training, no dropout.
    fn default() -> Self {
        Self {
            epsilon: 1e-3,
            training: true,
            dropout: None,
        }
    }
}

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "batch_norm",
    cases: cases::cases,
    ladders: &[&STATISTICS, &NORMALISE, &BACKWARD, &INPUT_GRADIENT],
};

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn output_specs(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("batch_norm", message));
        let [x, channels @ ..] = inputs else {
            return error("takes 5 inputs, got none".to_owned());
        };
        let (&[n, c] | &[n, c, _, _]) = x.shape.dims() else {
            return error(format!("x is {}, not [N,C,H,W] or [N,C]", x.shape));
        };
        if x.dtype != DType::F32 || x.numel() == 0 {
            return error(format!(
                "x is {} of {:?}; it must be f32 and not empty",
                x.shape, x.dtype
            ));
        }
        if n > 65_535 || c > 65_535 {
            return Err(Error::too_large(
                "batch_norm",
                format!(
                    "x is {}; at most 65,535 samples and channels can be launched",
                    x.shape
                ),
            ));
        }
        if channels.len() != 4 {
            return error(format!(
                "takes x, gamma, beta, running mean and running variance, got {} inputs",
                inputs.len()
            ));
        }
        let names = ["gamma", "beta", "running mean", "running variance"];
        for (spec, name) in channels.iter().zip(names) {
            if *spec != Spec::f32([c]) {
                return error(format!(
                    "{name} is {} of {:?}, x has {c} channels (x is {})",
                    spec.shape, spec.dtype, x.shape
                ));
            }
        }
        if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
            return error(format!("epsilon is {}; it must be above 0", self.epsilon));
        }
        if let Some(dropout) = &self.dropout {
            if !self.training {
                return error("dropout belongs to training; leave it out in evaluation".to_owned());
            }
            dropout.check("batch_norm")?;
        }
        let statistics = Spec::f32([c]);
        Ok(if self.training {
            vec![x.clone(), statistics.clone(), statistics]
        } else {
            vec![x.clone()]
        })
    }

    fn batch_statistics(&self) -> bool {
        self.training
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0, 1, 2]
    }

    /// x and the statistics; y is not needed, so what follows may overwrite it.
    fn saved(&self) -> Saved {
        if self.training {
            Saved {
                inputs: &[0, 1],
                outputs: &[1, 2],
            }
        } else {
            Saved {
                inputs: &[0, 1, 3, 4],
                outputs: &[],
            }
        }
    }

    /// Not forward: x is needed again in backward, and a copy would cost more than it saves.
    fn in_place(&self, pass: Pass) -> Option<(usize, usize)> {
        (pass == Pass::Backward).then_some((0, 0))
    }

    fn cheap_to_recompute(&self) -> bool {
        true
    }

    fn flops(&self, pass: Pass, inputs: &[Spec], _: &[Spec]) -> u64 {
        let per_element = match pass {
            Pass::Forward if self.training => 7,
            Pass::Forward | Pass::Recompute => 3,
            Pass::Backward => 10,
        };
        per_element * inputs[0].numel() as u64
    }

    /// The naive rung adds up a whole channel in one accumulator, and the rounding of a mean far from zero (an ulp of it)
    /// is shared by all of x - mean.
    fn tolerance(&self) -> f64 {
        1e-5
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let g = Geometry::new(self, io.x(0));
        if self.training {
            l.run(&STATISTICS, &g, io)?;
        }
        l.run(&NORMALISE, &g, io)
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        kernels::backward(&Geometry::new(self, io.x(0)), io, l)
    }

    /// y again from the statistics of the first run: the same bits, at half the traffic.
    fn recompute(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        l.run(&NORMALISE, &Geometry::new(self, io.x(0)), io)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        reference::forward(self, x, step)
    }

    fn backward_reference<T: Real>(
        &self,
        x: &[&Array<T>],
        y: &[&Array<T>],
        dy: &Array<T>,
        step: &Step,
    ) -> Vec<Array<T>> {
        reference::backward(self, x, y, dy, step)
    }
}
