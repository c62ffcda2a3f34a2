//! Convolutions of few input channels, such as a network's first: so little arithmetic per output that packing, transforms and
//! products are all overhead. Planes come in through uniform windows, in bands of rows where a plane does not fit one.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::argmax::{Codes, samples_per_word};
use crate::ops::conv2d::batch_cuts::{Band, bands};
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::image::Image;
use crate::ops::conv2d::{Epilogue, weight_gradient};
use crate::ops::products::windows::{LANES, windows};
use crate::ops::{Capabilities, Io, Lowering, Rung, Window};
use crate::tensor::Tensor;
use bytemuck::{Pod, Zeroable};

/// Input channels that the kernels take: one window each.
const MOST_CHANNELS: usize = 4;
/// Windows on dy, one filter each.
const FILTERS: usize = 4;
/// Elements of dy that one workgroup adds up at least.
const PART: usize = 1024;

/// Forward: a workgroup gathers the patches that its outputs read.
pub const FORWARD: Rung<Geometry> = Rung::cpu_driver("patch_windows", supports, forward);
/// The gradient of w.
pub const BACKWARD_WEIGHT: Rung<Geometry> =
    Rung::cpu_driver("gather_windows", supports, backward_weight);

/// Whether the kernels can run a problem here.
fn supports(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    g.same_3x3(c)?;
    windows(c)?;
    if g.c > MOST_CHANNELS {
        return Err(format!("at most {MOST_CHANNELS} input channels"));
    }
    if 4 * g.w > Window::ELEMENTS {
        return Err("four rows must fit a window".into());
    }
    if g.k * g.c * 9 > Window::ELEMENTS {
        return Err("the weight must fit a window".into());
    }
    Ok(())
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ForwardParams {
    h: u32,
    w: u32,
    ph: u32,
    pw: u32,
    blocks: u32,
    blocks_x: u32,
    first_row: u32,
    skip: u32,
    filters: u32,
    sample: u32,
    first_code: u32,
    weight: u32,
    shift: [u32; 4],
}

/// y (and argmax): 2x2 blocks of outputs.
fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let x = Image::x(g, io);
    let pooled = g.epilogue == Epilogue::ReluMaxPool2;
    let (rows, blocks_x) = match pooled {
        true => (g.ph, g.pw),
        false => (g.oh.div_ceil(2), g.ow.div_ceil(2)),
    };
    let output = g.k * g.ph * g.pw;
    let group = samples_per_word(output, pooled).min(g.n);
    let codes = Codes::in_pieces(pooled.then(|| io.y(1)), g.n, group, l);
    let (weights, weight) = Window::at(io.x(1), 0);
    for n in 0..g.n {
        for band in bands(rows, 2, g.w) {
            let skip = band.top * g.w;
            let blocks = (band.end - band.first) * blocks_x;
            let channel = |c: usize| x.window_at((n * g.c + c.min(g.c - 1)) * g.h * g.w + skip);
            let planes = [0, 1, 2, 3].map(channel);
            let params = ForwardParams {
                h: g.h as u32,
                w: g.w as u32,
                ph: g.ph as u32,
                pw: g.pw as u32,
                blocks: blocks as u32,
                blocks_x: blocks_x as u32,
                first_row: band.first as u32,
                skip: skip as u32,
                filters: g.k as u32,
                sample: n as u32,
                first_code: codes.first(n) as u32,
                weight,
                shift: planes.each_ref().map(|p| p.1),
            };
            let kernel = kernel!("conv2d/patch_windows/forward")
                .with("EPILOGUE", g.epilogue as u32)
                .with("CHANNELS", g.c as u32);
            let windows = std::iter::once(weights.clone()).chain(planes.map(|p| p.0));
            let grid = [blocks.div_ceil(LANES), g.k.div_ceil(LANES), 1].map(|v| v as u32);
            l.dispatch_windows(
                kernel,
                &[io.x(2), io.y(0), &codes.tensor],
                windows.collect(),
                params,
                grid,
            )?;
        }
        codes.pack_until(n + 1, l)?;
    }
    Ok(())
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct WeightParams {
    h: u32,
    w: u32,
    ph: u32,
    pw: u32,
    first: u32,
    end: u32,
    length: u32,
    filters: u32,
    channels: u32,
    first_filter: u32,
    step: u32,
    channel: u32,
    first_partial: u32,
    x_shift: u32,
    skip: u32,
    reserved: u32,
    dy_shift: [u32; 4],
    mask_shift: [u32; 4],
}

/// dw: every element of dy reads the nine pixels of x that it meets.
fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dw = io.wanted(1);
    let (x, dy) = (Image::x(g, io), Image::dy(g, io));
    let size = g.epilogue.rows();
    let parts = |band: &Band| ((band.end - band.first) * g.pw).div_ceil(PART);
    let per_sample: usize = bands(g.ph, size, g.w).map(|b| parts(&b)).sum();
    let partials = weight_gradient::partials(g.n * per_sample, dw, l);
    for n in 0..g.n {
        let mut first_partial = n * per_sample;
        for band in bands(g.ph, size, g.w) {
            gather(g, [&x, &dy], n, &band, first_partial, &partials, l)?;
            first_partial += parts(&band);
        }
    }
    weight_gradient::sum(g.n * per_sample, &partials, dw, l)
}

/// The partial sums of one band of one sample.
fn gather(
    g: &Geometry,
    [x, dy]: [&Image; 2],
    n: usize,
    band: &Band,
    first_partial: usize,
    partials: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let skip = band.top * g.w;
    let (first, end) = (band.first * g.pw, band.end * g.pw);
    let parts = (end - first).div_ceil(PART);
    let step = Window::pieces(end - first, dy.plane()).min(g.k.div_ceil(FILTERS));
    for channel in 0..g.c {
        let (plane, x_shift) = x.window_at((n * g.c + channel) * g.h * g.w + skip);
        for first_filter in (0..g.k).step_by(FILTERS * step) {
            let start = |i: usize| {
                let filter = (first_filter + i * step).min(g.k - 1);
                (n * g.k + filter) * dy.plane() + first
            };
            let gradients = [0, 1, 2, 3].map(|i| dy.window_at(start(i)));
            let masks = [0, 1, 2, 3].map(|i| dy.mask_window_at(start(i)));
            let params = WeightParams {
                h: g.h as u32,
                w: g.w as u32,
                ph: g.ph as u32,
                pw: g.pw as u32,
                first: first as u32,
                end: end as u32,
                length: (end - first).div_ceil(parts) as u32,
                filters: g.k as u32,
                channels: g.c as u32,
                first_filter: first_filter as u32,
                step: step as u32,
                channel: channel as u32,
                first_partial: first_partial as u32,
                x_shift,
                skip: skip as u32,
                reserved: 0,
                dy_shift: gradients.each_ref().map(|w| w.1),
                mask_shift: masks.each_ref().map(|w| w.1),
            };
            let windows = std::iter::once(plane.clone())
                .chain(gradients.map(|w| w.0))
                .chain(masks.map(|w| w.0));
            let kernel = kernel!("conv2d/gather_windows/backward_weight")
                .with("EPILOGUE", g.epilogue as u32);
            let grid = [parts as u32, step as u32, 1];
            l.dispatch_windows(kernel, &[partials], windows.collect(), params, grid)?;
        }
    }
    Ok(())
}
