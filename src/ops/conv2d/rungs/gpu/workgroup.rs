//! Tiles of x and w in workgroup memory.

use super::direct::{self, Tiling, correlate};
use crate::kernel;
use crate::ops::conv2d::correlation::{Directions, directions};
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::weight_gradient::{short_enough, splits};
use crate::ops::{Iterations, Rung, looped, nested};

/// Forward, and the gradient of x.
pub const CORRELATION: Directions =
    directions!("workgroup", gpu, Geometry::same_3x3, |c, l| correlate(
        &tiling(),
        c,
        l
    ))
    // 8,000 channels are right on lavapipe.
    .iterations(|g| nested([g.c, 5]), |g| nested([g.k, 5]));

/// One tile of 8x16 outputs of 64 filters.
fn tiling() -> Tiling {
    Tiling {
        plain: kernel!("conv2d/workgroup/forward", "tile_params", "store_plain"),
        pooled: kernel!("conv2d/workgroup/forward", "tile_params", "store_pooled"),
        tiles: |h, w| h.div_ceil(8) * w.div_ceil(16),
        filters: 64,
    }
}

/// The gradient of w: workgroups of 32 filters and 16 channels.
pub const BACKWARD_WEIGHT: Rung<Geometry> =
    Rung::gpu("workgroup", Geometry::same_3x3, |g, io, l| {
        let [across, down] = [g.c.div_ceil(16), g.k.div_ceil(32)];
        let rows = g.n * g.h;
        let splits = short_enough(splits(rows, across * down, l), rows, row_iterations(g), l);
        let kernel = kernel!(
            "conv2d/workgroup/backward_weight",
            "epilogue",
            "weight_tiles"
        );
        direct::backward_weight(kernel, g, io, splits, [across, down, splits], l)
    })
    .iterations(|g| looped(1, row_iterations(g)));

/// What a row adds to the iterations of an invocation: stages of 16 pixels, whose loop stays one.
fn row_iterations(g: &Geometry) -> Iterations {
    nested([g.w.div_ceil(16), 16])
}
