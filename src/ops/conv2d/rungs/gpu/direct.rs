//! The register-blocked and the shared-memory rung, which read and write NCHW: forward, and the gradient of x as a forward
//! convolution of g (dy through the epilogue) with the weight turned by 180 degrees.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::argmax::Codes;
use crate::ops::conv2d::batch_cuts::equal_chunks;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::{Io, Kernel, Lowering, Rung, grid_1d};
use crate::tensor::Spec;
use bytemuck::{Pod, Zeroable};

pub const REGISTERS: Rung<Geometry> = Rung::gpu("registers", Geometry::same_3x3, |g, io, l| {
    forward(&registers(), g, io, l)
});
pub const WORKGROUP: Rung<Geometry> = Rung::gpu("workgroup", Geometry::same_3x3, |g, io, l| {
    forward(&workgroup(), g, io, l)
});
pub const REGISTERS_INPUT: Rung<Geometry> =
    Rung::gpu("registers", Geometry::same_3x3, |g, io, l| {
        backward_input(&registers(), g, io, l)
    });
pub const WORKGROUP_INPUT: Rung<Geometry> =
    Rung::gpu("workgroup", Geometry::same_3x3, |g, io, l| {
        backward_input(&workgroup(), g, io, l)
    });

/// One of the two rungs: its kernels and the outputs of a workgroup.
struct Tiling {
    plain: Kernel,
    pool: Kernel,
    /// Workgroups that cover `h x w` outputs of one filter block.
    tiles: fn(h: usize, w: usize) -> usize,
    /// Filters of a workgroup.
    filters: usize,
}

/// 64 tiles of 2x4 outputs, 4 filters each.
fn registers() -> Tiling {
    Tiling {
        plain: kernel!("conv2d/registers/forward", "tile_params", "store_plain"),
        pool: kernel!("conv2d/registers/forward", "tile_params", "store_pooled"),
        tiles: |h, w| (h.div_ceil(2) * w.div_ceil(4)).div_ceil(64),
        filters: 4,
    }
}

/// One tile of 8x16 outputs of 64 filters.
fn workgroup() -> Tiling {
    Tiling {
        plain: kernel!("conv2d/workgroup/forward", "tile_params", "store_plain"),
        pool: kernel!("conv2d/workgroup/forward", "tile_params", "store_pooled"),
        tiles: |h, w| h.div_ceil(8) * w.div_ceil(16),
        filters: 64,
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    first: u32,
    c: u32,
    h: u32,
    w: u32,
    k: u32,
    ph: u32,
    pw: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct GradientParams {
    first: u32,
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    ph: u32,
    pw: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct TurnParams {
    k: u32,
    c: u32,
    reserved: [u32; 2],
}

impl Tiling {
    fn grid(&self, g: &Geometry, k: usize, n: usize) -> [u32; 3] {
        [
            (self.tiles)(g.h, g.w) as u32,
            k.div_ceil(self.filters) as u32,
            n as u32,
        ]
    }
}

fn forward(tiling: &Tiling, g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (x, w, b, y) = (io.x(0), io.x(1), io.x(2), io.y(0));
    let params = Params {
        first: 0,
        c: g.c as u32,
        h: g.h as u32,
        w: g.w as u32,
        k: g.k as u32,
        ph: g.ph as u32,
        pw: g.pw as u32,
        reserved: 0,
    };
    let grid = tiling.grid(g, g.k, g.n);
    if g.epilogue != Epilogue::ReluMaxPool2 {
        let relu = u32::from(g.epilogue == Epilogue::Relu);
        return l.dispatch(
            tiling.plain.clone().with("RELU", relu),
            &[x, w, b, y],
            params,
            grid,
        );
    }
    let codes = Codes::whole(io.y(1), l);
    let tensors = [x, w, b, y, &codes.tensor];
    l.dispatch(tiling.pool.clone(), &tensors, params, grid)?;
    codes.pack_until(g.n, l)
}

fn backward_input(tiling: &Tiling, g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dx = io.wanted(0);
    let turned = l.workspace("turned weight", Spec::f32([g.c, g.k, 3, 3]));
    let turn = TurnParams {
        k: g.k as u32,
        c: g.c as u32,
        reserved: [0; 2],
    };
    let grid = grid_1d(turned.numel(), 64);
    l.dispatch(
        kernel!("conv2d/turn_weight"),
        &[io.x(1), &turned],
        turn,
        grid,
    )?;

    let chunks = equal_chunks(g.n, g.k * g.h * g.w * 4, l.workspace_cap());
    let gradient = l.workspace(
        "gradient before the epilogue",
        Spec::f32([chunks[0].len(), g.k, g.h, g.w]),
    );
    for chunk in chunks {
        let (first, n) = (chunk.start as u32, chunk.len());
        let through = GradientParams {
            first,
            n: n as u32,
            c: g.k as u32,
            h: g.h as u32,
            w: g.w as u32,
            ph: g.ph as u32,
            pw: g.pw as u32,
            reserved: 0,
        };
        l.dispatch(
            kernel!("conv2d/through_epilogue", "epilogue").with("EPILOGUE", g.epilogue as u32),
            &[io.dy(), g.mask(io), &gradient],
            through,
            grid_1d(n * g.k * g.h * g.w, 64),
        )?;
        // The roles of channels and filters are exchanged. There is no bias; w stands in for the binding.
        let params = Params {
            first,
            c: g.k as u32,
            h: g.h as u32,
            w: g.w as u32,
            k: g.c as u32,
            ph: g.h as u32,
            pw: g.w as u32,
            reserved: 0,
        };
        l.dispatch(
            tiling.plain.clone().with("BIAS", 0u32),
            &[&gradient, &turned, io.x(1), dx],
            params,
            tiling.grid(g, g.c, n),
        )?;
    }
    Ok(())
}
