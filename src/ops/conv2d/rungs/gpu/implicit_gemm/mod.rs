//! Convolution as a matrix product that is never laid out (implicit GEMM): positions by channels of the result, contracted over the
//! source's channels and the window's taps, tile by tile through workgroup memory. Any window, stride and padding; forward, and the
//! gradient of x, whose strides become phases. (Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", 2014.)

pub mod half;
mod weight_gradient;

pub use weight_gradient::BACKWARD_WEIGHT;

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::argmax::Quads;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::rungs::gpu::gradient::over_gradient;
use crate::ops::{Capabilities, Io, Kernel, Lowering, Rung, grid_1d};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// Forward.
pub const FORWARD: Rung<Geometry> = Rung::gpu("implicit_gemm", supports_forward, forward);
/// The gradient of x.
pub const BACKWARD_INPUT: Rung<Geometry> =
    Rung::gpu("implicit_gemm", supports_input, backward_input);

/// Rows and columns of a workgroup's tile (of y and of dx positions and channels, of dw weights of a filter and filters), and steps of the
/// contraction in a stage: the constants of `lib/gemm_tile.wgsl`.
pub const ROWS: usize = 128;
pub const COLUMNS: usize = 64;
pub const STEP: usize = 8;

/// Rows and columns of a window whose taps have a bit each in a word, of which one says "inside" by itself.
const NARROW: usize = 30;

/// [`Params`] in `shaders/lib/implicit_gemm.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    first: u32,
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    k: u32,
    oh: u32,
    ow: u32,
    kh: u32,
    kw: u32,
    stride_h: u32,
    stride_w: u32,
    pad_top: u32,
    pad_left: u32,
    steps: u32,
    quads: u32,
}

/// A product: what is read, what is written, and in how many phases.
struct Product {
    params: Params,
    turned: bool,
    wide: bool,
    phases: usize,
    /// Positions of the largest phase of a sample, pooled windows as four each.
    positions: usize,
}

fn product(g: &Geometry) -> Product {
    let (oh, ow) = match g.epilogue {
        Epilogue::ReluMaxPool2 => (2 * g.ph, 2 * g.pw),
        _ => (g.oh, g.ow),
    };
    Product {
        params: Params {
            first: 0,
            n: g.n as u32,
            c: g.c as u32,
            h: g.h as u32,
            w: g.w as u32,
            k: g.k as u32,
            oh: g.oh as u32,
            ow: g.ow as u32,
            kh: g.kh as u32,
            kw: g.kw as u32,
            stride_h: g.stride_h as u32,
            stride_w: g.stride_w as u32,
            pad_top: g.pad_top as u32,
            pad_left: g.pad_left as u32,
            steps: (g.c * g.kh * g.kw).next_multiple_of(STEP) as u32,
            quads: (g.k.next_multiple_of(COLUMNS) / 4) as u32,
        },
        turned: false,
        wide: wide(g),
        phases: 1,
        positions: oh * ow,
    }
}

/// Whether a window has too many rows and columns for a word of bits.
fn wide(g: &Geometry) -> bool {
    g.kh + g.kw > NARROW
}

/// Of the gradient of x: g, the gradient before the epilogue, takes x's place.
fn turned(g: &Geometry) -> Product {
    let taps = g.kh.div_ceil(g.stride_h) * g.kw.div_ceil(g.stride_w);
    Product {
        params: Params {
            c: g.k as u32,
            h: g.oh as u32,
            w: g.ow as u32,
            k: g.c as u32,
            oh: g.h as u32,
            ow: g.w as u32,
            steps: (g.k * taps).next_multiple_of(STEP) as u32,
            quads: (g.c.next_multiple_of(COLUMNS) / 4) as u32,
            ..product(g).params
        },
        turned: true,
        wide: wide(g),
        phases: g.stride_h * g.stride_w,
        positions: g.h.div_ceil(g.stride_h) * g.w.div_ceil(g.stride_w),
    }
}

impl Product {
    fn grid(&self, n: usize) -> [usize; 3] {
        let blocks = self.params.quads as usize * 4 / COLUMNS;
        [blocks, (n * self.positions).div_ceil(ROWS), self.phases]
    }

