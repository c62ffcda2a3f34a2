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
/// [`super::BatchNorm`]. A micro-batch that is all padding changes nothing, nor does one with a single value of each channel (one
/// sample, behind global pooling: the last of an epoch may be so), whose variance of 0 says nothing of the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateRunning {
    /// Part of the old value that stays, in `[0, 1]`.
    pub momentum: f32,
    /// Keep less of the old value in the first steps: `step / (step + 9)`, as long as that is below momentum, so that the
    /// average follows the weights while they change fast, and evaluation is not of the network as it was initialised
    /// (TensorFlow's `ExponentialMovingAverage` with `num_updates`). Keras' batch norm has no such warm-up.
    pub warm_up: bool,
    /// Values of a channel in each sample: height times width of what is normalised.
    pub spatial: usize,
}

impl UpdateRunning {
    /// Whether the batch has statistics to speak of.
    fn counts(&self, step: &Step) -> bool {
        step.valid as usize * self.spatial > 1
    }

    /// Part of the batch's value that comes in at `step`, from 1.
    fn rate(&self, step: u32) -> f64 {
        let rate = f64::from(1.0 - self.momentum);
        if self.warm_up {
            rate.max(9.0 / (9.0 + f64::from(step)))
        } else {
            rate
        }
    }
}

impl Default for UpdateRunning {
    /// Keras' momentum of 0.99, without a warm-up; of what has no height and width.
    fn default() -> Self {
        Self {
            momentum: 0.99,
            warm_up: false,
            spatial: 1,
        }
    }
}

/// Registry line.
pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "update_running",
    cases,
    ladders: &[],
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    channels: u32,
    rate: f32,
    spatial: u32,
    pad: u32,
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
            spatial: self.spatial as u32,
            pad: 0,
        };
        let control = l.control();
        let tensors = [io.x(0), io.x(1), io.x(2), io.x(3), &control];
        let grid = grid_1d(channels, WORKGROUP);
        let kernel =
            kernel!("update_running/update", "step").with("WARM_UP", u32::from(self.warm_up));
        l.dispatch(kernel, &tensors, params, grid)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let rate = if self.counts(step) {
            T::lit(self.rate(step.step))
        } else {
            T::zero()
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
    let case = |name, warm_up, spatial, c: usize| {
        let mean = (Spec::f32([c]), Fill::Normal(1.0));
        let variance = (Spec::f32([c]), Fill::Uniform(0.5, 2.0));
        let inputs = vec![mean.clone(), variance.clone(), mean, variance];
        let op = UpdateRunning {
            warm_up,
            spatial,
            ..UpdateRunning::default()
        };
        Case::new(name, op, inputs)
    };
    vec![
        case("one channel", false, 6, 1),
        case("prime, two workgroups", false, 1, 71),
        case("warm-up", true, 1, 5),
        case("warm-up, a later step", true, 1, 5).at_step(100),
        case("warm-up, which is over", true, 1, 5).at_step(2000),
        case("all padding", false, 6, 5).valid(0),
        case("one sample, one value", false, 1, 5).valid(1),
        case("one sample, six values", true, 6, 5).valid(1),
    ]
}
