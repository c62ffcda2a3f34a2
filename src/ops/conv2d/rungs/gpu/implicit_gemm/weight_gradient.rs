//! The gradient of the weight as an implicit product: filters by weights of a filter, contracted over the positions of all samples.

use super::{COLUMNS, ROWS, STEP};
use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::weight_gradient::{partials, sum, wanted};
use crate::ops::{Capabilities, Io, Kernel, Lowering, Rung, grid_1d};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// The rung.
pub const BACKWARD_WEIGHT: Rung<Geometry> = Rung::gpu("implicit_gemm", supports, run);

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PlacesParams {
    c: u32,
    h: u32,
    w: u32,
    kh: u32,
    kw: u32,
    stride_h: u32,
    stride_w: u32,
    pad_top: u32,
    pad_left: u32,
    width: u32,
    count: u32,
    pooled: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    k: u32,
    kh: u32,
    kw: u32,
    outputs: u32,
    positions: u32,
    split: u32,
    reserved: [u32; 2],
}

/// Positions of a sample that meet a gradient.
fn positions(g: &Geometry) -> usize {
    let rows = g.epilogue.rows();
    g.ph * g.pw * rows * rows
}

/// Workgroups that share the positions of a split.
fn tiles(g: &Geometry) -> [usize; 2] {
    let size = g.c * g.kh * g.kw;
    [g.k.div_ceil(COLUMNS), size.div_ceil(ROWS)]
}

pub(super) fn supports(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    if tiles(g).iter().any(|&t| t > 65_535) {
        return Err("more tiles than a grid has workgroups".to_owned());
    }
    Ok(())
}

/// Into how many sums the positions are split: enough to keep the device busy, each of some stages, and all within half
/// the workspace cap: they live beside whole activations, and more of them gain little.
fn splits(g: &Geometry, l: &Lowering) -> usize {
    let [down, across] = tiles(g);
    let bytes = g.k * g.c * g.kh * g.kw * 4;
    let fit = (l.workspace_cap() as usize / 2 / bytes).max(1);
    let useful = (g.n * positions(g) / (16 * STEP)).max(1);
    wanted(down * across, l).min(useful).min(fit)
}

/// Where the window of each position begins: see `implicit_gemm/places`.
pub(super) fn places(g: &Geometry, l: &mut Lowering) -> Result<Tensor> {
    let count = positions(g);
    let places = l.workspace("places of windows", Spec::u32([4, count]));
    let params = PlacesParams {
        c: g.c as u32,
        h: g.h as u32,
        w: g.w as u32,
        kh: g.kh as u32,
        kw: g.kw as u32,
        stride_h: g.stride_h as u32,
        stride_w: g.stride_w as u32,
        pad_top: g.pad_top as u32,
        pad_left: g.pad_left as u32,
        width: g.pw as u32,
        count: count as u32,
        pooled: u32::from(g.pooled()),
    };
    let kernel = kernel!("conv2d/implicit_gemm/places", "implicit_gemm_taps")
        .with("WIDE", u32::from(super::wide(g)));
    l.dispatch(kernel, &[&places], params, grid_1d(count, 64))?;
    Ok(places)
}

/// Dispatch the product, `tensors` and then the partial sums its buffers, and add these up to `dw`.
pub(super) fn product(
    kernel: Kernel,
    tensors: &[&Tensor],
    g: &Geometry,
    dw: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let count = positions(g);
    // In whole stages; rounded up to those, fewer splits may do.
    let all = g.n * count;
    let split = all.div_ceil(splits(g, l)).next_multiple_of(STEP);
    let splits = all.div_ceil(split);
    let partials = partials(splits, dw, l);
    let params = Params {
        n: g.n as u32,
        c: g.c as u32,
        h: g.h as u32,
        w: g.w as u32,
        k: g.k as u32,
        kh: g.kh as u32,
        kw: g.kw as u32,
        outputs: (g.ph * g.pw) as u32,
        positions: count as u32,
        split: split as u32,
        reserved: [0; 2],
    };
    let kernel = kernel.with("WIDE", u32::from(super::wide(g)));
    let [down, across] = tiles(g);
    let tensors: Vec<&Tensor> = tensors.iter().copied().chain([&partials]).collect();
    let grid = [down, across, splits].map(|v| v as u32);
    l.dispatch(kernel, &tensors, params, grid)?;
    sum(splits, &partials, dw, l)
}

fn run(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let places = places(g, l)?;
    let kernel = kernel!(
        "conv2d/implicit_gemm/backward_weight",
        "implicit_gemm_weight",
        "gemm_tile",
        "implicit_gemm_taps",
        "implicit_gemm_source"
    )
    .with("EPILOGUE", g.epilogue as u32);
    let tensors = [io.x(0), io.dy(), g.mask(io), &places];
    product(kernel, &tensors, g, io.wanted(1), l)
}
