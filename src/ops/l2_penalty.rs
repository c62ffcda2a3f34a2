//! L2 penalty of one parameter.

use super::reduce::{Finish, partial_sums_of_squares, sum_of_squares};
use super::util::WORKGROUP;
use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Real, Saved, Step, grid_1d};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{DType, Spec};
use bytemuck::{Pod, Zeroable};

/// `loss = coefficient * sum w^2 * share`: Keras's `regularizers.L2`, without the factor 1/2 that others put in front.
/// Input: w of any shape. Output: `[1]`.
///
/// `share` is the micro-batch's part of the batch, so that a batch counts the penalty once however it is split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L2Penalty {
    /// Factor of the sum of squares, at least 0.
    pub coefficient: f32,
}

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "l2_penalty",
    cases,
    ladders: &[],
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Backward {
    elements: u32,
    coefficient: f32,
    pad: [u32; 2],
}

impl Op for L2Penalty {
    fn name(&self) -> &'static str {
        "l2_penalty"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let [w] = x else {
            let message = format!("takes 1 input, got {}", x.len());
            return Err(Error::shape("l2_penalty", message));
        };
        if w.dtype != DType::F32 || w.numel() == 0 {
            let message = format!("w is {} of {:?}, not a tensor of f32", w.shape, w.dtype);
            return Err(Error::shape("l2_penalty", message));
        }
        if !(self.coefficient.is_finite() && self.coefficient >= 0.0) {
            let message = format!("coefficient is {}; it can't be negative", self.coefficient);
            return Err(Error::shape("l2_penalty", message));
        }
        Ok(vec![Spec::f32([1])])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }

    fn saved(&self) -> Saved {
        Saved {
            inputs: &[0],
            outputs: &[],
        }
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let partial = partial_sums_of_squares(io.x(0), l)?;
        let control = l.control();
        let params = Finish::new(&partial, self.coefficient);
        let tensors = [&partial, io.y(0), &control];
        l.dispatch(
            kernel!("l2_penalty/finish", "tree_sum", "step"),
            &tensors,
            params,
            [1, 1, 1],
        )
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let Some(dw) = io.dx(0) else { return Ok(()) };
        let params = Backward {
            elements: dw.numel() as u32,
            coefficient: self.coefficient,
            pad: [0; 2],
        };
        let control = l.control();
        let tensors = [io.dy(), io.x(0), dw, &control];
        let grid = grid_1d(dw.numel().div_ceil(4), WORKGROUP);
        l.dispatch(
            kernel!("l2_penalty/backward", "step"),
            &tensors,
            params,
            grid,
        )
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let factor = T::lit(f64::from(self.coefficient)) * T::lit(f64::from(step.share));
        vec![Array {
            shape: [1].into(),
            data: vec![factor * sum_of_squares(x[0])],
        }]
    }

    fn backward_reference<T: Real>(
        &self,
        x: &[&Array<T>],
        _: &[&Array<T>],
        dy: &Array<T>,
        step: &Step,
    ) -> Vec<Array<T>> {
        let factor = T::lit(f64::from(self.coefficient)) * T::lit(f64::from(step.share));
        let gradient = |&w: &T| T::lit(2.0) * factor * dy.data[0] * w;
        vec![Array {
            shape: x[0].shape.clone(),
            data: x[0].data.iter().map(gradient).collect(),
        }]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, shape: &[usize]| {
        let op = L2Penalty { coefficient: 0.25 };
        Case::new(name, op, vec![(Spec::f32(shape), Fill::Normal(1.0))])
    };
    vec![
        case("one element", &[1]),
        case("prime sizes", &[3, 5, 7]),
        case("second micro-batch", &[5, 3]).starting_at(7),
        case("two workgroups and a rest", &[17, 251]).kinks(),
    ]
}
