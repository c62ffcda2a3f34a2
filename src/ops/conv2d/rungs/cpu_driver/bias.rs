//! The gradient of b, read through uniform windows: a sum is nothing but loads, and on a CPU driver these are the fast ones.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::image::Image;
use crate::ops::conv2d::weight_gradient;
use crate::ops::{Capabilities, Io, Lowering, Rung, Window};
use bytemuck::{Pod, Zeroable};

/// Windows of dy in one dispatch.
const SHOWN: usize = 4;

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    plane: u32,
    first: u32,
    step: u32,
    planes: u32,
    shift: [u32; 4],
    mask_shift: [u32; 4],
}

/// The gradient of b.
pub const BACKWARD_BIAS: Rung<Geometry> = Rung::cpu_driver("windows", supports, backward_bias);

fn supports(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    crate::ops::products::windows::windows(c)?;
    if g.ph * g.pw > Window::ELEMENTS {
        return Err(format!(
            "a plane of dy must fit a window of {} elements",
            Window::ELEMENTS
        ));
    }
    Ok(())
}

/// Sums of planes, then of samples.
fn backward_bias(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let db = io.wanted(2);
    let dy = Image::dy(g, io);
    let partial = weight_gradient::partials(g.n, db, l);
    let (planes, step) = (g.n * g.k, Window::pieces(dy.plane(), dy.plane()));
    for first in (0..planes).step_by(SHOWN * step) {
        // Windows beyond the end show something else, which is not looked at.
        let shown = [0, 1, 2, 3].map(|i| match first + i * step {
            plane if plane < planes => plane,
            _ => first,
        });
        let windows = shown.map(|plane| dy.window(plane));
        let masks = shown.map(|plane| dy.mask_window(plane));
        let params = Params {
            plane: dy.plane() as u32,
            first: first as u32,
            step: step as u32,
            planes: (planes - first).min(SHOWN * step) as u32,
            shift: windows.each_ref().map(|w| w.1),
            mask_shift: masks.each_ref().map(|w| w.1),
        };
        let kernel = kernel!("conv2d/windows/backward_bias").with("EPILOGUE", g.epilogue as u32);
        let windows = windows.into_iter().chain(masks).map(|w| w.0).collect();
        let grid = [step.min(planes - first) as u32, 1, 1];
        l.dispatch_windows(kernel, &[&partial], windows, params, grid)?;
    }
    weight_gradient::sum(g.n, &partial, db, l)
}
