//! Sigmoid linear unit.

use super::util::Elementwise;
use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Real, Saved, Step};
use crate::error::Result;
use crate::kernel;
use crate::tensor::Spec;

/// `y = x * sigmoid(x)` (Elfwing, Uchibe & Doya 2017). Input: x of any shape.
#[derive(Debug, Clone, Copy)]
pub struct Silu;

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "silu",
    cases,
    ladders: &[],
};

impl Op for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![x[0].clone()])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }

    /// y does not tell x: it has a minimum, and takes the values beside it twice.
    fn saved(&self) -> Saved {
        Saved {
            inputs: &[0],
            outputs: &[],
        }
    }

    fn cheap_to_recompute(&self) -> bool {
        true
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let p = Elementwise::new(io.y(0).numel(), 0.0);
        l.dispatch(kernel!("silu/forward"), &[io.x(0), io.y(0)], p, p.grid())
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let Some(dx) = io.dx(0) else { return Ok(()) };
        let p = Elementwise::new(dx.numel(), 0.0);
        let tensors = [io.dy(), io.x(0), dx];
        l.dispatch(kernel!("silu/backward"), &tensors, p, p.grid())
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let silu = |&v: &T| v * sigmoid(v);
        vec![Array {
            shape: x[0].shape.clone(),
            data: x[0].data.iter().map(silu).collect(),
        }]
    }

    fn backward_reference<T: Real>(
        &self,
        x: &[&Array<T>],
        _: &[&Array<T>],
        dy: &Array<T>,
        _: &Step,
    ) -> Vec<Array<T>> {
        let gradient = |(&g, &v): (&T, &T)| {
            let s = sigmoid(v);
            g * (s + v * s * (T::one() - s))
        };
        vec![Array {
            shape: dy.shape.clone(),
            data: dy.data.iter().zip(&x[0].data).map(gradient).collect(),
        }]
    }
}

fn sigmoid<T: Real>(v: T) -> T {
    T::one() / (T::one() + (-v).exp())
}

fn cases() -> Vec<Case> {
    let case = |name, shape: &[usize], fill| Case::new(name, Silu, vec![(Spec::f32(shape), fill)]);
    vec![
        case("one element", &[1, 1], Fill::Normal(1.0)),
        case("prime sizes", &[3, 5, 7, 11], Fill::Normal(2.0)),
        case("far from 0", &[2, 257], Fill::Uniform(-200.0, 200.0)),
    ]
}
