//! Fully connected layer with an optional fused ReLU.

mod direct;
mod gemm;
mod geometry;
mod half;
mod ladder;
mod reference;
mod split;
mod windows;

pub use ladder::{BACKWARD_BIAS, BACKWARD_INPUT, BACKWARD_WEIGHT, FORWARD};

use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Pass, Real, Saved, Step};
use crate::error::{Error, Result};
use crate::tensor::{DType, Shape, Spec};
use geometry::Geometry;

/// `y[n,o] = b[o] + Σ w[o,i] · x[n,i]`, then ReLU if asked.
///
/// Inputs: x `[N,I]`, w `[O,I]` (PyTorch's layout; Keras' kernel transposed), b `[O]`. Output: y `[N,O]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dense {
    /// `y = max(w · x + b, 0)`.
    pub relu: bool,
}

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "dense",
    cases,
    ladders: ladder::ALL,
};

impl Dense {
    fn geometry(self, x: &Shape, w: &Shape) -> Result<Geometry> {
        let fail = |message: String| Err(Error::shape("dense", message));
        let (&[n, i], &[o, wi]) = (x.dims(), w.dims()) else {
            return fail(format!(
                "x must be [N, I] and weight [O, I]; x is {x}, weight {w}"
            ));
        };
        if wi != i {
            return fail(format!("weight has {wi} inputs, x has {i} (x is {x})"));
        }
        if n == 0 || i == 0 || o == 0 {
            return fail(format!(
                "x and weight need at least 1 of everything; x is {x}, weight {w}"
            ));
        }
        let relu = self.relu;
        Ok(Geometry { n, i, o, relu })
    }
}

impl Op for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn output_specs(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let [x, w, b] = inputs else {
            return Err(Error::shape(
                "dense",
                format!("takes x, weight and bias, got {} inputs", inputs.len()),
            ));
        };
        if inputs.iter().any(|s| s.dtype != DType::F32) {
            return Err(Error::shape("dense", "x, weight and bias must be f32"));
        }
        let g = self.geometry(&x.shape, &w.shape)?;
        if b.shape.dims() != [g.o] {
            return Err(Error::shape(
                "dense",
                format!("bias is {}, weight has {} outputs", b.shape, g.o),
            ));
        }
        Ok(vec![Spec::f32([g.n, g.o])])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0, 1, 2]
    }

    fn saved(&self) -> Saved {
        Saved {
            inputs: &[0, 1],
            outputs: if self.relu { &[0] } else { &[] },
        }
    }

    fn flops(&self, pass: Pass, inputs: &[Spec], _: &[Spec]) -> u64 {
        let directions = if pass == Pass::Backward { 2 } else { 1 };
        self.geometry(&inputs[0].shape, &inputs[1].shape)
            .map_or(0, |g| 2 * directions * (g.n * g.i * g.o) as u64)
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let g = self.geometry(io.x(0).shape(), io.x(1).shape())?;
        l.run(&FORWARD, &g, io)
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let g = self.geometry(io.x(0).shape(), io.x(1).shape())?;
        for (input, ladder) in [
            (2, &BACKWARD_BIAS),
            (1, &BACKWARD_WEIGHT),
            (0, &BACKWARD_INPUT),
        ] {
            if io.dx(input).is_some() {
                l.run(ladder, &g, io)?;
            }
        }
        Ok(())
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        vec![reference::forward(x[0], x[1], x[2], self.relu)]
    }

    fn backward_reference<T: Real>(
        &self,
        x: &[&Array<T>],
        y: &[&Array<T>],
        dy: &Array<T>,
        _: &Step,
    ) -> Vec<Array<T>> {
        let mut dz = dy.clone();
        if self.relu {
            for (dz, &y) in dz.data.iter_mut().zip(&y[0].data) {
                // As the kernels: what is no number is not above 0.
                let passes = y > T::zero();
                if !passes {
                    *dz = T::zero();
                }
            }
        }
        vec![
            reference::backward_input(x[1], &dz),
            reference::backward_weight(x[0], &dz),
            reference::backward_bias(&dz),
        ]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, relu, [n, i, o]: [usize; 3]| {
        let inputs = vec![
            (Spec::f32([n, i]), Fill::Normal(1.0)),
            (Spec::f32([o, i]), Fill::Normal(0.5)),
            (Spec::f32([o]), Fill::Normal(1.0)),
        ];
        Case::new(name, Dense { relu }, inputs)
    };
    let mut zeros = case("relu, exact zeros", true, [9, 8, 13]).kinks();
    for input in &mut zeros.inputs {
        input.fill = Fill::Ties;
    }
    vec![
        case("1 of everything", false, [1, 1, 1]),
        case("prime sizes", false, [3, 7, 5]),
        case("inputs in whole quads", false, [5, 8, 7]),
        case("outputs in whole quads", true, [6, 9, 8]),
        case("whole tiles", true, [8, 16, 12]),
        case("batch 1, relu", true, [1, 12, 10]),
        case("relu", true, [6, 20, 11]),
        zeros,
        case("larger than a tile", false, [37, 132, 67]).kinks(),
        case("one sample, odd everything", true, [1, 3, 5]),
        case("several workgroups, no multiple of 4", true, [70, 130, 65]).kinks(),
        case("several workgroups", true, [66, 132, 72]).kinks(),
        case(
            "few outputs, inputs split over a workgroup",
            true,
            [10, 520, 11],
        )
        .kinks(),
        case(
            "few outputs, more inputs than a workgroup takes at once",
            false,
            [3, 1544, 9],
        )
        .kinks(),
        case(
            "several workgroups along k, inputs not in quads",
            false,
            [131, 37, 130],
        )
        .kinks(),
        case("several chunks of inputs", false, [5, 1036, 12]).kinks(),
        case("several chunks of samples and outputs", true, [515, 8, 520]).kinks(),
        case("long sums", true, [2, 1021, 3]).kinks(),
    ]
}
