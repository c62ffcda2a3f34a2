//! Max-pooling.

use super::{Geometry, WORKGROUP, fixed_pays, only_input, small_window};
use crate::error::{Error, Result};
use crate::kernel;
use crate::ops::{
    Array, Case, Entry, Fill, Io, Ladder, Lowering, Op, Real, Rung, Saved, Step, grid_1d,
};
use crate::tensor::Spec;

/// `y[n,c,i,j] = max x[n, c, i·stride + u, j·stride + v]` over the window; no padding, windows that don't fit are left out.
///
/// Input: x `[N,C,H,W]`. Outputs: y `[N,C,OH,OW]` and argmax (u8, same shape): number of the maximum in its window,
/// `u · window width + v`. Of equal maxima the first counts, and it alone gets the gradient. A NaN counts as largest, so that
/// it shows in y as it does in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaxPool2d {
    /// Rows and columns of a window, at most 255 elements.
    pub window: [usize; 2],
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
}

/// Registry line.
pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "max_pool2d",
    cases,
    ladders: &[&FORWARD, &BACKWARD],
};

/// y and argmax from x.
pub static FORWARD: Ladder<Geometry> = Ladder {
    name: "max_pool2d.forward",
    rungs: &[
        Rung::naive(forward),
        Rung::gpu("fixed", small_window, forward_fixed),
    ],
    order: |g, c| {
        if fixed_pays(g, c.class) {
            vec![FORWARD.rungs[1]]
        } else {
            Vec::new()
        }
    },
    work: |g| g.work(1),
};

/// dx from dy and argmax.
pub static BACKWARD: Ladder<Geometry> = Ladder {
    name: "max_pool2d.backward",
    rungs: &[
        Rung::naive(backward),
        Rung::gpu("fixed", small_window, backward_fixed),
    ],
    order: |g, c| {
        if fixed_pays(g, c.class) {
            vec![BACKWARD.rungs[1]]
        } else {
            Vec::new()
        }
    },
    work: |g| g.work(1),
};

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn output_specs(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = only_input("max_pool2d", inputs)?;
        let p = Geometry::new("max_pool2d", self.window, self.stride, x)?;
        if p.window_h * p.window_w > 255 {
            return Err(Error::shape(
                "max_pool2d",
                format!(
                    "a window of {}x{} has more than 255 elements, the most that a byte can number",
                    p.window_h, p.window_w
                ),
            ));
        }
        let y = p.output(x);
        Ok(vec![Spec::f32(y), Spec::u8(y)])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }

    fn saved(&self) -> Saved {
        Saved {
            inputs: &[],
            outputs: &[1],
        }
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let g = Geometry::new("max_pool2d", self.window, self.stride, io.x(0).shape())?;
        l.run(&FORWARD, &g, io)
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let Some(dx) = io.dx(0) else { return Ok(()) };
        let g = Geometry::new("max_pool2d", self.window, self.stride, dx.shape())?;
        l.run(&BACKWARD, &g, io)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let p = self.params(x[0]);
        let mut y = Array::zeros(p.output(&x[0].shape));
        let mut argmax = y.clone();
        p.for_each_tap(|output, input, tap| {
            let (v, best) = (x[0].data[input], &mut y.data[output]);
            if tap == 0 || v > *best || (v.is_nan() && !best.is_nan()) {
                *best = v;
                argmax.data[output] = T::lit(tap as f64);
            }
        });
        vec![y, argmax]
    }

    fn backward_reference<T: Real>(
        &self,
        x: &[&Array<T>],
        y: &[&Array<T>],
        dy: &Array<T>,
        _: &Step,
    ) -> Vec<Array<T>> {
        let mut dx = Array::zeros(x[0].shape.clone());
        self.params(x[0]).for_each_tap(|output, input, tap| {
            if y[1].data[output].f64() as usize == tap {
                dx.data[input] = dx.data[input] + dy.data[output];
            }
        });
        vec![dx]
    }
}

impl MaxPool2d {
    fn params<T: Real>(&self, x: &Array<T>) -> Geometry {
        Geometry::new("max_pool2d", self.window, self.stride, &x.shape)
            .expect("shapes were checked when the op was recorded")
    }
}

fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let grid = grid_1d(io.y(0).numel().div_ceil(4), WORKGROUP);
    let kernel = kernel!("max_pool2d/naive/forward", "pooling");
    l.dispatch(kernel, &[io.x(0), io.y(0), io.y(1)], *g, grid)
}

fn backward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dx = io.wanted(0);
    let (kernel, grid) = (
        kernel!("max_pool2d/naive/backward", "pooling"),
        grid_1d(dx.numel(), WORKGROUP),
    );
    l.dispatch(kernel, &[io.dy(), io.y(1), dx], *g, grid)
}

fn forward_fixed(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let kernel = g.fixed(kernel!("max_pool2d/fixed/forward", "fixed_pooling"));
    let grid = grid_1d(io.y(0).numel(), WORKGROUP);
    l.dispatch(kernel, &[io.x(0), io.y(0), io.y(1)], *g, grid)
}

fn backward_fixed(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dx = io.wanted(0);
    let kernel = g.fixed(kernel!("max_pool2d/fixed/backward", "fixed_pooling"));
    let grid = grid_1d(dx.numel().div_ceil(4), WORKGROUP);
    l.dispatch(kernel, &[io.dy(), io.y(1), dx], *g, grid)
}

fn cases() -> Vec<Case> {
    let case = |name, window, stride, x: [usize; 4], fill| {
        Case::new(
            name,
            MaxPool2d { window, stride },
            vec![(Spec::f32(x), fill)],
        )
    };
    use Fill::{Distinct, Ties};
    vec![
        case("1x1 input", [1, 1], [1, 1], [1, 1, 1, 1], Distinct),
        case("2x2", [2, 2], [2, 2], [2, 3, 4, 6], Distinct),
        case("2x2, odd sizes", [2, 2], [2, 2], [1, 3, 5, 7], Distinct),
        case("overlapping", [3, 3], [2, 2], [2, 2, 7, 9], Distinct),
        case(
            "overlapping every way",
            [3, 2],
            [1, 1],
            [1, 3, 5, 6],
            Distinct,
        ),
        case(
            "gaps between windows",
            [2, 1],
            [3, 4],
            [1, 2, 11, 10],
            Distinct,
        ),
        case(
            "window as large as x",
            [15, 17],
            [1, 1],
            [1, 1, 15, 17],
            Distinct,
        ),
        case("ties", [3, 3], [2, 2], [3, 5, 9, 11], Ties).kinks(),
        case("ties, overlapping", [2, 3], [1, 2], [2, 3, 13, 11], Ties).kinks(),
    ]
}
