//! dy as the gradient before the epilogue, for rungs that read it many times.

use super::direct::through_epilogue;
use crate::error::Result;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::batch_cuts::equal_chunks;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::image::Image;
use crate::ops::{Io, Lowering};
use crate::tensor::{Spec, Tensor};
use std::ops::Range;

/// Call `product` with the gradient of some samples before ReLU and pooling, `[samples, K, OH, OW]`, and which samples those are: all of
/// them at once where there is no epilogue, since dy is that gradient; else chunk by chunk.
///
/// # Errors
/// Those of `product`, and of a dispatch.
pub fn over_gradient(
    g: &Geometry,
    io: &Io,
    l: &mut Lowering,
    product: impl Fn(&Tensor, Range<usize>, &mut Lowering) -> Result<()>,
) -> Result<()> {
    if g.epilogue == Epilogue::None {
        return product(io.dy(), 0..g.n, l);
    }
    let sample = g.k * g.oh * g.ow;
    // Five eighths of the cap: the packed weight lives beside it, and whole activations do.
    let chunks = equal_chunks(g.n, sample * 4, l.workspace_cap() / 8 * 5);
    let shape = Spec::f32([chunks[0].len(), g.k, g.oh, g.ow]);
    let gradient = l.workspace("gradient before the epilogue", shape);
    for chunk in chunks {
        through_epilogue(&Image::dy(g, io), [g.oh, g.ow], &chunk, &gradient, l)?;
        product(&gradient, chunk, l)?;
    }
    Ok(())
}
