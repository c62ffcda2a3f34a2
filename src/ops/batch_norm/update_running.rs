//! The moving averages that batch norm uses in evaluation.

use crate::error::{Error, Result};
use crate::kernel;
use crate::ops::util::WORKGROUP;
use crate::ops::{Array, Case, Entry, Fill, Io, Lowering, Op, Real, Step, grid_1d};
use crate::tensor::Spec;
use bytemuck::{Pod, Zeroable};

/// `running = momentum * running + (1 - momentum) * batch`, in place, for mean and variance (biased, as in Keras).
///
/// Inputs, all `[C]`: running mean and running variance, which change; mean and variance of the batch, outputs 1 and 2 of
/// [`super::BatchNorm`]. A micro-batch that is all padding changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateRunning {
    /// Part of the old value that stays, in `[0, 1]`.
    pub momentum: f32,
}

impl Default for UpdateRunning {
    /// Keras' momentum of 0.99.
    fn default() -> Self {
        Self { momentum: 0.99 }
    }
}

/// Registry line.
pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "update_running",
    cases,
    families: &[],
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    channels: u32,
    rate: f32,
    pad: [u32; 2],
}

impl Op for UpdateRunning {
    fn name(&self) -> &'static str {
        "update_running"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("update_running", message));
        let [running, rest @ ..] = x else {
            return error("takes 4 inputs, got none".to_owned());
        };
        if rest.len() != 3 || running.shape.rank() != 1 || rest.iter().any(|s| s != running) {
            let shapes: Vec<String> = x.iter().map(|s| s.shape.to_string()).collect();
            return error(format!(
                "takes running mean, running variance, mean and variance of one shape [C], got {}",
                shapes.join(", ")
            ));
        }
        if !(0.0..=1.0).contains(&self.momentum) {
            return error(format!(
                "momentum is {}; it must be in [0, 1]",
                self.momentum
            ));
        }
        Ok(vec![])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[]
    }

    fn mutates(&self) -> &'static [usize] {
        &[0, 1]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let channels = io.x(0).numel();
        let params = Params {
            channels: channels as u32,
            rate: 1.0 - self.momentum,
            pad: [0; 2],
        };
        let control = l.control();
        let tensors = [io.x(0), io.x(1), io.x(2), io.x(3), &control];
        let grid = grid_1d(channels, WORKGROUP);
        l.dispatch(kernel!("update_running/update"), &tensors, params, grid)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let rate = if step.valid == 0 {
            T::zero()
        } else {
            T::lit(f64::from(1.0 - self.momentum))
        };
        let blend = |old: &Array<T>, new: &Array<T>| Array {
            shape: old.shape.clone(),
            data: old
                .data
                .iter()
                .zip(&new.data)
                .map(|(&o, &n)| o + rate * (n - o))
                .collect(),
        };
        vec![blend(x[0], x[2]), blend(x[1], x[3])]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, c: usize| {
        let mean = (Spec::f32([c]), Fill::Normal(1.0));
        let variance = (Spec::f32([c]), Fill::Uniform(0.5, 2.0));
        let inputs = vec![mean.clone(), variance.clone(), mean, variance];
        Case::new(name, UpdateRunning::default(), inputs)
    };
    vec![
        case("one channel", 1),
        case("prime, two workgroups", 71),
        case("all padding", 5).valid(0),
    ]
}
