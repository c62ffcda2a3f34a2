//! Winograd's minimal filtering for GPUs, 3x3 windows of stride 1 under any padding (Lavin & Gray, "Fast Algorithms for Convolutional Neural
//! Networks", 2015): F(2x2,3x3) gives 4 outputs with 16 multiplications instead of 36, F(4x4,3x3) 16 outputs with 36 instead of 144.
//!
//! A transform of every tile, a batch of 16 or 36 matrix products in one dispatch, a transform back. What a tile becomes lies in memory in
//! between; so the batch goes through in chunks whose tiles and products stay within the workspace cap. [`pays`] says when that is worth it.

mod correlate;
mod roofline;
mod weight_gradient;

pub use roofline::{Direction, pays};

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::batch_cuts::Chunk;
use crate::ops::conv2d::correlation::{Directions, directions};
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::image::Image;
use crate::ops::conv2d::rungs::gpu::implicit_gemm::{COLUMNS, ROWS, STEP};
use crate::ops::{Capabilities, Kernel, Lowering, Rung};
use crate::tensor::Tensor;
use bytemuck::{Pod, Zeroable};
use correlate::correlate;

/// Tiles that go into one sum of dw's products, whole stages. F(4x4)'s numbers are up to 225 times those of the tile, and its last transform
/// divides by as much again: what a long sum's rounding takes comes out large (1,072 tiles in one sum: 2.8e-5 of the largest dw; 134: 2.3e-6).
const LONGEST: usize = 256;

/// One size of tiles: its numbers and kernels.
#[derive(Debug)]
struct Variant {
    /// Outputs along a side of a tile.
    tile: usize,
    weight: fn() -> Kernel,
    tiles: fn() -> Kernel,
    plain: fn() -> Kernel,
    pooled: fn() -> Kernel,
    gradient: fn() -> Kernel,
    filter: fn() -> Kernel,
}

/// F(2x2,3x3).
static SMALL_TILES: Variant = Variant {
    tile: 2,
    weight: || {
        kernel!(
            "conv2d/winograd_gemm/transform_weight",
            "winograd_small_columns",
            "winograd_small"
        )
    },
    tiles: || {
        kernel!(
            "conv2d/winograd_gemm/transform_tiles",
            "winograd_planes",
            "winograd_chunk",
            "winograd_small_columns",
            "winograd_small"
        )
    },
    plain: || {
        kernel!(
            "conv2d/winograd_gemm/transform_outputs",
            "winograd_plain",
            "winograd_chunk",
            "winograd_small_columns",
            "winograd_small"
        )
    },
    pooled: || {
        kernel!(
            "conv2d/winograd_gemm/transform_outputs",
            "winograd_pooled",
            "winograd_chunk",
            "winograd_small_columns",
            "winograd_small"
        )
    },
    gradient: || {
        kernel!(
            "conv2d/winograd_gemm/transform_gradient",
            "winograd_planes",
            "winograd_chunk",
            "winograd_small_columns",
            "winograd_small"
        )
    },
    filter: || {
        kernel!(
            "conv2d/winograd_gemm/transform_weight_gradient",
            "winograd_small_columns",
            "winograd_small"
        )
    },
};

/// F(4x4,3x3).
static LARGE_TILES: Variant = Variant {
    tile: 4,
    weight: || {
        kernel!(
            "conv2d/winograd_gemm/transform_weight",
            "winograd_large_columns",
            "winograd_large"
        )
    },
    tiles: || {
        kernel!(
            "conv2d/winograd_gemm/transform_tiles",
            "winograd_planes",
            "winograd_chunk",
            "winograd_large_columns",
            "winograd_large"
        )
    },
    plain: || {
        kernel!(
            "conv2d/winograd_gemm/transform_outputs",
            "winograd_plain",
            "winograd_chunk",
            "winograd_large_columns",
            "winograd_large"
        )
    },
    pooled: || {
        kernel!(
            "conv2d/winograd_gemm/transform_outputs",
            "winograd_pooled",
            "winograd_chunk",
            "winograd_large_columns",
            "winograd_large"
        )
    },
    gradient: || {
        kernel!(
            "conv2d/winograd_gemm/transform_gradient",
            "winograd_planes",
            "winograd_chunk",
            "winograd_large_columns",
            "winograd_large"
        )
    },
    filter: || {
        kernel!(
            "conv2d/winograd_gemm/transform_weight_gradient",
            "winograd_large_columns",
            "winograd_large"
        )
    },
};

/// The rungs of one size of tiles.
pub struct Rungs {
    pub correlation: Directions,
    pub backward_weight: Rung<Geometry>,
}

/// `rungs!(name, variant, rounding)`.
macro_rules! rungs {
    ($name:literal, $variant:ident, $rounding:literal) => {{
        const SUPPORTS: fn(&Geometry, &Capabilities) -> Result<(), String> =
            |g, c| supports(&$variant, g, c);
        Rungs {
            correlation: directions!($name, gpu, SUPPORTS, |c, l| correlate(&$variant, c, l))
                .rounding($rounding),
            backward_weight: Rung::gpu($name, SUPPORTS, |g, io, l| {
                weight_gradient::backward_weight(&$variant, g, io, l)
            })
            .rounding($rounding),
        }
    }};
}

/// F(2x2,3x3): all factors are powers of two, so it rounds like direct summation of the same length.
pub const SMALL: Rungs = rungs!("winograd_gemm_small", SMALL_TILES, 1.0);

/// F(4x4,3x3): see the rung of the same transforms for CPU drivers. Up to 256 channels are contracted in one sum, at 1.1e-5 of the largest value.
pub const LARGE: Rungs = rungs!("winograd_gemm_large", LARGE_TILES, 5.0);

