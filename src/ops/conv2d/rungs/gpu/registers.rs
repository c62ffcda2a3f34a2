//! Tiles of outputs in registers.

use super::direct::{self, Tiling, correlate};
use crate::kernel;
use crate::ops::conv2d::correlation::{Directions, directions};
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::weight_gradient::{short_enough, splits};
use crate::ops::{Iterations, Rung, looped, nested};

/// Forward, and the gradient of x.
pub const CORRELATION: Directions =
    directions!("registers", gpu, Geometry::same_3x3, |c, l| correlate(
        &tiling(),
        c,
        l
    ))
    // 3,000 channels are right on lavapipe, 20,000 are not.
    .iterations(|g| nested([g.c, 3, 3]), |g| nested([g.k, 3, 3]));

/// 64 tiles of 2x4 outputs, 4 filters each.
fn tiling() -> Tiling {
    Tiling {
        plain: kernel!("conv2d/registers/forward", "tile_params", "store_plain"),
        pooled: kernel!("conv2d/registers/forward", "tile_params", "store_pooled"),
        tiles: |h, w| (h.div_ceil(2) * w.div_ceil(4)).div_ceil(64),
        filters: 4,
    }
}

/// The gradient of w: invocations of 4 filters and one channel.
pub const BACKWARD_WEIGHT: Rung<Geometry> =
    Rung::gpu("registers", Geometry::same_3x3, |g, io, l| {
        let groups = (g.k.div_ceil(4) * g.c).div_ceil(64);
        let rows = g.n * g.h;
        let splits = short_enough(splits(rows, groups, l), rows, row_iterations(g), l);
        let kernel = kernel!(
            "conv2d/registers/backward_weight",
            "epilogue",
            "weight_tiles"
        );
        direct::backward_weight(kernel, g, io, splits, [groups, splits, 1], l)
    })
    .iterations(|g| looped(1, row_iterations(g)));

/// What a row adds to the iterations of an invocation.
fn row_iterations(g: &Geometry) -> Iterations {
    nested([g.w])
}
