//! Global average pooling.

use super::{WORKGROUP, only_input};
use crate::error::{Error, Result};
use crate::kernel;
use crate::ops::{
    Array, Case, DeviceClass, Entry, Fill, Io, Ladder, Lowering, Op, Problem, Real, Rung, Step,
    Work, anything, grid_1d, nested,
};
use crate::tensor::{Shape, Spec};
use bytemuck::{Pod, Zeroable};

/// `y[n,c] = mean of x[n,c,·,·]`. Input: x `[N,C,H,W]`. Output: y `[N,C]`. Its gradient spreads dy evenly over the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GlobalAvgPool;

/// Registry line.
pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "global_avg_pool",
    cases,
    ladders: &[&FORWARD],
};

/// y from x.
pub static FORWARD: Ladder<Geometry> = Ladder {
    name: "global_avg_pool.forward",
    rungs: &[
        Rung::<Geometry>::naive(|g, io, l| {
            let grid = grid_1d(io.y(0).numel(), WORKGROUP);
            let kernel = kernel!("global_avg_pool/naive/forward");
            l.dispatch(kernel, &[io.x(0), io.y(0)], *g, grid)
        })
        .iterations(|g| nested([g.area as usize / 4]) + nested([3])),
        Rung::<Geometry>::gpu("tree", anything, |g, io, l| {
            let grid = grid_1d(io.y(0).numel(), 1);
            let kernel = kernel!("global_avg_pool/tree/forward", "tree_sum");
            l.dispatch(kernel, &[io.x(0), io.y(0)], *g, grid)
        })
        .iterations(|g| nested([g.area as usize / 256 + 2]) + nested([6])),
    ],
    // A CPU driver runs lanes in vectors of 8 and pays for every barrier; a GPU wants neighbours to read neighbours.
    order: |_, c| match c.class {
        DeviceClass::Hardware => vec![FORWARD.rungs[1]],
        DeviceClass::Software => vec![FORWARD.rungs[0]],
    },
    work: |g| {
        let (planes, area) = (u64::from(g.planes), u64::from(g.area));
        Work {
            flops: planes * area,
            bytes: 4 * planes * (area + 1),
        }
    },
};

/// Sizes, as the kernels read them.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct Geometry {
    /// Samples times channels.
    planes: u32,
    /// Elements of a plane, H times W.
    area: u32,
    reserved: [u32; 2],
}

impl Geometry {
    fn new(x: &Shape) -> Result<Self> {
        match *x.dims() {
            [n, c, h, w] if n * c * h * w > 0 => Ok(Self {
                planes: (n * c) as u32,
                area: (h * w) as u32,
                reserved: [0; 2],
            }),
            _ => Err(Error::shape(
                "global_avg_pool",
                format!("x must be [N, C, H, W] with at least 1 of everything, it is {x}"),
            )),
        }
    }
}

impl crate::ops::Geometry for Geometry {
    fn problem(&self) -> Problem {
        Problem(vec![
            ("planes", self.planes as usize),
            ("area", self.area as usize),
        ])
    }
}

impl Op for GlobalAvgPool {
    fn name(&self) -> &'static str {
        "global_avg_pool"
    }

    fn output_specs(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = only_input("global_avg_pool", inputs)?;
        Geometry::new(x)?;
        Ok(vec![Spec::f32([x.dims()[0], x.dims()[1]])])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        l.run(&FORWARD, &Geometry::new(io.x(0).shape())?, io)
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let Some(dx) = io.dx(0) else { return Ok(()) };
        let grid = grid_1d(dx.numel().div_ceil(4), WORKGROUP);
        let kernel = kernel!("global_avg_pool/backward");
        l.dispatch(kernel, &[io.dy(), dx], Geometry::new(dx.shape())?, grid)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let [n, c, h, w] = x[0].nchw();
        let mut y = Array::zeros([n, c]);
        for (y, plane) in y.data.iter_mut().zip(x[0].data.chunks(h * w)) {
            *y = plane.iter().copied().sum::<T>() / T::lit((h * w) as f64);
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
        let [_, _, h, w] = x[0].nchw();
        let mut dx = Array::zeros(x[0].shape.clone());
        for (plane, &dy) in dx.data.chunks_mut(h * w).zip(&dy.data) {
            plane.fill(dy / T::lit((h * w) as f64));
        }
        vec![dx]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, x: [usize; 4]| {
        let x = (Spec::f32(x), Fill::Normal(1.0));
        Case::new(name, GlobalAvgPool, vec![x])
    };
    vec![
        case("1x1 input", [1, 1, 1, 1]),
        case("1x1 planes", [3, 7, 1, 1]),
        case("prime sizes", [3, 5, 7, 3]),
        case("planes larger than a workgroup", [2, 3, 9, 11]),
        case("more planes than a workgroup", [5, 17, 2, 3]),
    ]
}
