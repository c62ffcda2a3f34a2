//! Winograd's minimal filtering for 3x3 convolutions of stride 1 with one row of padding (Lavin & Gray, "Fast Algorithms for
//! Convolutional Neural Networks", 2015): F(2x2,3x3) gives 4 outputs with 16 multiplications instead of 36, F(4x4,3x3)
//! 16 outputs with 36 instead of 144.
//!
//! Planes are padded once; then a transform of every tile, one matrix product per multiplication over channels (or over tiles, for the
//! weight gradient), a transform back. The batch goes through in chunks of whole samples, and these in blocks of tiles, so that each
//! kernel finds in the cache what the one before it left there.

mod correlate;
mod weight_gradient;

use super::padded::Padded;
use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::correlation::{Directions, directions};
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::products::texels::{self, BLOCK, TexelFactor};
use crate::ops::products::windows::LANES;
use crate::ops::{Capabilities, Kernel, Lowering, Rung, Texels, Window};
use bytemuck::{Pod, Zeroable};
use correlate::correlate;
use std::ops::Range;

/// One size of tiles: its numbers and kernels.
#[derive(Debug)]
struct Variant {
    /// Outputs along a side of a tile.
    tile: usize,
    /// Products per tile.
    positions: usize,
    /// Positions that one window shows to the output transform.
    shown: usize,
    weight: fn() -> Kernel,
    tiles: fn() -> Kernel,
    output: fn() -> Kernel,
    gradient: fn() -> Kernel,
    filter: fn() -> Kernel,
}

/// F(2x2,3x3).
static SMALL_TILES: Variant = Variant {
    tile: 2,
    positions: 16,
    shown: 2,
    weight: || {
        kernel!(
            "conv2d/winograd_small/transform_weight",
            "winograd_weight",
            "texel_factors",
            "winograd_four",
            "winograd_small"
        )
    },
    tiles: || {
        kernel!(
            "conv2d/winograd_small/transform_tiles",
            "winograd_tiles",
            "texel_factors",
            "winograd_four",
            "winograd_small"
        )
    },
    output: || {
        kernel!(
            "conv2d/winograd_small/transform_outputs",
            "winograd_output",
            "winograd_small"
        )
    },
    gradient: || {
        kernel!(
            "conv2d/winograd_small/transform_gradient",
            "winograd_tiles",
            "texel_factors",
            "winograd_four",
            "winograd_small"
        )
    },
    filter: || {
        kernel!(
            "conv2d/winograd_small/transform_weight_gradient",
            "winograd_filter",
            "winograd_small"
        )
    },
};

/// F(4x4,3x3).
static LARGE_TILES: Variant = Variant {
    tile: 4,
    positions: 36,
    shown: 4,
    weight: || {
        kernel!(
            "conv2d/winograd_large/transform_weight",
            "winograd_weight",
            "texel_factors",
            "winograd_six",
            "winograd_large"
        )
    },
    tiles: || {
        kernel!(
            "conv2d/winograd_large/transform_tiles",
            "winograd_tiles",
            "texel_factors",
            "winograd_six",
            "winograd_large"
        )
    },
    output: || {
        kernel!(
            "conv2d/winograd_large/transform_outputs",
            "winograd_output",
            "winograd_large"
        )
    },
    gradient: || {
        kernel!(
            "conv2d/winograd_large/transform_gradient",
            "winograd_tiles",
            "texel_factors",
            "winograd_six",
            "winograd_large"
        )
    },
    filter: || {
        kernel!(
            "conv2d/winograd_large/transform_weight_gradient",
            "winograd_filter",
            "winograd_large"
        )
    },
};

/// Input channels times filters below which transforms outweigh products, whatever else could run.
const LEAST_CHANNELS: usize = 256;

/// Input channels times filters from which F(4x4,3x3) beat implicit GEMM on lavapipe: 32 x 64 took 1.3 times as long, 64 x 128 0.85.
const PAYING_CHANNELS: usize = 4096;

/// Bytes of tiles, and of products, between two kernels: what the second-level caches of a few cores hold. With 128 channels it is
/// 128 tiles, of which a window shows 8 filter quads, so that no dispatch of the output transform has a remnant.
const CACHE: usize = 9 << 18;

/// Tiles of the smallest block: with fewer the dispatches become too small.
const LEAST_TILES: usize = 64;

