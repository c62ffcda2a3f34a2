//! Winograd's minimal filtering for 3x3 convolutions of stride 1 with one row of padding (Lavin & Gray, "Fast Algorithms for
//! Convolutional Neural Networks", 2015): F(2x2,3x3) gives 4 outputs with 16 multiplications instead of 36, F(4x4,3x3)
//! 16 outputs with 36 instead of 144.
//!
//! A transform of every tile, one matrix product per multiplication over channels (or over tiles, for the weight gradient),
//! a transform back. The batch goes through in chunks of whole samples, so that the transformed tensors stay small, and their products
//! in blocks of tiles, so that the transform back finds them in the cache.

mod correlate;
mod weight;

pub(super) use correlate::{backward_input, forward};
pub(super) use weight::backward_weight;

use super::Epilogue;
use super::geometry::Geometry;
use crate::error::Result;
use crate::kernel;
use crate::ops::product::{LANES, Panels, WINDOW};
use crate::ops::{Capabilities, Kernel, Problem, Window};

/// One size of tiles: its numbers and kernels.
#[derive(Debug)]
pub(super) struct Variant {
    /// See [`crate::ops::Rung::rounding`].
    pub rounding: f64,
    /// Outputs along a side of a tile.
    tile: usize,
    /// Products per tile.
    positions: usize,
    /// Positions that one window shows to the output transform.
    shown: usize,
    weight: fn() -> Kernel,
    tiles: fn() -> Kernel,
    output: fn() -> Kernel,
    tiles4: fn() -> Kernel,
    gradient4: fn() -> Kernel,
    filter: fn() -> Kernel,
}

/// F(2x2,3x3): all factors are powers of two, so it rounds like direct summation of the same length.
pub(super) static F2: Variant = Variant {
    rounding: 1.0,
    tile: 2,
    positions: 16,
    shown: 2,
    weight: || kernel!("winograd/f2_weight"),
    tiles: || kernel!("winograd/f2_tiles"),
    output: || kernel!("winograd/f2_output_windows"),
    tiles4: || kernel!("winograd/f2_tiles4_windows"),
    gradient4: || kernel!("winograd/f2_gradient4_windows"),
    filter: || kernel!("winograd/f2_filter"),
};

/// F(4x4,3x3) adds and subtracts numbers up to 8 times as large as what comes out (the rows of Aᵀ), and its 1/6 and 1/24 are
/// not exact: errors 4-8 times those of direct summation were measured, up to 256 channels.
pub(super) static F4: Variant = Variant {
    rounding: 5.0,
    tile: 4,
    positions: 36,
    shown: 4,
    weight: || kernel!("winograd/f4_weight"),
    tiles: || kernel!("winograd/f4_tiles"),
    output: || kernel!("winograd/f4_output_windows"),
    tiles4: || kernel!("winograd/f4_tiles4_windows"),
    gradient4: || kernel!("winograd/f4_gradient4_windows"),
    filter: || kernel!("winograd/f4_filter"),
};

/// Input channels times filters below which transforms outweigh products.
const LEAST_CHANNELS: usize = 256;

/// Bytes of products between two kernels: what the second-level caches of a few cores hold.
const CACHE: usize = 2 << 20;

/// Whether minimal filtering computes this convolution at all.
fn shape(p: &Problem) -> Result<(), String> {
    let three = p.get("kh") == 3 && p.get("kw") == 3;
    let dense = p.get("stride_h") == 1 && p.get("stride_w") == 1;
    let same = p.get("pad_top") == 1
        && p.get("pad_left") == 1
        && p.get("oh") == p.get("h")
        && p.get("ow") == p.get("w");
    if three && dense && same {
        return Ok(());
    }
    Err("only 3x3, stride 1, one row of zeros on every side".into())
}

/// Whether the rung of F(2x2,3x3) can run.
pub(super) fn f2_windows(p: &Problem, c: &Capabilities) -> Result<(), String> {
    windows(&F2, p, c)
}

/// Whether the rung of F(4x4,3x3) can run.
pub(super) fn f4_windows(p: &Problem, c: &Capabilities) -> Result<(), String> {
    windows(&F4, p, c)
}

fn windows(variant: &Variant, p: &Problem, c: &Capabilities) -> Result<(), String> {
    shape(p)?;
    crate::ops::product::windows(c)?;
    if p.get("c") * p.get("k") < LEAST_CHANNELS {
        return Err("with few channels the transforms cost more than the products save".into());
    }
    if p.get("h") * p.get("w") > Window::ELEMENTS {
        return Err(format!(
            "a plane must fit a window of {} elements",
            Window::ELEMENTS
        ));
    }
    if p.get("c").max(p.get("k")) > 4 * WINDOW / LANES {
        return Err(format!("at most {} channels", 4 * WINDOW / LANES));
    }
    let tiles = p.get("oh").div_ceil(variant.tile) * p.get("ow").div_ceil(variant.tile);
    // The weight gradient sums over the tiles of a sample at least, and 8 rows of that length must fit a window.
    if Panels::row_step(tiles.div_ceil(4)) > WINDOW / LANES {
        return Err(format!(
            "at most {} tiles of a sample",
            4 * (WINDOW / LANES - 4)
        ));
    }
    Ok(())
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
    fn new(variant: &'static Variant, g: &Geometry) -> Self {
        let x = g.ow.div_ceil(variant.tile);
        Self {
            variant,
            x,
            all: x * g.oh.div_ceil(variant.tile),
        }
    }
}

/// Samples of a chunk: the most, in whole groups of `group` (or all `n`), whose transformed tensors stay below `cap` bytes; at
/// least one group.
fn chunk_size(n: usize, group: usize, per_sample: usize, cap: u64) -> usize {
    let least = group.min(n);
    match (cap as usize / per_sample).clamp(least, n) {
        most if most == n => n,
        most => most / group * group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_whole_groups_within_the_cap() {
        assert_eq!(chunk_size(8, 1, 1 << 20, 3 << 20), 3);
        assert_eq!(chunk_size(8, 1, 5 << 20, 1 << 20), 1);
        assert_eq!(chunk_size(9, 4, 1 << 20, 6 << 20), 4);
        assert_eq!(chunk_size(9, 4, 1 << 20, 1 << 20), 4);
        assert_eq!(chunk_size(3, 4, 1 << 20, 1 << 20), 3);
        assert_eq!(chunk_size(9, 4, 1 << 20, 64 << 20), 9);
    }
}
