//! The gradient of b, read through uniform windows: a sum is nothing but loads, and on a CPU driver these are the fast ones.

use super::geometry::Geometry;
use super::source::Source;
use super::weight;
use crate::error::Result;
use crate::kernel;
use crate::ops::{Capabilities, Io, Lowering, Problem, Window};
use crate::tensor::Tensor;

/// Whether the rung can run a problem here.
pub(super) fn supports(p: &Problem, c: &Capabilities) -> Result<(), String> {
    crate::ops::product::windows(c)?;
    let pooled = p.get("epilogue") == super::Epilogue::ReluMaxPool2 as usize;
    let half = if pooled { 2 } else { 1 };
    if (p.get("oh") / half) * (p.get("ow") / half) > Window::ELEMENTS {
        return Err(format!(
            "a plane of dy must fit a window of {} elements",
            Window::ELEMENTS
        ));
    }
    Ok(())
}

/// Sums of planes, then of samples.
pub(super) fn windows(g: &Geometry, io: &Io, db: &Tensor, l: &mut Lowering) -> Result<()> {
    let dy = Source::dy(g, io);
    let partial = weight::partials(g.n, db, l);
    let (planes, step) = (g.n * g.k, Window::pieces(dy.plane(), dy.plane()));
    for first in (0..planes).step_by(step) {
        let (window, shift) = dy.window(first);
        let (mask, mask_shift) = dy.mask_window(first);
        let kernel = kernel!("conv2d/backward_bias_3_windows").with("EPILOGUE", g.epilogue as u32);
        let params = [dy.plane() as u32, first as u32, shift, mask_shift];
        let grid = [step.min(planes - first) as u32, 1, 1];
        l.dispatch_windows(kernel, &[&partial], vec![window, mask], params, grid)?;
    }
    weight::sum(g.n, &partial, db, l)
}
