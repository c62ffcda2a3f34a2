//! The gradient of the weight by the rungs that read dy and x as they are.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::weight_gradient::{partials, splits, sum};
use crate::ops::{Io, Kernel, Lowering, Rung};
use bytemuck::{Pod, Zeroable};

pub const REGISTERS: Rung<Geometry> = Rung::gpu("registers", Geometry::same_3x3, registers);
pub const WORKGROUP: Rung<Geometry> = Rung::gpu("workgroup", Geometry::same_3x3, workgroup);

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    k: u32,
    ph: u32,
    pw: u32,
    splits: u32,
}

/// Invocations of 4 filters and one channel.
fn registers(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let groups = (g.k.div_ceil(4) * g.c).div_ceil(64);
    let splits = splits(g.n * g.h, groups, l);
    let grid = [groups as u32, splits as u32, 1];
    direct(
        kernel!(
            "conv2d/registers/backward_weight",
            "epilogue",
            "weight_tiles"
        ),
        g,
        io,
        splits,
        grid,
        l,
    )
}

/// Workgroups of 32 filters and 16 channels.
fn workgroup(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let [across, down] = [g.c.div_ceil(16), g.k.div_ceil(32)];
    let splits = splits(g.n * g.h, across * down, l);
    let grid = [across as u32, down as u32, splits as u32];
    direct(
        kernel!(
            "conv2d/workgroup/backward_weight",
            "epilogue",
            "weight_tiles"
        ),
        g,
        io,
        splits,
        grid,
        l,
    )
}

/// The kernels that read dy and x as they are.
fn direct(
    kernel: Kernel,
    g: &Geometry,
    io: &Io,
    splits: usize,
    grid: [u32; 3],
    l: &mut Lowering,
) -> Result<()> {
    let dw = io.wanted(1);
    let partials = partials(splits, dw, l);
    let params = Params {
        n: g.n as u32,
        c: g.c as u32,
        h: g.h as u32,
        w: g.w as u32,
        k: g.k as u32,
        ph: g.ph as u32,
        pw: g.pw as u32,
        splits: splits as u32,
    };
    let kernel = kernel.with("EPILOGUE", g.epilogue as u32);
    l.dispatch(
        kernel,
        &[io.dy(), g.mask(io), io.x(0), &partials],
        params,
        grid,
    )?;
    sum(splits, &partials, dw, l)
}
