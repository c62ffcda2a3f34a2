//! The rung for CPU drivers: both factors are packed into panels, multiplied through uniform windows (see
//! [`crate::ops::product`]), and the result is turned back into a matrix, with bias and ReLU on the way.
//!
//! c is written a row at a time, so its columns, which lie next to each other, are the product's rows: a quad of them is a vec4.

use super::gemm::{Directions, Gemm, View, directions};
use super::geometry::Geometry;
use crate::error::Result;
use crate::kernel;
use crate::ops::products::windows::{PanelFactor, PanelTarget, Panels, multiply_panels, windows};
use crate::ops::{Capabilities, Lowering, grid_1d};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

pub(super) const WINDOWS: Directions = directions!("windows", cpu_driver, supports, run);

/// vec4s along the contraction of one product at most. Fewer leave wide panels, which makes few dispatches; more save additions to
/// what earlier products left.
const RANGE: usize = 128;

/// Multiply-adds from which four dispatches are no longer what takes the time.
const WORTHWHILE: usize = 1 << 18;

/// Whether the rung can run a problem here.
fn supports(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    windows(c)?;
    if !g.i.is_multiple_of(4) || !g.o.is_multiple_of(4) {
        return Err("the numbers of inputs and outputs must be multiples of 4".into());
    }
    Ok(())
}

/// Whether it is likely to be the fastest on a CPU driver, for a direction in which all the packing pays from `samples` samples on
/// (all of w is packed or written, however few there are).
pub(super) fn pays(g: &Geometry, samples: usize) -> bool {
    g.n >= samples && g.n * g.i * g.o >= WORTHWHILE
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct PackParams {
    count: u32,
    k: u32,
    pitch: u32,
    quads: u32,
    k4: u32,
    chunks: u32,
    width: u32,
    stride: u32,
    size: u32,
    reserved: [u32; 3],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct UnpackParams {
    rows: u32,
    quads: u32,
    reserved: [u32; 2],
}

/// The contraction in equal chunks of `k4` vec4s.
struct Chunks {
    count: usize,
    k4: usize,
}

/// Pack, multiply, unpack.
fn run(p: &Gemm, l: &mut Lowering) -> Result<()> {
    let all = p.k.div_ceil(4);
    let count = all.div_ceil(RANGE);
    let chunks = Chunks {
        count,
        k4: all.div_ceil(count),
    };
    let (quads, columns) = (p.b.rows / 4, p.a.rows);
    let rows = Panels::new(p.b.rows, chunks.k4);
    let cols = Panels::new(columns, chunks.k4);
    let left = pack(&p.b, p.k, &rows, &chunks, "dense rows", l)?;
    let right = pack(&p.a, p.k, &cols, &chunks, "dense columns", l)?;
    let turned = l.workspace("dense product", Spec::f32([quads * columns * 4]));
    for chunk in 0..chunks.count {
        let placed = PanelTarget::new(&turned, quads, columns, columns).added(chunk > 0);
        let (mut a, mut b) = (
            PanelFactor::all(&left, &rows),
            PanelFactor::all(&right, &cols),
        );
        a.first = chunk * rows.size();
        b.first = chunk * cols.size();
        multiply_panels(chunks.k4, &a, &b, &placed, l)?;
    }
    let params = UnpackParams {
        rows: columns as u32,
        quads: quads as u32,
        reserved: [0; 2],
    };
    let kernel = kernel!("dense/windows/unpack")
        .with("RELU", u32::from(p.relu))
        .with("BIAS", u32::from(p.bias.is_some()));
    let tensors = [&turned, p.bias_or(p.b.tensor), p.c];
    l.dispatch(kernel, &tensors, params, grid_1d(quads * columns, 64))
}

fn pack(
    view: &View,
    k: usize,
    panels: &Panels,
    chunks: &Chunks,
    name: &str,
    l: &mut Lowering,
) -> Result<Tensor> {
    let packed = panels.workspace(name, chunks.count, l);
    let quads = panels.padded() / 4;
    let fast = if view.along_k { k } else { view.rows };
    let params = PackParams {
        count: view.rows as u32,
        k: k as u32,
        pitch: (fast / 4) as u32,
        quads: quads as u32,
        k4: chunks.k4 as u32,
        chunks: chunks.count as u32,
        width: panels.width as u32,
        stride: panels.stride as u32,
        size: panels.size() as u32,
        reserved: [0; 3],
    };
    let kernel = kernel!("dense/windows/pack")
        .with("ALONG_K", u32::from(view.along_k))
        .with("MASK", u32::from(view.mask.is_some()));
    let tensors = [view.tensor, view.mask_or_self(), &packed];
    let grid = grid_1d(quads * chunks.count * chunks.k4, 64);
    l.dispatch(kernel, &tensors, params, grid)?;
    Ok(packed)
}