    fn kernel(&self, kernel: Kernel) -> Kernel {
        let wide = u32::from(self.wide);
        kernel
            .with("TURNED", u32::from(self.turned))
            .with("WIDE", wide)
    }

    fn supports(&self, n: usize) -> Result<(), String> {
        if self.grid(n).iter().any(|&s| s > 65_535) {
            return Err("more tiles than a grid has workgroups".to_owned());
        }
        Ok(())
    }

    /// The packed weight, and the table of taps.
    fn pack(&self, w: &Tensor, l: &mut Lowering) -> Result<[Tensor; 2]> {
        let steps = self.phases * self.params.steps as usize;
        let quads = self.params.quads as usize;
        let packed = l.workspace("packed weight", Spec::f32([steps, quads, 4]));
        let taps = l.workspace("table of taps", Spec::u32([steps, 2]));
        let kernel = kernel!(
            "conv2d/implicit_gemm/pack_weight",
            "implicit_gemm",
            "implicit_gemm_taps"
        );
        let kernel = self.kernel(kernel).with("PHASES", self.phases as u32);
        let grid = grid_1d(steps * quads, 64);
        l.dispatch(kernel, &[w, &packed, &taps], self.params, grid)?;
        Ok([packed, taps])
    }
}

/// The weight of a 1x1 window as a product over its source reads it: `[channels of the source][channels of the result]`, padded with zeros to
/// whole stages and tiles.
///
/// # Errors
/// Those of a dispatch.
pub fn pack_pointwise(g: &Geometry, turn: bool, w: &Tensor, l: &mut Lowering) -> Result<Tensor> {
    // Where windows lie does not matter here: one phase serves any stride.
    let plain = Geometry {
        stride_h: 1,
        stride_w: 1,
        ..*g
    };
    let product = if turn {
        turned(&plain)
    } else {
        product(&plain)
    };
    let [packed, _] = product.pack(w, l)?;
    Ok(packed)
}

fn supports_forward(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    product(g).supports(g.n)
}

fn supports_input(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    turned(g).supports(g.n)
}

fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (x, w, b, y) = (io.x(0), io.x(1), io.x(2), io.y(0));
    let product = product(g);
    let [packed, taps] = product.pack(w, l)?;
    let grid = product.grid(g.n).map(|v| v as u32);
    if g.epilogue != Epilogue::ReluMaxPool2 {
        let kernel = kernel!(
            "conv2d/implicit_gemm/product",
            "gemm_tile",
            "implicit_gemm_taps",
            "implicit_gemm_source",
            "implicit_gemm",
            "implicit_gemm_plain"
        );
        let relu = u32::from(g.epilogue == Epilogue::Relu);
        let kernel = product.kernel(kernel).with("RELU", relu);
        let tensors = [x, &packed, &taps, b, y];
        return l.dispatch(kernel, &tensors, product.params, grid);
    }
    let kernel = kernel!(
        "conv2d/implicit_gemm/product",
        "gemm_tile",
        "implicit_gemm_taps",
        "implicit_gemm_source",
        "implicit_gemm",
        "pooled",
        "implicit_gemm_pooled"
    );
    let codes = Quads::of(io.y(1), l);
    let tensors = [x, &packed, &taps, b, y, &codes.tensor];
    l.dispatch(product.kernel(kernel), &tensors, product.params, grid)?;
    codes.order(l)
}

fn backward_input(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (dx, w) = (io.wanted(0), io.x(1));
    let product = turned(g);
    let [packed, taps] = product.pack(w, l)?;
    let kernel = kernel!(
        "conv2d/implicit_gemm/product",
        "gemm_tile",
        "implicit_gemm_taps",
        "implicit_gemm_source",
        "implicit_gemm",
        "implicit_gemm_plain"
    );
    // There is no bias; w stands in for the binding.
    let kernel = product.kernel(kernel).with("BIAS", 0u32);
    over_gradient(g, io, l, |gradient, samples, l| {
        let params = Params {
            first: samples.start as u32,
            n: samples.len() as u32,
            ..product.params
        };
        let grid = product.grid(samples.len()).map(|v| v as u32);
        let tensors = [gradient, &packed, &taps, w, dx];
        l.dispatch(kernel.clone(), &tensors, params, grid)
    })
}
