//! An exponential moving average of the weights.

use super::util::WORKGROUP;
use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Real, Step, grid_1d};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{DType, Spec};
use bytemuck::{Pod, Zeroable};

/// `average += (1 - d) * (x - average)` with `d = min(decay, (1 + t) / (10 + t))` at optimizer step t: the average follows quickly
/// while there is little to average (as in TensorFlow's `ExponentialMovingAverage(decay, num_updates)`).
///
/// Inputs, both f32 of one shape: the average, which changes, and x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MovingAverage {
    /// Share of the old average that a late step keeps, in `[0, 1)`.
    pub decay: f32,
}

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "moving_average",
    cases,
    ladders: &[],
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    quads: u32,
    decay: f32,
    pad: [u32; 2],
}

impl Op for MovingAverage {
    fn name(&self) -> &'static str {
        "moving_average"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("moving_average", message));
        let [average, x] = x else {
            return error(format!("takes average and x, got {} inputs", x.len()));
        };
        if x.dtype != DType::F32 || average != x {
            return error(format!(
                "the average is {}, x {}; both must be f32 of one shape",
                average.shape, x.shape
            ));
        }
        if !(0.0..1.0).contains(&self.decay) {
            return error(format!("decay is {}; it must be in [0, 1)", self.decay));
        }
        Ok(vec![])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[]
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let quads = io.x(0).numel().div_ceil(4);
        let params = Params {
            quads: quads as u32,
            decay: self.decay,
            pad: [0; 2],
        };
        let control = l.control();
        let tensors = [io.x(0), io.x(1), &control];
        let grid = grid_1d(quads, WORKGROUP);
        l.dispatch(
            kernel!("moving_average/update", "step"),
            &tensors,
            params,
            grid,
        )
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let t = f64::from(step.step);
        let warm = (1.0 + t) / (10.0 + t);
        let rate = T::lit(1.0 - f64::from(self.decay).min(warm));
        let mut average = x[0].clone();
        for (a, &v) in average.data.iter_mut().zip(&x[1].data) {
            *a = *a + rate * (v - *a);
        }
        vec![average]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, decay, shape: &[usize]| {
        let x = (Spec::f32(shape), Fill::Normal(1.0));
        Case::new(name, MovingAverage { decay }, vec![x.clone(), x])
    };
    vec![
        case("one element", 0.5, &[1]),
        case("warming up", 0.999, &[3, 5, 7]),
        case("decay below the warm-up's", 0.1, &[2, 13]),
        case("no memory", 0.0, &[67]),
    ]
}
