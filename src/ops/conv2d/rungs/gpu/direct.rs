//! Direct sums over NCHW for 3x3 windows: what the rungs of registers and of workgroup memory share. Their kernels compute a correlation
//! of plain planes with a plain weight; so for the gradient of x the weight is turned first, and dy read through the epilogue.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::argmax::Codes;
use crate::ops::conv2d::batch_cuts::equal_chunks;
use crate::ops::conv2d::correlation::Correlation;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::weight_gradient::{partials, sum};
use crate::ops::conv2d::{Epilogue, image::Image};
use crate::ops::{Io, Kernel, Lowering, grid_1d};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

/// The kernels of a rung, and the outputs of a workgroup.
pub struct Tiling {
    pub plain: Kernel,
    pub pooled: Kernel,
    /// Workgroups that cover `h x w` outputs of one filter block.
    pub tiles: fn(h: usize, w: usize) -> usize,
    /// Filters of a workgroup.
    pub filters: usize,
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

/// `Params` of `through_epilogue` and `half/gradient`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct EpilogueParams {
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
struct WeightParams {
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    k: u32,
    ph: u32,
    pw: u32,
    splits: u32,
}

/// The outputs of a correlation.
pub fn correlate(tiling: &Tiling, c: &Correlation, l: &mut Lowering) -> Result<()> {
    if !c.turned {
        return multiply(tiling, c, c.source.planes, c.weight, 0..c.n, l);
    }
    let weight = turn(c, l)?;
    let [h, w] = c.extent;
    let sample = c.source.channels * h * w;
    let chunks = equal_chunks(c.n, sample * 4, l.workspace_cap());
    let name = "gradient before the epilogue";
    let planes = l.workspace(name, Spec::f32([chunks[0].len() * sample]));
    for samples in chunks {
        through_epilogue(&c.source, c.extent, &samples, &planes, l)?;
        multiply(tiling, c, &planes, &weight, samples, l)?;
    }
    Ok(())
}

/// The weight that the gradient of x is a forward convolution with.
pub fn turn(c: &Correlation, l: &mut Lowering) -> Result<Tensor> {
    let count = c.weight.numel();
    let turned = l.workspace("turned weight", Spec::f32([count]));
    let taps = c.taps[0] * c.taps[1];
    let params = [c.source.channels, c.channels, taps, 0].map(|v| v as u32);
    let kernel = kernel!("conv2d/turn_weight");
    l.dispatch(kernel, &[c.weight, &turned], params, grid_1d(count, 64))?;
    Ok(turned)
}

/// What the kernels that read dy of some samples through the epilogue go by.
pub fn epilogue_params(dy: &Image, extent: [usize; 2], samples: &Range<usize>) -> EpilogueParams {
    EpilogueParams {
        first: samples.start as u32,
        n: samples.len() as u32,
        c: dy.channels as u32,
        h: extent[0] as u32,
        w: extent[1] as u32,
        ph: dy.ph as u32,
        pw: dy.pw as u32,
        reserved: 0,
    }
}

/// dy of some samples as the gradient of the convolution before ReLU and pooling, whose planes have `extent` rows and columns.
pub fn through_epilogue(
    dy: &Image,
    extent: [usize; 2],
    samples: &Range<usize>,
    planes: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let [h, w] = extent;
    let params = epilogue_params(dy, extent, samples);
    let kernel =
        kernel!("conv2d/through_epilogue", "epilogue").with("EPILOGUE", dy.epilogue as u32);
    let grid = grid_1d(samples.len() * dy.channels * h * w, 64);
    l.dispatch(kernel, &[dy.planes, dy.mask, planes], params, grid)
}

/// The outputs of some samples, the first of which is the first of `planes`.
fn multiply(
    tiling: &Tiling,
    c: &Correlation,
    planes: &Tensor,
    weight: &Tensor,
    samples: Range<usize>,
    l: &mut Lowering,
) -> Result<()> {
    let [h, w] = c.extent;
    let params = Params {
        first: samples.start as u32,
        c: c.source.channels as u32,
        h: h as u32,
        w: w as u32,
        k: c.channels as u32,
        ph: c.y.dims()[2] as u32,
        pw: c.y.dims()[3] as u32,
        reserved: 0,
    };
    let tiles = (tiling.tiles)(h, w);
    let grid = [tiles, c.channels.div_ceil(tiling.filters), samples.len()].map(|v| v as u32);
    let tensors = [planes, weight, c.bias.unwrap_or(c.weight), c.y];
    let Some(argmax) = c.argmax else {
        let mut kernel = tiling.plain.clone();
        if c.bias.is_none() {
            kernel = kernel.with("BIAS", 0u32);
        } else {
            kernel = kernel.with("RELU", u32::from(c.epilogue == Epilogue::Relu));
        }
        return l.dispatch(kernel, &tensors, params, grid);
    };
    let codes = Codes::whole(argmax, l);
    let [planes, weight, bias, y] = tensors;
    let tensors = [planes, weight, bias, y, &codes.tensor];
    l.dispatch(tiling.pooled.clone(), &tensors, params, grid)?;
    codes.pack_until(c.n, l)
}

/// The gradient of the weight, in `splits` partial sums.
pub fn backward_weight(
    kernel: Kernel,
    g: &Geometry,
    io: &Io,
    splits: usize,
    grid: [usize; 3],
    l: &mut Lowering,
) -> Result<()> {
    let dw = io.wanted(1);
    let partials = partials(splits, dw, l);
    let params = WeightParams {
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
    let tensors = [io.dy(), g.mask(io), io.x(0), &partials];
    l.dispatch(kernel, &tensors, params, grid.map(|v| v as u32))?;
    sum(splits, &partials, dw, l)
}
