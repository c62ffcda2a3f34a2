//! Convolutions of few input channels, such as a network's first: a contraction so short that it fits the registers whole, where a tile of a
//! product is mostly padding. There is no gradient of x: a first layer's nobody asks for, and in the middle of a network channels are many.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::argmax::Quads;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::weight_gradient::{partials, sum, wanted};
use crate::ops::{Capabilities, Io, Kernel, Lowering, Rung};
use bytemuck::{Pod, Zeroable};

/// y (and argmax).
pub const FORWARD: Rung<Geometry> = Rung::gpu("few_channels", supports_forward, forward);
/// The gradient of w.
pub const BACKWARD_WEIGHT: Rung<Geometry> =
    Rung::gpu("few_channels", supports_weight, backward_weight);

/// Input channels that count as few.
const MOST_CHANNELS: usize = 4;
/// Elements of the largest patch in registers (`MOST` in `lib/few_channels.wgsl`): more would spill beside the sums.
const MOST_ELEMENTS: usize = 84;
/// Sums of an invocation for the gradient of w, as far as several filters share a patch: see [`filters`].
const SUMS: usize = 72;
/// Taps of the largest window for the gradient of w: loops over more are not written out, and then sums live in memory.
const MOST_TAPS: usize = 25;
/// Invocations of a workgroup, a tile each.
const WORKGROUP: usize = 64;
/// Tiles that an invocation adds up at least for the gradient of w, so that the meeting of the sums at the end does not weigh.
const TURNS: usize = 8;

/// [`Params`] in `shaders/lib/few_channels.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    n: u32,
    h: u32,
    w: u32,
    k: u32,
    oh: u32,
    ow: u32,
    pad_top: u32,
    pad_left: u32,
    down: u32,
    across: u32,
    share: u32,
    step_n: u32,
    step_i: u32,
    step_j: u32,
    reserved: [u32; 2],
}

/// Outputs of a tile: a window where pooling follows, else a column of four, so that neighbouring lanes are neighbours in memory.
fn tile(g: &Geometry) -> [usize; 2] {
    if g.pooled() { [2, 2] } else { [4, 1] }
}

/// Tiles that cover what is computed of a plane.
fn tiles(g: &Geometry) -> [usize; 2] {
    let rows = g.epilogue.rows();
    let [height, width] = tile(g);
    [
        (g.ph * rows).div_ceil(height),
        (g.pw * rows).div_ceil(width),
    ]
}

/// Elements of x under a tile, per channel.
fn patch(g: &Geometry) -> usize {
    let [height, width] = tile(g);
    ((height - 1) * g.stride_h + g.kh) * ((width - 1) * g.stride_w + g.kw)
}

/// Filters that share a patch in an invocation of `backward_weight`.
fn filters(g: &Geometry) -> usize {
    (SUMS / (g.kh * g.kw)).clamp(1, 8)
}

/// Whether the gradient of w is cheaper here than as a product, which fills `rows` rows of a tile whatever there is to compute: here half
/// of the instructions are multiply-adds (pooled, a seventh, of a quarter as many), of the product's stage 73 %.
pub fn weight_pays(g: &Geometry, rows: usize) -> bool {
    2 * g.c * g.kh * g.kw <= rows
}

fn supports(g: &Geometry, channels: usize) -> Result<(), String> {
    if g.c > MOST_CHANNELS {
        return Err(format!("at most {MOST_CHANNELS} input channels"));
    }
    let elements = channels * patch(g);
    if elements > MOST_ELEMENTS {
        return Err(format!(
            "a patch of x under four outputs has {elements} elements, and {MOST_ELEMENTS} fit the registers"
        ));
    }
    if groups(g) > 65_535 {
        return Err("more tiles than a grid has workgroups".to_owned());
    }
    Ok(())
}

fn supports_forward(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    supports(g, g.c)
}

fn supports_weight(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    supports(g, 1)?;
    if g.kh * g.kw > MOST_TAPS {
        return Err(format!("windows of at most {MOST_TAPS} taps"));
    }
    if g.k.div_ceil(filters(g)) > 65_535 {
        return Err("more filters than a grid has workgroups".to_owned());
    }
    Ok(())
}