fn supports(v: &Variant, g: &Geometry, device: &Capabilities) -> Result<(), String> {
    if [g.kh, g.kw, g.stride_h, g.stride_w] != [3, 3, 1, 1] {
        return Err("takes 3x3 windows with stride 1 only".to_owned());
    }
    let most = g.c.max(g.k).next_multiple_of(STEP);
    if most > 65_535 {
        return Err("more channels than a grid has workgroups".to_owned());
    }
    // The weight; and the smallest chunk, a row of tiles.
    let across = g.w.max(g.ow).div_ceil(v.tile).next_multiple_of(STEP);
    let weight = g.c.next_multiple_of(STEP) * g.k.next_multiple_of(STEP);
    let largest = v.products() * weight.max(across * most) * 4;
    if largest as u64 > device.max_binding_bytes {
        return Err("the device binds no buffer that holds the transformed weight".to_owned());
    }
    Ok(())
}

impl Variant {
    /// Products of a tile, which are as many as there are in the batch.
    fn products(&self) -> usize {
        (self.tile + 2) * (self.tile + 2)
    }

    /// Tiles of planes with so many rows and columns: in a column of them, in a row.
    fn tiles_of(&self, extent: [usize; 2]) -> [usize; 2] {
        extent.map(|size| size.div_ceil(self.tile))
    }

    /// The constants of `lib/winograd_chunk.wgsl`.
    fn params(&self, tiles_x: usize, chunk: &Chunk) -> Params {
        let tiles = chunk.samples.len() * chunk.rows.len() * tiles_x;
        Params {
            tiles_x: tiles_x as u32,
            rows: chunk.rows.len() as u32,
            first_row: chunk.rows.start as u32,
            first_sample: chunk.samples.start as u32,
            tiles: tiles as u32,
            pitch: pitch(tiles) as u32,
            ..Params::zeroed()
        }
    }
}

/// Tiles of a chunk, with those that make whole stages of a contraction over them.
fn pitch(tiles: usize) -> usize {
    tiles.next_multiple_of(STEP)
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    channels: u32,
    h: u32,
    w: u32,
    ph: u32,
    pw: u32,
    before_row: u32,
    before_column: u32,
    tiles_x: u32,
    rows: u32,
    first_row: u32,
    first_sample: u32,
    tiles: u32,
    padded: u32,
    pitch: u32,
    n: u32,
    reserved: u32,
}

/// Planes whose tiles are transformed.
struct Planes<'a> {
    image: Image<'a>,
    /// Rows and columns before pooling.
    extent: [usize; 2],
    /// Zeros in front of the first tile.
    before: [isize; 2],
    /// Channels of the factor, as many as the image has or more.
    padded: usize,
}

impl Planes<'_> {
    /// Transform the tiles of the chunk that `params` describe into `factor`.
    fn transform(
        &self,
        kernel: Kernel,
        params: Params,
        factor: &Tensor,
        l: &mut Lowering,
    ) -> Result<()> {
        let image = &self.image;
        let params = Params {
            channels: image.channels as u32,
            h: self.extent[0] as u32,
            w: self.extent[1] as u32,
            ph: image.ph as u32,
            pw: image.pw as u32,
            // Wraps below 0, and back when it is taken off a tile's place.
            before_row: self.before[0] as u32,
            before_column: self.before[1] as u32,
            padded: self.padded as u32,
            ..params
        };
        let kernel = kernel.with("EPILOGUE", image.epilogue as u32);
        let grid = [params.pitch.div_ceil(64), params.padded, 1];
        l.dispatch(kernel, &[image.planes, image.mask, factor], params, grid)
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct ProductParams {
    rows: u32,
    columns: u32,
    steps: u32,
    row_pitch: u32,
    column_pitch: u32,
    c_pitch: u32,
    splits: u32,
    split: u32,
    batch: u32,
    reserved: [u32; 3],
}

/// A batch of products: see `conv2d/winograd_gemm/product.wgsl`. Pitches are floats here.
struct Product<'a> {
    batch: usize,
    /// `[batch, steps, row_pitch]`, or `[batch, rows, row_pitch]` along.
    a: &'a Tensor,
    b: &'a Tensor,
    c: &'a Tensor,
    rows: usize,
    columns: usize,
    steps: usize,
    row_pitch: usize,
    column_pitch: usize,
    c_pitch: usize,
    /// Steps of a part of the contraction, whole stages.
    split: usize,
    along: bool,
    /// Whether c holds sums already.
    add: bool,
}

impl Product<'_> {
    fn run(&self, l: &mut Lowering) -> Result<()> {
        let splits = self.steps.div_ceil(self.split);
        let params = ProductParams {
            rows: self.rows as u32,
            columns: self.columns as u32,
            steps: self.steps as u32,
            row_pitch: (self.row_pitch / 4) as u32,
            column_pitch: (self.column_pitch / 4) as u32,
            c_pitch: (self.c_pitch / 4) as u32,
            splits: splits as u32,
            split: self.split as u32,
            batch: self.batch as u32,
            reserved: [0; 3],
        };
        let kernel = kernel!("conv2d/winograd_gemm/product", "gemm_tile")
            .with("ALONG", u32::from(self.along))
            .with("ADD", u32::from(self.add));
        let [across, down] = [self.columns.div_ceil(COLUMNS), self.rows.div_ceil(ROWS)];
        let grid = [across, down, self.batch * splits].map(|v| v as u32);
        l.dispatch(kernel, &[self.a, self.b, self.c], params, grid)
    }
}
