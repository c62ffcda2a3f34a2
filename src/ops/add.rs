//! Addition of two tensors of one shape: residual connections, sums of loss terms.

use super::util::Elementwise;
use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Pass, Real, Step};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::Spec;

/// `y = a + b`. Inputs: a, b of one shape. The gradient of both is dy itself, so nothing runs backward.
#[derive(Debug, Clone, Copy)]
pub struct Add;

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "add",
    cases,
    ladders: &[],
};

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let [a, b] = x else {
            return Err(Error::shape(
                "add",
                format!("takes 2 inputs, got {}", x.len()),
            ));
        };
        if a != b {
            return Err(Error::shape(
                "add",
                format!(
                    "a is {}, b is {}; both must have one shape",
                    a.shape, b.shape
                ),
            ));
        }
        Ok(vec![a.clone()])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0, 1]
    }

    fn in_place(&self, pass: Pass) -> Option<(usize, usize)> {
        (pass != Pass::Backward).then_some((0, 0))
    }

    fn gradient_is_dy(&self) -> bool {
        true
    }

    fn cheap_to_recompute(&self) -> bool {
        true
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let p = Elementwise::new(io.y(0).numel(), 0.0);
        l.dispatch(kernel!("add/forward"), &[io.y(0), io.x(1)], p, p.grid())
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let data = x[0]
            .data
            .iter()
            .zip(&x[1].data)
            .map(|(&a, &b)| a + b)
            .collect();
        vec![Array {
            shape: x[0].shape.clone(),
            data,
        }]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, shape: &[usize]| {
        let x = (Spec::f32(shape), Fill::Normal(1.0));
        Case::new(name, Add, vec![x.clone(), x])
    };
    vec![
        case("scalar", &[1]),
        case("prime sizes", &[3, 5, 7, 11]),
        case("more than one workgroup", &[2, 8, 9, 13]),
    ]
}
