//! Global average pooling.

use super::{WORKGROUP, only_input};
use crate::error::{Error, Result};
use crate::kernel;
use crate::ops::select::anything;
use crate::ops::{
    Array, Case, Entry, Family, Fill, Io, Lowering, Op, Problem, Real, Rung, Step, Work, grid_1d,
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
    families: &[&FORWARD],
};

/// y from x.
pub static FORWARD: Family = Family {
    name: "global_avg_pool.forward",
    rungs: &[
        Rung {
            name: "1_naive",
            supports: anything,
            rounding: 1.0,
        },
        Rung {
            name: "2_tree",
            supports: anything,
            rounding: 1.0,
        },
    ],
    // A CPU driver runs lanes in vectors of 8 and pays for every barrier; a GPU wants neighbours to read neighbours.
    software: |_| &["1_naive"],
    hardware: &["2_tree"],
    work: |p| Work {
        flops: (p.get("planes") * p.get("area")) as u64,
        bytes: 4 * (p.get("planes") * (p.get("area") + 1)) as u64,
    },
};

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    /// Samples times channels.
    planes: u32,
    /// Elements of a plane, H times W.
    area: u32,
    reserved: [u32; 2],
}

impl Params {
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

impl Op for GlobalAvgPool {
    fn name(&self) -> &'static str {
        "global_avg_pool"
    }

    fn output_specs(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = only_input("global_avg_pool", inputs)?;
        Params::new(x)?;
        Ok(vec![Spec::f32([x.dims()[0], x.dims()[1]])])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let (x, y) = (io.x(0), io.y(0));
        let p = Params::new(x.shape())?;
        let problem = Problem(vec![
            ("planes", p.planes as usize),
            ("area", p.area as usize),
        ]);
        let (kernel, grid) = match l.choose(&FORWARD, &problem)? {
            "2_tree" => (
                kernel!("global_avg_pool/forward_2_tree"),
                grid_1d(y.numel(), 1),
            ),
            _ => (
                kernel!("global_avg_pool/forward_1_naive"),
                grid_1d(y.numel(), WORKGROUP),
            ),
        };
        l.dispatch(kernel, &[x, y], p, grid)
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let Some(dx) = io.dx(0) else { return Ok(()) };
        let grid = grid_1d(dx.numel().div_ceil(4), WORKGROUP);
        let kernel = kernel!("global_avg_pool/backward");
        l.dispatch(kernel, &[io.dy(), dx], Params::new(dx.shape())?, grid)
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
