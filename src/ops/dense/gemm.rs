//! A dense layer's three directions as one product, `c[m,n] = bias[n] + Σ_k a[m,k] · b[n,k]`, and the rung that keeps tiles of it
//! in workgroup memory.
//!
//! | | a | b | c |
//! |---|---|---|---|
//! | forward | x `[N,I]` | w `[O,I]` | y `[N,O]`, with bias and ReLU |
//! | backward_input | g `[N,O]` | w, read down its columns | dx `[N,I]` |
//! | backward_weight | g, read down its columns | x, read down its columns | dw `[O,I]` |
//!
//! g is dy where y is positive under ReLU, else dy.

use super::geometry::Geometry;
use crate::error::Result;
use crate::kernel;
use crate::ops::{Io, Iterations, Lowering, Rung, anything, nested};
use crate::tensor::Tensor;
use bytemuck::{Pod, Zeroable};

/// A rung that serves all directions.
pub(super) struct Directions {
    pub forward: Rung<Geometry>,
    pub backward_input: Rung<Geometry>,
    pub backward_weight: Rung<Geometry>,
}

/// `directions!(name, gpu or cpu_driver, supports, run)`: the rung in all directions; `run` takes the product.
macro_rules! directions {
    ($name:literal, $class:ident, $supports:expr, $run:expr) => {
        $crate::ops::dense::gemm::Directions {
            forward: $crate::ops::Rung::$class($name, $supports, |g, io, l| {
                $run(&$crate::ops::dense::gemm::Gemm::forward(g, io), l)
            }),
            backward_input: $crate::ops::Rung::$class($name, $supports, |g, io, l| {
                $run(&$crate::ops::dense::gemm::Gemm::backward_input(g, io), l)
            }),
            backward_weight: $crate::ops::Rung::$class($name, $supports, |g, io, l| {
                $run(&$crate::ops::dense::gemm::Gemm::backward_weight(g, io), l)
            }),
        }
    };
}
pub(super) use directions;

impl Directions {
    /// With loops that grow with the contraction; `of` has what they add for each direction's.
    pub(super) const fn iterations(self, of: [fn(&Geometry) -> Iterations; 3]) -> Self {
        Self {
            forward: self.forward.iterations(of[0]),
            backward_input: self.backward_input.iterations(of[1]),
            backward_weight: self.backward_weight.iterations(of[2]),
        }
    }

    /// With another rounding than 1.
    pub(super) const fn rounding(self, rounding: f64) -> Self {
        Self {
            forward: self.forward.rounding(rounding),
            backward_input: self.backward_input.rounding(rounding),
            backward_weight: self.backward_weight.rounding(rounding),
        }
    }
}

/// A factor: a matrix of `rows` rows along the contraction, as it lies in a tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// The tensor, `[rows, K]`, or `[K, rows]` when it is read down its columns.
    pub tensor: &'a Tensor,
    /// Elements count as 0 where this tensor of the same shape is not positive.
    pub mask: Option<&'a Tensor>,
    /// Rows of the product, or columns.
    pub rows: usize,
    /// Whether neighbours along the contraction are neighbours in memory; else those of neighbouring rows are.
    pub along_k: bool,
}

/// A product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gemm<'a> {
    pub a: View<'a>,
    pub b: View<'a>,
    /// Length of the contraction.
    pub k: usize,
    pub bias: Option<&'a Tensor>,
    pub relu: bool,
    /// `[a.rows, b.rows]`.
    pub c: &'a Tensor,
}

/// A matrix `[rows, columns]` as a factor whose contraction runs along its rows.
fn whole(tensor: &Tensor, rows: usize) -> View<'_> {
    View {
        tensor,
        mask: None,
        rows,
        along_k: true,
    }
}

/// The same down its columns.
fn turned(tensor: &Tensor, columns: usize) -> View<'_> {
    View {
        along_k: false,
        ..whole(tensor, columns)
    }
}

impl<'a> View<'a> {
    /// Elements from one row to the next, and from one k to the next.
    pub fn strides(&self, k: usize) -> [usize; 2] {
        match self.along_k {
            true => [k, 1],
            false => [1, self.rows],
        }
    }

    /// Whether four neighbours in memory, counted from the tensor's beginning, belong to one row or to one k.
    fn in_quads(&self, k: usize) -> bool {
        match self.along_k {
            true => k.is_multiple_of(4),
            false => self.rows.is_multiple_of(4),
        }
    }