/// Workgroups that cover all tiles of all samples.
fn groups(g: &Geometry) -> usize {
    (g.n * tiles(g).iter().product::<usize>()).div_ceil(WORKGROUP)
}

fn params(g: &Geometry, share: usize) -> Params {
    let [down, across] = tiles(g);
    Params {
        n: g.n as u32,
        h: g.h as u32,
        w: g.w as u32,
        k: g.k as u32,
        oh: g.oh as u32,
        ow: g.ow as u32,
        pad_top: g.pad_top as u32,
        pad_left: g.pad_left as u32,
        down: down as u32,
        across: across as u32,
        share: share as u32,
        step_n: (WORKGROUP / across / down) as u32,
        step_i: (WORKGROUP / across % down) as u32,
        step_j: (WORKGROUP % across) as u32,
        reserved: [0; 2],
    }
}

/// With the sizes that loops are written out for.
fn fixed(kernel: Kernel, g: &Geometry) -> Kernel {
    let [height, width] = tile(g);
    kernel
        .with("C", g.c as u32)
        .with("KH", g.kh as u32)
        .with("KW", g.kw as u32)
        .with("STRIDE_H", g.stride_h as u32)
        .with("STRIDE_W", g.stride_w as u32)
        .with("TILE_H", height as u32)
        .with("TILE_W", width as u32)
}

/// With all that forward fixes.
fn fixed_forward(kernel: Kernel, g: &Geometry) -> Kernel {
    fixed(kernel, g).with("WHOLE", u32::from(g.k.is_multiple_of(4)))
}

fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (x, w, b, y) = (io.x(0), io.x(1), io.x(2), io.y(0));
    let fours = g.k.div_ceil(4);
    // A patch is loaded once per share of the filters, so all of them, unless the tiles are too few to keep the device busy.
    let share = fours.div_ceil(wanted(groups(g), l).min(fours));
    let grid = [groups(g), fours.div_ceil(share), 1].map(|v| v as u32);
    if g.epilogue != Epilogue::ReluMaxPool2 {
        let kernel = kernel!(
            "conv2d/few_channels/forward",
            "few_channels",
            "few_channels_plain"
        );
        let relu = u32::from(g.epilogue == Epilogue::Relu);
        let kernel = fixed_forward(kernel, g).with("RELU", relu);
        return l.dispatch(kernel, &[x, w, b, y], params(g, share), grid);
    }
    let kernel = kernel!(
        "conv2d/few_channels/forward",
        "few_channels",
        "pooled",
        "few_channels_pooled"
    );
    let codes = Quads::of(io.y(1), l);
    let tensors = [x, w, b, y, &codes.tensor];
    l.dispatch(fixed_forward(kernel, g), &tensors, params(g, share), grid)?;
    codes.order(l)
}

fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dw = io.wanted(1);
    let filters = filters(g);
    let blocks = g.k.div_ceil(filters);
    let count = g.n * tiles(g).iter().product::<usize>();
    let useful = count.div_ceil(TURNS * WORKGROUP);
    let fit = (l.workspace_cap() as usize / 2 / (dw.numel() * 4)).max(1);
    let splits = wanted(blocks * g.c, l).min(useful).min(fit);
    // In whole turns; rounded up to those, fewer splits may do.
    let share = count.div_ceil(splits).next_multiple_of(WORKGROUP);
    let splits = count.div_ceil(share);
    let partials = partials(splits, dw, l);
    let kernel = kernel!("conv2d/few_channels/backward_weight", "few_channels");
    let kernel = fixed(kernel, g)
        .with("EPILOGUE", g.epilogue as u32)
        .with("FILTERS", filters as u32);
    let tensors = [io.x(0), io.dy(), g.mask(io), &partials];
    let grid = [splits, blocks, g.c].map(|v| v as u32);
    l.dispatch(kernel, &tensors, params(g, share), grid)?;
    sum(splits, &partials, dw, l)
}
