//! Convolution with a 1x1 window, such as a residual block's shortcut: a plain matrix product, without window arithmetic.

use super::gradient::over_gradient;
use super::implicit_gemm::{COLUMNS, ROWS, STEP, pack_pointwise};
use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::weight_gradient::{partials, sum, wanted};
use crate::ops::{Capabilities, Io, Kernel, Lowering, Rung};
use bytemuck::{Pod, Zeroable};

/// Forward.
pub const FORWARD: Rung<Geometry> = Rung::gpu("pointwise", supports_forward, forward);
/// The gradient of x.
pub const BACKWARD_INPUT: Rung<Geometry> = Rung::gpu("pointwise", supports_input, backward_input);
/// The gradient of w.
pub const BACKWARD_WEIGHT: Rung<Geometry> =
    Rung::gpu("pointwise", supports_weight, backward_weight);

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    first: u32,
    n: u32,
    c: u32,
    k: u32,
    down: u32,
    across: u32,
    plane: u32,
    row: u32,
    column: u32,
    height: u32,
    width: u32,
    up: u32,
    right: u32,
    steps: u32,
    quads: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct WeightParams {
    n: u32,
    c: u32,
    k: u32,
    positions: u32,
    across: u32,
    plane: u32,
    row: u32,
    column: u32,
    split: u32,
    reserved: [u32; 3],
}

/// Whether the window is one tap inside of x.
fn supports(g: &Geometry) -> Result<(), String> {
    if [g.kh, g.kw, g.pad_top, g.pad_left] != [1, 1, 0, 0] {
        return Err("takes 1x1 windows without padding only".to_owned());
    }
    let [oh, ow] = [g.h.div_ceil(g.stride_h), g.w.div_ceil(g.stride_w)];
    if [g.oh, g.ow] != [oh, ow] {
        return Err("takes no padding below or on the right".to_owned());
    }
    if (g.n * g.oh * g.ow).div_ceil(ROWS) > 65_535 || g.c.max(g.k).div_ceil(COLUMNS) > 65_535 {
        return Err("more tiles than a grid has workgroups".to_owned());
    }
    Ok(())
}

fn supports_forward(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    if g.pooled() {
        return Err("does not pool what it computes".to_owned());
    }
    supports(g)
}

fn supports_input(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    supports(g)
}

fn supports_weight(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    if g.pooled() {
        return Err("does not read dy through pooling".to_owned());
    }
    supports(g)
}

/// Elements of x from one row and one column of positions to the next.
fn strides(g: &Geometry) -> [usize; 2] {
    [g.stride_h * g.w, g.stride_w]
}

/// Of forward.
fn params(g: &Geometry) -> Params {
    let [row, column] = strides(g);
    Params {
        first: 0,
        n: g.n as u32,
        c: g.c as u32,
        k: g.k as u32,
        down: g.oh as u32,
        across: g.ow as u32,
        plane: (g.h * g.w) as u32,
        row: row as u32,
        column: column as u32,
        height: g.oh as u32,
        width: g.ow as u32,
        up: 1,
        right: 1,
        steps: g.c.next_multiple_of(STEP) as u32,
        quads: (g.k.next_multiple_of(COLUMNS) / 4) as u32,
        reserved: 0,
    }
}

/// Of the gradient of x: g, the gradient before the epilogue, takes x's place.
fn turned(g: &Geometry) -> Params {
    Params {
        c: g.k as u32,
        k: g.c as u32,
        plane: (g.oh * g.ow) as u32,
        row: g.ow as u32,
        column: 1,
        height: g.h as u32,
        width: g.w as u32,
        up: g.stride_h as u32,
        right: g.stride_w as u32,
        steps: g.k.next_multiple_of(STEP) as u32,
        quads: (g.c.next_multiple_of(COLUMNS) / 4) as u32,
        ..params(g)
    }
}

/// The product, by vec4s where planes are whole vec4s and no position is left out.
fn product(g: &Geometry) -> Kernel {
    let quads = [g.stride_h, g.stride_w] == [1, 1] && (g.h * g.w).is_multiple_of(4);
    match quads {
        true => kernel!("conv2d/pointwise/product", "gemm_tile", "pointwise_quads"),
        false => kernel!("conv2d/pointwise/product", "gemm_tile", "pointwise_single"),
    }
}

fn grid(p: &Params) -> [u32; 3] {
    let positions = p.n * p.down * p.across;
    [
        p.quads * 4 / COLUMNS as u32,
        positions.div_ceil(ROWS as u32),
        1,
    ]
}

fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let params = params(g);
    let packed = pack_pointwise(g, false, io.x(1), l)?;
    let kernel = product(g).with("RELU", u32::from(g.epilogue == Epilogue::Relu));
    let tensors = [io.x(0), &packed, io.x(2), io.y(0)];
    l.dispatch(kernel, &tensors, params, grid(&params))
}

fn backward_input(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let packed = pack_pointwise(g, true, io.x(1), l)?;
    over_gradient(g, io, l, |gradient, samples, l| {
        let params = Params {
            first: samples.start as u32,
            n: samples.len() as u32,
            ..turned(g)
        };
        // There is no bias; w stands in for the binding.
        let kernel = product(g).with("BIAS", 0u32);
        let tensors = [gradient, &packed, io.x(1), io.wanted(0)];
        l.dispatch(kernel, &tensors, params, grid(&params))
    })
}

fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dw = io.wanted(1);
    let [down, across] = [g.k.div_ceil(COLUMNS), g.c.div_ceil(ROWS)];
    // Enough splits to keep the device busy, each of some stages, and all within half the workspace cap.
    let all = g.n * g.oh * g.ow;
    let fit = (l.workspace_cap() as usize / 2 / (dw.numel() * 4)).max(1);
    let useful = (all / (16 * STEP)).max(1);
    let splits = wanted(down * across, l).min(useful).min(fit);
    // In whole stages; rounded up to those, fewer splits may do.
    let split = all.div_ceil(splits).next_multiple_of(STEP);
    let splits = all.div_ceil(split);
    let partials = partials(splits, dw, l);
    let [row, column] = strides(g);
    let params = WeightParams {
        n: g.n as u32,
        c: g.c as u32,
        k: g.k as u32,
        positions: (g.oh * g.ow) as u32,
        across: g.ow as u32,
        plane: (g.h * g.w) as u32,
        row: row as u32,
        column: column as u32,
        split: split as u32,
        reserved: [0; 3],
    };
    let kernel = kernel!("conv2d/pointwise/backward_weight", "gemm_tile")
        .with("RELU", u32::from(g.epilogue == Epilogue::Relu))
        .with("STRIDED", u32::from([g.stride_h, g.stride_w] != [1, 1]));
    let tensors = [io.x(0), io.dy(), g.mask(io), &partials];
    let grid = [down, across, splits].map(|v| v as u32);
    l.dispatch(kernel, &tensors, params, grid)?;
    sum(splits, &partials, dw, l)
}