    /// The mask, or what may stand in for it, so that the bindings stay the same.
    pub fn mask_or_self(&self) -> &'a Tensor {
        self.mask.unwrap_or(self.tensor)
    }

    fn masked(self, g: &Geometry, io: &'a Io) -> Self {
        Self {
            mask: g.relu.then(|| io.y(0)),
            ..self
        }
    }
}

impl<'a> Gemm<'a> {
    /// y from x, w and b.
    pub fn forward(g: &Geometry, io: &'a Io) -> Self {
        Self {
            a: whole(io.x(0), g.n),
            b: whole(io.x(1), g.o),
            k: g.i,
            bias: Some(io.x(2)),
            relu: g.relu,
            c: io.y(0),
        }
    }

    /// dx from dy and w.
    pub fn backward_input(g: &Geometry, io: &'a Io) -> Self {
        Self {
            a: whole(io.dy(), g.n).masked(g, io),
            b: turned(io.x(1), g.i),
            k: g.o,
            bias: None,
            relu: false,
            c: io.wanted(0),
        }
    }

    /// dw from dy and x.
    pub fn backward_weight(g: &Geometry, io: &'a Io) -> Self {
        Self {
            a: turned(io.dy(), g.o).masked(g, io),
            b: turned(io.x(0), g.i),
            k: g.n,
            bias: None,
            relu: false,
            c: io.wanted(1),
        }
    }

    /// The bias, or what may stand in for it.
    pub fn bias_or(&self, other: &'a Tensor) -> &'a Tensor {
        self.bias.unwrap_or(other)
    }

    /// Workgroups of 64x64 outputs each.
    pub fn grid(&self) -> [u32; 3] {
        let tiles = |rows: usize| rows.div_ceil(64) as u32;
        [tiles(self.b.rows), tiles(self.a.rows), 1]
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    m: u32,
    n: u32,
    k: u32,
    reserved: u32,
    a_row: u32,
    a_k: u32,
    b_row: u32,
    b_k: u32,
}

/// Any product, any device: 12.5 KiB of workgroup memory and 128 invocations are what every device has. A small product leaves most of a
/// 64x128 tile empty, but takes no longer for it: what takes time there is the chain of loads along k.
pub(super) const WORKGROUP: Directions = directions!("workgroup", gpu, anything, run).iterations([
    |g| pairs_of_stages(g.i),
    |g| pairs_of_stages(g.o),
    |g| pairs_of_stages(g.n),
]);

fn pairs_of_stages(k: usize) -> Iterations {
    nested([k.div_ceil(16), 1])
}

fn run(p: &Gemm, l: &mut Lowering) -> Result<()> {
    let [a, b] = [p.a.strides(p.k), p.b.strides(p.k)];
    let params = Params {
        m: p.a.rows as u32,
        n: p.b.rows as u32,
        k: p.k as u32,
        reserved: 0,
        a_row: a[0] as u32,
        a_k: a[1] as u32,
        b_row: b[0] as u32,
        b_k: b[1] as u32,
    };
    // Each factor is read by vec4s or by floats.
    let kernel = match (p.a.in_quads(p.k), p.b.in_quads(p.k)) {
        (true, true) => kernel!("dense/workgroup/product", "dense_a_quads", "dense_b_quads"),
        (true, false) => kernel!("dense/workgroup/product", "dense_a_quads", "dense_b_floats"),
        (false, true) => kernel!("dense/workgroup/product", "dense_a_floats", "dense_b_quads"),
        (false, false) => kernel!(
            "dense/workgroup/product",
            "dense_a_floats",
            "dense_b_floats"
        ),
    };
    let kernel = kernel
        .with("RELU", u32::from(p.relu))
        .with("BIAS", u32::from(p.bias.is_some()))
        .with("MASK", u32::from(p.a.mask.is_some()))
        .with("A_ALONG_K", u32::from(p.a.along_k))
        .with("B_ALONG_K", u32::from(p.b.along_k));
    let (a, b) = (p.a.tensor, p.b.tensor);
    let tensors = [a, p.a.mask_or_self(), b, p.bias_or(b), p.c];
    let tiles = |rows: usize, tile: usize| rows.div_ceil(tile) as u32;
    let grid = [tiles(p.b.rows, 128), tiles(p.a.rows, 64), 1];
    l.dispatch(kernel, &tensors, params, grid)
}
