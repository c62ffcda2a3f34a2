//! The gradient of w: a sum over tiles.

use super::{Tiles, Variant, transform_tiles};
use crate::error::Result;
use crate::ops::conv2d::batch_cuts::whole_groups;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::image::Image;
use crate::ops::conv2d::rungs::cpu_driver::padded;
use crate::ops::products::texels::{BLOCK, TexelFactor, multiply_outer};
use crate::ops::{Io, Lowering, Texels};
use crate::tensor::Spec;

/// Bytes of transformed tiles between two kernels: as many as stay in the cache, but up to the second number for [`TILES`] tiles.
pub const FACTORS: [usize; 2] = [4 << 20, 8 << 20];

/// Tiles from which adding up their products takes much longer than writing the sums.
const TILES: usize = 256;

/// dw from x and dy: products of transformed tiles, summed over all tiles, and transformed back.
pub fn backward_weight(
    variant: &'static Variant,
    g: &Geometry,
    io: &Io,
    l: &mut Lowering,
) -> Result<()> {
    let dw = io.wanted(1);
    let extent = [g.oh, g.ow];
    let tiles = Tiles::new(variant, extent);
    let padded = tiles.padded();
    let (x, dy) = (Image::x(g, io), Image::dy(g, io));
    let positions = variant.positions;
    let (c4, k4) = (g.c.div_ceil(4), g.k.div_ceil(4));
    let [x_texels, dy_texels] = [padded.texels(g.c), padded.texels(g.k)];
    let cap = l.workspace_cap() as usize;
    let per_sample = (x_texels + dy_texels) * Texels::BYTES as usize;
    let chunk = whole_groups(g.n, 1, per_sample, cap.min(padded::CACHE) as u64);
    let most = (chunk * tiles.all).next_multiple_of(BLOCK);
    let [few, many] = FACTORS.map(|bytes| cap.min(bytes) / (positions * 16 * (c4 + k4)));
    let block = few.max(TILES.min(many)) / BLOCK * BLOCK;
    let block = block.clamp(BLOCK, most);
    let d = TexelFactor::new(0, block, k4);
    let v = TexelFactor::new(d.end(positions), block, c4);
    let du = l.workspace("winograd dw", Spec::f32([positions * g.k * c4 * 4]));
    let mut add = false;
    for first in (0..g.n).step_by(chunk) {
        let samples = chunk.min(g.n - first);
        let dy_first = samples * x_texels;
        let packed = first..first + samples;
        padded::pack(&x, extent, &padded, packed.clone(), 0, l)?;
        padded::pack(&dy, extent, &padded, packed, dy_first, l)?;
        let all = samples * tiles.all;
        for start in (0..all).step_by(block) {
            let range = start..all.min(start + block);
            transform_tiles((variant.tiles)(), tiles, 0, &range, &v, l)?;
            transform_tiles((variant.gradient)(), tiles, dy_first, &range, &d, l)?;
            multiply_outer([range.len(), g.k, positions], &d, &v, &du, add, l)?;
            add = true;
        }
    }
    let params = [g.k as u32, g.c as u32, 0, 0];
    let grid = [(g.k * c4).div_ceil(64) as u32, 1, 1];
    l.dispatch((variant.filter)(), &[&du, dw], params, grid)
}