/// Whether F(4x4,3x3) is faster than implicit GEMM, forward and for the gradient of x.
pub fn pays(g: &Geometry) -> bool {
    g.c * g.k >= PAYING_CHANNELS
}

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
            correlation: directions!($name, cpu_driver, SUPPORTS, |c, l| correlate(
                &$variant, c, l
            ))
            .rounding($rounding),
            backward_weight: Rung::cpu_driver($name, SUPPORTS, |g, io, l| {
                weight_gradient::backward_weight(&$variant, g, io, l)
            })
            .rounding($rounding),
        }
    }};
}

/// F(2x2,3x3): all factors are powers of two, so it rounds like direct summation of the same length.
pub const SMALL: Rungs = rungs!("winograd_small", SMALL_TILES, 1.0);

/// F(4x4,3x3) adds and subtracts numbers up to 8 times as large as what comes out (the rows of Aᵀ), and its 1/6 and 1/24 are
/// not exact: errors 4-8 times those of direct summation were measured, up to 256 channels.
pub const LARGE: Rungs = rungs!("winograd_large", LARGE_TILES, 5.0);

fn supports(v: &'static Variant, g: &Geometry, device: &Capabilities) -> Result<(), String> {
    g.same_3x3(device)?;
    texels::supports(0, device)?;
    if g.c * g.k < LEAST_CHANNELS {
        return Err("with few channels the transforms cost more than the products save".into());
    }
    if g.w > Window::ELEMENTS {
        return Err("rows are too long for a uniform window".into());
    }
    let tiles = Tiles::new(v, [g.oh, g.ow]);
    let (c, k) = (g.c, g.k);
    // Samples whose codes fill whole words, or planes of both channels; the weight, and a block of tiles.
    let planes = tiles.padded().texels(c.max(k)) * 4;
    let weight_texels = |rows: usize, contracted: usize| {
        v.positions * rows.next_multiple_of(BLOCK) * contracted.div_ceil(4)
    };
    let least = LEAST_TILES * v.positions * (c.div_ceil(4) + k.div_ceil(4));
    let block = least.max(weight_gradient::FACTORS[1] / Texels::BYTES as usize);
    let factors = weight_texels(k, c).max(weight_texels(c, k)) + block;
    texels::supports(planes.max(factors), device)
}

/// Tiles of a plane.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    variant: &'static Variant,
    /// Tiles in a row.
    x: usize,
    /// Tiles in a sample.
    all: usize,
}

impl Tiles {
    fn new(variant: &'static Variant, [h, w]: [usize; 2]) -> Self {
        let x = w.div_ceil(variant.tile);
        Self {
            variant,
            x,
            all: x * h.div_ceil(variant.tile),
        }
    }

    /// Planes that hold all pixels of all tiles: one row and column more than them on every side.
    fn padded(&self) -> Padded {
        Padded {
            rows: self.variant.tile * (self.all / self.x) + 2,
            pitch: self.variant.tile * self.x + 2,
            top: 1,
            left: 1,
            down: [1, 1],
        }
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct TileParams {
    pitch: u32,
    pixels: u32,
    sample_stride: u32,
    first_plane: u32,
    tiles_x: u32,
    tiles: u32,
    first_tile: u32,
    end: u32,
    quads: u32,
    first: u32,
    position_stride: u32,
    reserved: u32,
}

/// Transform tiles `range` of the samples whose planes start at texel `first_plane`, into `factor`.
fn transform_tiles(
    kernel: Kernel,
    tiles: Tiles,
    first_plane: usize,
    range: &Range<usize>,
    factor: &TexelFactor,
    l: &mut Lowering,
) -> Result<()> {
    l.need_texels(Texels::Factors, factor.end(tiles.variant.positions));
    let padded = tiles.padded();
    let params = TileParams {
        pitch: padded.pitch as u32,
        pixels: padded.pixels() as u32,
        sample_stride: (factor.quads * padded.pixels()) as u32,
        first_plane: first_plane as u32,
        tiles_x: tiles.x as u32,
        tiles: tiles.all as u32,
        first_tile: range.start as u32,
        end: range.end as u32,
        quads: factor.quads as u32,
        first: factor.first as u32,
        position_stride: factor.product as u32,
        reserved: 0,
    };
    let grid = [range.len().div_ceil(LANES), factor.quads, 1];
    l.dispatch(kernel, &[], params, grid.map(|v| v as u32))
}
