//! The first two rungs, a kernel per direction: one invocation per result, or per tile of 4x4 results kept in registers.

use super::geometry::Geometry;
use crate::error::Result;
use crate::kernel;
use crate::ops::{Capabilities, Io, Kernel, Lowering, Rung, grid_1d, nested};
use crate::tensor::Tensor;

pub(super) const FORWARD: [Rung<Geometry>; 2] = [
    Rung::<Geometry>::naive(|g, io, l| {
        let kernel = kernel!("dense/naive/forward");
        forward(kernel, grid_1d(g.n * g.o, WORKGROUP), g, io, l)
    })
    .iterations(|g| nested([g.i])),
    Rung::<Geometry>::gpu("registers", whole_quads, |g, io, l| {
        forward(
            kernel!("dense/registers/forward"),
            tiles(g.n, g.o),
            g,
            io,
            l,
        )
    })
    .iterations(|g| nested([g.i / 4]) + nested([4, 4])),
];

pub(super) const BACKWARD_INPUT: [Rung<Geometry>; 2] = [
    Rung::<Geometry>::naive(|g, io, l| {
        let (kernel, grid) = (
            kernel!("dense/naive/backward_input", "dense_gradient"),
            grid_1d(g.n * g.i, WORKGROUP),
        );
        backward(kernel, &[io.x(1), io.wanted(0)], grid, g, io, l)
    })
    .iterations(|g| nested([g.o])),
    Rung::<Geometry>::gpu("registers", whole_quads, |g, io, l| {
        let kernel = kernel!("dense/registers/backward_input", "dense_gradient");
        backward(kernel, &[io.x(1), io.wanted(0)], tiles(g.n, g.i), g, io, l)
    })
    .iterations(|g| nested([g.o])),
];

pub(super) const BACKWARD_WEIGHT: [Rung<Geometry>; 2] = [
    Rung::<Geometry>::naive(|g, io, l| {
        let (kernel, grid) = (
            kernel!("dense/naive/backward_weight", "dense_gradient"),
            grid_1d(g.o * g.i, WORKGROUP),
        );
        backward(kernel, &[io.x(0), io.wanted(1)], grid, g, io, l)
    })
    .iterations(|g| nested([g.n])),
    Rung::<Geometry>::gpu("registers", whole_quads, |g, io, l| {
        let kernel = kernel!("dense/registers/backward_weight", "dense_gradient");
        backward(kernel, &[io.x(0), io.wanted(1)], tiles(g.o, g.i), g, io, l)
    })
    .iterations(|g| nested([g.n])),
];

pub(super) const BACKWARD_BIAS: Rung<Geometry> = Rung::<Geometry>::naive(|g, io, l| {
    let (kernel, grid) = (
        kernel!("dense/naive/backward_bias", "dense_gradient"),
        grid_1d(g.o, WORKGROUP),
    );
    backward(kernel, &[io.wanted(2)], grid, g, io, l)
})
.iterations(|g| nested([g.n]));

/// Workgroup size of these kernels.
const WORKGROUP: usize = 64;

/// Rows and columns of a tile.
const TILE: usize = 4;

/// Rows of x, w, dx and dw as whole vec4s.
fn whole_quads(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    match g.i % 4 {
        0 => Ok(()),
        _ => Err("the number of inputs must be a multiple of 4".into()),
    }
}

/// Workgroups for one invocation per tile of a `rows` x `columns` result.
fn tiles(rows: usize, columns: usize) -> [u32; 3] {
    grid_1d(rows.div_ceil(TILE) * columns.div_ceil(TILE), WORKGROUP)
}

fn forward(kernel: Kernel, grid: [u32; 3], g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let tensors = [io.x(0), io.x(1), io.x(2), io.y(0)];
    l.dispatch(kernel.with("RELU", g.relu()), &tensors, g.params(), grid)
}

/// `rest`: what is read beside dy, and what is written.
fn backward(
    kernel: Kernel,
    rest: &[&Tensor],
    grid: [u32; 3],
    g: &Geometry,
    io: &Io,
    l: &mut Lowering,
) -> Result<()> {
    let tensors = [&[io.dy(), g.mask(io)], rest].concat();
    l.dispatch(kernel.with("RELU", g.relu()), &tensors, g.params(), grid)
}
