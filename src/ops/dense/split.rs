//! The rung for few outputs: an 8x8 tile of y per workgroup, whose invocations share the contraction.

use super::geometry::Geometry;
use crate::error::Result;
use crate::kernel;
use crate::ops::{Capabilities, Io, Lowering, Rung};

pub(super) const SPLIT: Rung<Geometry> = Rung::gpu("split", supports, run);

/// Rows and columns of a workgroup's tile.
const TILE: usize = 8;

/// The workgroup rung's tiles (64x128 outputs) up to which this one is faster on a GPU, by the roofline. That rung then has fewer tiles than
/// a GPU has units, each walks along I alone, and every 8 inputs take as long as memory takes to answer: I/8 x 0.5 us. This one reads a byte
/// per multiply-add, most of them from caches, say at 1 TB/s: N x O x I x 1 ps. So up to N x O = 62,500, whatever I.
const TILES: usize = 8;

/// Inputs below which the other rung has done before this one has added up its parts.
const INPUTS: usize = 64;

fn supports(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    match g.i.is_multiple_of(8) {
        true => Ok(()),
        false => Err("the number of inputs must be a multiple of 8".into()),
    }
}

/// Whether it is likely to be the fastest on a GPU.
pub(super) fn pays(g: &Geometry) -> bool {
    g.i >= INPUTS && g.n * g.o <= TILES * 64 * 128
}

fn run(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let tiles = |rows: usize| rows.div_ceil(TILE) as u32;
    let kernel = kernel!("dense/split/forward").with("RELU", g.relu());
    let tensors = [io.x(0), io.x(1), io.x(2), io.y(0)];
    l.dispatch(kernel, &tensors, g.params(), [tiles(g.o), tiles(g.n), 1])
}
