//! Rectified linear unit.

use super::util::Elementwise;
use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Pass, Real, Saved, Step};
use crate::error::Result;
use crate::kernel;
use crate::tensor::Spec;

/// `y = max(x, 0)`. Input: x of any shape. The gradient at 0 is 0, as in TensorFlow and PyTorch.
#[derive(Debug, Clone, Copy)]
pub struct Relu;

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "relu",
    cases,
    ladders: &[],
};

impl Op for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![x[0].clone()])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }

    /// y > 0 exactly where x > 0, so the output serves as the mask and x may be overwritten.
    fn saved(&self) -> Saved {
        Saved {
            inputs: &[],
            outputs: &[0],
        }
    }

    fn in_place(&self, _: Pass) -> Option<(usize, usize)> {
        Some((0, 0))
    }

    fn cheap_to_recompute(&self) -> bool {
        true
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let p = Elementwise::new(io.y(0).numel(), 0.0);
        l.dispatch(kernel!("relu/forward"), &[io.y(0)], p, p.grid())
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let Some(dx) = io.dx(0) else { return Ok(()) };
        let p = Elementwise::new(dx.numel(), 0.0);
        l.dispatch(kernel!("relu/backward"), &[dx, io.y(0)], p, p.grid())
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let relu = |&v: &T| if v > T::zero() { v } else { T::zero() };
        vec![Array {
            shape: x[0].shape.clone(),
            data: x[0].data.iter().map(relu).collect(),
        }]
    }

    fn backward_reference<T: Real>(
        &self,
        _: &[&Array<T>],
        y: &[&Array<T>],
        dy: &Array<T>,
        _: &Step,
    ) -> Vec<Array<T>> {
        let mask = |(&g, &v): (&T, &T)| if v > T::zero() { g } else { T::zero() };
        vec![Array {
            shape: dy.shape.clone(),
            data: dy.data.iter().zip(&y[0].data).map(mask).collect(),
        }]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, shape: &[usize], fill| Case::new(name, Relu, vec![(Spec::f32(shape), fill)]);
    vec![
        case("1x1 input", &[1, 1, 1, 1], Fill::Distinct),
        case("prime sizes", &[3, 5, 7, 11], Fill::Distinct),
        case("exact zeros", &[2, 8, 9, 13], Fill::Ties).kinks(),
    ]
}
