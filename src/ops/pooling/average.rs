//! Average pooling.

use super::{Geometry, WORKGROUP, fixed_pays, only_input, small_window};
use crate::error::Result;
use crate::kernel;
use crate::ops::{
    Array, Case, Entry, Fill, Io, Ladder, Lowering, Op, Real, Rung, Step, grid_1d, nested,
};
use crate::tensor::Spec;

/// `y[n,c,i,j] = mean of x[n, c, i·stride + u, j·stride + v]` over the window; no padding, windows that don't fit are left
/// out. Input: x `[N,C,H,W]`. Output: y `[N,C,OH,OW]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AvgPool2d {
    /// Rows and columns of a window.
    pub window: [usize; 2],
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
}

/// Registry line.
pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "avg_pool2d",
    cases,
    ladders: &[&FORWARD, &BACKWARD],
};

/// y from x.
pub static FORWARD: Ladder<Geometry> = Ladder {
    name: "avg_pool2d.forward",
    rungs: &[
        Rung::naive(forward).iterations(|g| nested(g.window())),
        Rung::gpu("fixed", small_window, forward_fixed),
    ],
    order: |g, c| {
        if fixed_pays(g, c.class) {
            vec![FORWARD.rungs[1]]
        } else {
            Vec::new()
        }
    },
    work: |g| g.work(0),
};

/// dx from dy.
pub static BACKWARD: Ladder<Geometry> = Ladder {
    name: "avg_pool2d.backward",
    rungs: &[
        Rung::naive(backward).iterations(|g| nested(g.overlap())),
        Rung::gpu("fixed", small_window, backward_fixed),
    ],
    order: |g, c| {
        if fixed_pays(g, c.class) {
            vec![BACKWARD.rungs[1]]
        } else {
            Vec::new()
        }
    },
    work: |g| g.work(0),
};

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn output_specs(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = only_input("avg_pool2d", inputs)?;
        let p = Geometry::new("avg_pool2d", self.window, self.stride, x)?;
        Ok(vec![Spec::f32(p.output(x))])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let g = Geometry::new("avg_pool2d", self.window, self.stride, io.x(0).shape())?;
        l.run(&FORWARD, &g, io)
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let Some(dx) = io.dx(0) else { return Ok(()) };
        let g = Geometry::new("avg_pool2d", self.window, self.stride, dx.shape())?;
        l.run(&BACKWARD, &g, io)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let (p, area) = self.params(x[0]);
        let mut y = Array::zeros(p.output(&x[0].shape));
        p.for_each_tap(|output, input, _| {
            y.data[output] = y.data[output] + x[0].data[input];
        });
        for y in &mut y.data {
            *y = *y / area;
        }
        vec![y]
    }

    fn backward_reference<T: Real>(
        &self,
        x: &[&Array<T>],
        _: &[&Array<T>],
        dy: &Array<T>,
        _: &Step,
    ) -> Vec<Array<T>> {
        let (p, area) = self.params(x[0]);
        let mut dx = Array::zeros(x[0].shape.clone());
        p.for_each_tap(|output, input, _| {
            dx.data[input] = dx.data[input] + dy.data[output] / area;
        });
        vec![dx]
    }
}

impl AvgPool2d {
    /// Sizes, and the number of elements in a window.
    fn params<T: Real>(&self, x: &Array<T>) -> (Geometry, T) {
        let p = Geometry::new("avg_pool2d", self.window, self.stride, &x.shape)
            .expect("shapes were checked when the op was recorded");
        (p, T::lit(f64::from(p.window_h * p.window_w)))
    }
}

fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (x, y) = (io.x(0), io.y(0));
    let kernel = kernel!("avg_pool2d/naive/forward", "pooling");
    l.dispatch(kernel, &[x, y], *g, grid_1d(y.numel(), WORKGROUP))
}

fn backward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dx = io.wanted(0);
    let kernel = kernel!("avg_pool2d/naive/backward", "pooling");
    l.dispatch(kernel, &[io.dy(), dx], *g, grid_1d(dx.numel(), WORKGROUP))
}

fn forward_fixed(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (x, y) = (io.x(0), io.y(0));
    let kernel = g.fixed(kernel!("avg_pool2d/fixed/forward", "fixed_pooling"));
    l.dispatch(kernel, &[x, y], *g, grid_1d(y.numel(), WORKGROUP))
}

fn backward_fixed(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dx = io.wanted(0);
    let kernel = g.fixed(kernel!("avg_pool2d/fixed/backward", "fixed_pooling"));
    let grid = grid_1d(dx.numel().div_ceil(4), WORKGROUP);
    l.dispatch(kernel, &[io.dy(), dx], *g, grid)
}

fn cases() -> Vec<Case> {
    let case = |name, window, stride, x: [usize; 4]| {
        let x = (Spec::f32(x), Fill::Normal(1.0));
        Case::new(name, AvgPool2d { window, stride }, vec![x])
    };
    vec![
        case("1x1 input", [1, 1], [1, 1], [1, 1, 1, 1]),
        case("2x2", [2, 2], [2, 2], [2, 3, 4, 6]),
        case("2x2, odd sizes", [2, 2], [2, 2], [1, 3, 5, 7]),
        case("overlapping", [3, 3], [2, 2], [2, 2, 7, 9]),
        case("overlapping every way", [3, 2], [1, 1], [1, 3, 5, 6]),
        case("gaps between windows", [2, 1], [3, 4], [1, 2, 11, 10]),
        case("window as large as x", [17, 19], [1, 1], [1, 1, 17, 19]),
    ]
}
