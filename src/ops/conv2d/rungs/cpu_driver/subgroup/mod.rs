//! The subgroup rung: x (or dy, through the epilogue) and w are packed into vec4s of four channels, and one kernel serves
//! forward and, with the weight turned, the gradient of x. The batch goes through in chunks of samples, so that the
//! packed copy stays small.

mod weight_gradient;

pub use weight_gradient::BACKWARD_WEIGHT;

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::argmax::Codes;
use crate::ops::conv2d::batch_cuts::equal_chunks;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::{Capabilities, Io, Kernel, Lowering, Rung, grid_1d};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// Lanes of the subgroups that the kernels are written for.
const LANES: u32 = 8;
/// Filters of a workgroup.
const BLOCK: usize = 16;
/// Strip positions of a workgroup: four groups of eight pixels, in two rows.
const POSITIONS: usize = 32;

/// Forward.
pub const FORWARD: Rung<Geometry> = Rung::cpu_driver("subgroup", supports, forward);
/// The gradient of x.
pub const BACKWARD_INPUT: Rung<Geometry> = Rung::cpu_driver("subgroup", supports, backward_input);

/// Whether the kernels can run a problem here: the width of CPU drivers' vectors is built into them.
pub fn supports(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    g.same_3x3(c)?;
    match c.subgroup_size {
        Some(LANES) => Ok(()),
        Some(size) => Err(format!(
            "is written for subgroups of {LANES} lanes, this device has {size}"
        )),
        None => Err("needs subgroup operations with a fixed subgroup size".to_owned()),
    }
}

/// What is convolved: x in forward, the gradient of the convolution's output in backward.
struct Image<'a> {
    /// x or dy, and what it is read through.
    tensors: [&'a Tensor; 2],
    epilogue: Epilogue,
    /// Channels, and rows and columns of the tensor.
    c: usize,
    size: [usize; 2],
    /// Pairs of output rows that are computed: an odd last row only where it is written, not under pooling.
    pairs: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PackQuads {
    first: u32,
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    ph: u32,
    pw: u32,
    rows: u32,
    pitch: u32,
    reserved: [u32; 3],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PackFilters {
    k: u32,
    c: u32,
    quads: u32,
    count: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    first: u32,
    n: u32,
    quads: u32,
    k: u32,
    h: u32,
    w: u32,
    ph: u32,
    pw: u32,
    pairs: u32,
    rows: u32,
    pitch: u32,
    reserved: u32,
}

fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let image = Image {
        tensors: [io.x(0), io.x(0)],
        epilogue: Epilogue::None,
        c: g.c,
        size: [g.h, g.w],
        pairs: match g.epilogue {
            Epilogue::ReluMaxPool2 => g.ph,
            _ => g.h.div_ceil(2),
        },
    };
    let packed_w = pack_filters(g.k, g.c, io.x(1), false, l)?;
    if g.epilogue != Epilogue::ReluMaxPool2 {
        let kernel = kernel!(
            "conv2d/subgroup/forward",
            "subgroup_params",
            "subgroup_plain"
        )
        .with("RELU", u32::from(g.epilogue == Epilogue::Relu));
        return convolve(g, &image, &packed_w, g.k, &kernel, &[io.x(2), io.y(0)], l);
    }
    let codes = Codes::whole(io.y(1), l);
    let kernel = kernel!(
        "conv2d/subgroup/forward",
        "subgroup_params",
        "subgroup_pooled"
    );
    convolve(
        g,
        &image,
        &packed_w,
        g.k,
        &kernel,
        &[io.x(2), io.y(0), &codes.tensor],
        l,
    )?;
    codes.pack_until(g.n, l)
}

fn backward_input(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dx = io.wanted(0);
    let image = Image {
        tensors: [io.dy(), g.mask(io)],
        epilogue: g.epilogue,
        c: g.k,
        size: [g.ph, g.pw],
        pairs: g.h.div_ceil(2),
    };
    let packed_w = pack_filters(g.c, g.k, io.x(1), true, l)?;
    // There is no bias; w stands in for the binding.
    let kernel = kernel!(
        "conv2d/subgroup/forward",
        "subgroup_params",
        "subgroup_plain"
    )
    .with("BIAS", 0u32);
    convolve(g, &image, &packed_w, g.c, &kernel, &[io.x(1), dx], l)
}

/// `w` (or, turned, the weight of the gradient of x) for `k` filters over `c` channels.
fn pack_filters(k: usize, c: usize, w: &Tensor, turned: bool, l: &mut Lowering) -> Result<Tensor> {
    let quads = c.div_ceil(4);
    let count = k.next_multiple_of(BLOCK) * quads * 9;
    let packed = l.workspace("packed weight", Spec::f32([count, 4]));
    let kernel = kernel!("conv2d/subgroup/pack_weight")
        .with("BLOCK", BLOCK as u32)
        .with("TURNED", u32::from(turned));
    let params = PackFilters {
        k: k as u32,
        c: c as u32,
        quads: quads as u32,
        count: count as u32,
    };
    l.dispatch(kernel, &[w, &packed], params, grid_1d(count, 64))?;
    Ok(packed)
}

/// Convolve `image` with `k` filters: for each chunk, pack it and run `kernel` with the bindings x, w and `rest`.
fn convolve(
    g: &Geometry,
    image: &Image,
    packed_w: &Tensor,
    k: usize,
    kernel: &Kernel,
    rest: &[&Tensor],
    l: &mut Lowering,
) -> Result<()> {
    let quads = image.c.div_ceil(4);
    let rows = g.h.next_multiple_of(2) + 2;
    let pitch = (g.w + 1).next_multiple_of(2);
    let sample = rows * pitch;
    let chunks = equal_chunks(g.n, quads * sample * 16, l.workspace_cap());
    let packed = l.workspace(
        "packed image",
        Spec::f32([quads, chunks[0].len() * sample, 4]),
    );
    for chunk in chunks {
        let (first, n) = (chunk.start as u32, chunk.len());
        let pack = PackQuads {
            first,
            n: n as u32,
            c: image.c as u32,
            h: g.h as u32,
            w: g.w as u32,
            ph: image.size[0] as u32,
            pw: image.size[1] as u32,
            rows: rows as u32,
            pitch: pitch as u32,
            reserved: [0; 3],
        };
        let [dy, mask] = image.tensors;
        l.dispatch(
            kernel!("conv2d/subgroup/pack_planes", "epilogue")
                .with("EPILOGUE", image.epilogue as u32),
            &[dy, mask, &packed],
            pack,
            [(n * sample).div_ceil(64) as u32, quads as u32, 1],
        )?;
        let params = Params {
            first,
            n: n as u32,
            quads: quads as u32,
            k: k as u32,
            h: g.h as u32,
            w: g.w as u32,
            ph: g.ph as u32,
            pw: g.pw as u32,
            pairs: image.pairs as u32,
            rows: rows as u32,
            pitch: pitch as u32,
            reserved: 0,
        };
        let tensors: Vec<&Tensor> = [&packed, packed_w]
            .into_iter()
            .chain(rest.iter().copied())
            .collect();
        let tiles = (n * image.pairs * pitch).div_ceil(POSITIONS);
        l.dispatch(
            kernel.clone(),
            &tensors,
            params,
            [tiles as u32, k.div_ceil(BLOCK) as u32, 1],
        )?;
    }
    Ok(())
}
