//! The implicit product of factors in half precision: a pass converts both, then the product reads half the bytes. The sums stay f32.

use super::weight_gradient;
use super::{Params, Product, product, turned};
use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::argmax::Quads;
use crate::ops::conv2d::batch_cuts::equal_chunks;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::image::Image;
use crate::ops::conv2d::rungs::gpu::direct::epilogue_params;
use crate::ops::{Capabilities, HALF_ROUNDING, Io, Lowering, Rung, grid_1d};
use crate::tensor::{Spec, Tensor};
use std::ops::Range;

/// Forward.
pub const FORWARD: Rung<Geometry> =
    Rung::gpu("half", supports_forward, forward).rounding(HALF_ROUNDING);
/// The gradient of x.
pub const BACKWARD_INPUT: Rung<Geometry> =
    Rung::gpu("half", supports_input, backward_input).rounding(HALF_ROUNDING);
/// The gradient of w.
pub const BACKWARD_WEIGHT: Rung<Geometry> =
    Rung::gpu("half", supports_weight, backward_weight).rounding(HALF_ROUNDING);

fn supports_forward(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    c.half_precision()?;
    super::supports_forward(g, c)
}

fn supports_input(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    c.half_precision()?;
    super::supports_input(g, c)
}

fn supports_weight(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    c.half_precision()?;
    weight_gradient::supports(&unpooled(g), c)
}

/// The same convolution without its epilogue, as it looks from behind: what the products of `half` multiply.
fn unpooled(g: &Geometry) -> Geometry {
    Geometry {
        epilogue: Epilogue::None,
        ph: g.oh,
        pw: g.ow,
        ..*g
    }
}

/// Room for `count` f16s, in whole vec4s: two to a word.
fn room(name: &str, count: usize, l: &mut Lowering) -> Tensor {
    l.workspace(name, Spec::u32([count.div_ceil(4), 2]))
}

/// A tensor in f16.
fn convert(x: &Tensor, name: &str, l: &mut Lowering) -> Result<Tensor> {
    let half = room(name, x.numel(), l);
    let quads = x.numel().div_ceil(4);
    let kernel = kernel!("conv2d/half/convert", "to_half");
    let params = [quads as u32, 0, 0, 0];
    l.dispatch(kernel, &[x, &half], params, grid_1d(quads, 64))?;
    Ok(half)
}

/// The gradient of some samples before the epilogue in f16, into `half`.
fn gradient(
    g: &Geometry,
    io: &Io,
    samples: &Range<usize>,
    half: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let dy = Image::dy(g, io);
    let params = epilogue_params(&dy, [g.oh, g.ow], samples);
    let kernel =
        kernel!("conv2d/half/gradient", "to_half", "epilogue").with("EPILOGUE", g.epilogue as u32);
    let quads = (samples.len() * g.k * g.oh * g.ow).div_ceil(4);
    l.dispatch(
        kernel,
        &[dy.planes, dy.mask, half],
        params,
        grid_1d(quads, 64),
    )
}

impl Product {
    /// The packed weight in f16, and the table of taps.
    fn pack_half(&self, w: &Tensor, l: &mut Lowering) -> Result<[Tensor; 2]> {
        let [packed, taps] = self.pack(w, l)?;
        Ok([convert(&packed, "packed weight, f16", l)?, taps])
    }
}

fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (b, y) = (io.x(2), io.y(0));
    let product = product(g);
    let [packed, taps] = product.pack_half(io.x(1), l)?;
    let x = convert(io.x(0), "x, f16", l)?;
    let grid = product.grid(g.n).map(|v| v as u32);
    if !g.pooled() {
        let kernel = kernel!(
            "conv2d/half/product",
            "gemm_tile",
            "implicit_gemm_taps",
            "implicit_gemm_source",
            "implicit_gemm",
            "implicit_gemm_plain"
        );
        let relu = u32::from(g.epilogue == Epilogue::Relu);
        let kernel = product.kernel(kernel).with("RELU", relu);
        let tensors = [&x, &packed, &taps, b, y];
        return l.dispatch(kernel, &tensors, product.params, grid);
    }
    let kernel = kernel!(
        "conv2d/half/product",
        "gemm_tile",
        "implicit_gemm_taps",
        "implicit_gemm_source",
        "implicit_gemm",
        "pooled",
        "implicit_gemm_pooled"
    );
    let codes = Quads::of(io.y(1), l);
    let tensors = [&x, &packed, &taps, b, y, &codes.tensor];
    l.dispatch(product.kernel(kernel), &tensors, product.params, grid)?;
    codes.order(l)
}

fn backward_input(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (dx, w) = (io.wanted(0), io.x(1));
    let product = turned(g);
    let [packed, taps] = product.pack_half(w, l)?;
    let kernel = kernel!(
        "conv2d/half/product",
        "gemm_tile",
        "implicit_gemm_taps",
        "implicit_gemm_source",
        "implicit_gemm",
        "implicit_gemm_plain"
    );
    // There is no bias; w stands in for the binding.
    let kernel = product.kernel(kernel).with("BIAS", 0u32);
    let sample = g.k * g.oh * g.ow;
    // Half the cap: the packed weight lives beside it in both precisions, and whole activations do.
    let chunks = equal_chunks(g.n, sample * 2, l.workspace_cap() / 2);
    let half = room("gradient, f16", chunks[0].len() * sample, l);
    for chunk in chunks {
        gradient(g, io, &chunk, &half, l)?;
        let params = Params {
            first: chunk.start as u32,
            n: chunk.len() as u32,
            ..product.params
        };
        let grid = product.grid(chunk.len()).map(|v| v as u32);
        let tensors = [&half, &packed, &taps, w, dx];
        l.dispatch(kernel.clone(), &tensors, params, grid)?;
    }
    Ok(())
}

fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let x = convert(io.x(0), "x, f16", l)?;
    let half = room("gradient, f16", g.n * g.k * g.oh * g.ow, l);
    gradient(g, io, &(0..g.n), &half, l)?;
    let plain = unpooled(g);
    let places = weight_gradient::places(&plain, l)?;
    let kernel = kernel!(
        "conv2d/half/backward_weight",
        "implicit_gemm_weight",
        "gemm_tile",
        "implicit_gemm_taps",
        "implicit_gemm_source"
    );
    let tensors = [&x, &half, &places];
    weight_gradient::product(kernel, &tensors, &plain, io.wanted(1), l)
}
