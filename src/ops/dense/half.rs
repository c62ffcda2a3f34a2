//! The rungs that multiply factors in half precision: a pass converts both, then a product reads half the bytes, through workgroup
//! memory or into matrix units.

use super::gemm::{Directions, Gemm, View, directions};
use super::geometry::Geometry;
use crate::error::Result;
use crate::kernel;
use crate::ops::{Capabilities, HALF_ROUNDING, Lowering, grid_1d};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// Tiles of both factors in workgroup memory, as in the rung before it, in f16.
pub(super) const HALF: Directions =
    directions!("half", gpu, supports, shared).rounding(HALF_ROUNDING);
/// The same product on matrix units.
pub(super) const COOPERATIVE: Directions =
    directions!("cooperative", gpu, supports_cooperative, cooperative).rounding(HALF_ROUNDING);

/// Rows of a factor are padded to whole tiles of this, and the contraction to whole fragments.
const TILE: usize = 64;
const FRAGMENT: usize = 16;

/// Whether the shared-memory rung can run a problem here.
fn supports(_: &Geometry, c: &Capabilities) -> Result<(), String> {
    c.half_precision()
}

/// Whether the rung on matrix units can.
fn supports_cooperative(_: &Geometry, c: &Capabilities) -> Result<(), String> {
    c.matrix_units()
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct PackParams {
    rows: u32,
    k: u32,
    row: u32,
    step: u32,
    quads: u32,
    reserved: [u32; 3],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct SharedParams {
    m: u32,
    n: u32,
    k: u32,
    reserved: u32,
    a_quads: u32,
    b_quads: u32,
    reserved_too: [u32; 2],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct CooperativeParams {
    k: u32,
    a_row: u32,
    b_row: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct FinishParams {
    m: u32,
    n: u32,
    pitch: u32,
    reserved: u32,
}

/// A converted factor, `[padded K][row]` in f16.
struct Half {
    tensor: Tensor,
    row: usize,
}

/// Convert a factor.
fn pack(view: &View, k: usize, name: &str, l: &mut Lowering) -> Result<Half> {
    let (row, depth) = (
        view.rows.next_multiple_of(TILE),
        k.next_multiple_of(FRAGMENT),
    );
    // Two f16 in a word.
    let tensor = l.workspace(name, Spec::u32([depth * row / 2]));
    let [across, step] = view.strides(k);
    let params = PackParams {
        rows: view.rows as u32,
        k: k as u32,
        row: across as u32,
        step: step as u32,
        quads: (row / 4) as u32,
        reserved: [0; 3],
    };
    let kernel = kernel!("dense/half/pack")
        .with("MASK", u32::from(view.mask.is_some()))
        .with("ALONG_K", u32::from(view.along_k));
    let tensors = [view.tensor, view.mask_or_self(), &tensor];
    let grid = [(row / 32) as u32, (depth / 8) as u32, 1];
    l.dispatch(kernel, &tensors, params, grid)?;
    Ok(Half { tensor, row })
}

/// The rung `half`.
fn shared(p: &Gemm, l: &mut Lowering) -> Result<()> {
    let a = pack(&p.a, p.k, "dense a, f16", l)?;
    let b = pack(&p.b, p.k, "dense b, f16", l)?;
    let params = SharedParams {
        m: p.a.rows as u32,
        n: p.b.rows as u32,
        k: p.k.next_multiple_of(FRAGMENT) as u32,
        reserved: 0,
        a_quads: (a.row / 4) as u32,
        b_quads: (b.row / 4) as u32,
        reserved_too: [0; 2],
    };
    let kernel = kernel!("dense/half/product")
        .with("RELU", u32::from(p.relu))
        .with("BIAS", u32::from(p.bias.is_some()));
    let tensors = [&a.tensor, &b.tensor, p.bias_or(p.b.tensor), p.c];
    l.dispatch(kernel, &tensors, params, p.grid())
}

/// The rung `cooperative`.
fn cooperative(p: &Gemm, l: &mut Lowering) -> Result<()> {
    let a = pack(&p.a, p.k, "dense a, f16", l)?;
    let b = pack(&p.b, p.k, "dense b, f16", l)?;
    let padded = l.workspace("dense product, padded", Spec::f32([a.row * b.row]));
    let params = CooperativeParams {
        k: p.k.next_multiple_of(FRAGMENT) as u32,
        a_row: a.row as u32,
        b_row: b.row as u32,
        reserved: 0,
    };
    let tensors = [&a.tensor, &b.tensor, &padded];
    l.dispatch(
        kernel!("dense/cooperative/product"),
        &tensors,
        params,
        p.grid(),
    )?;
    let params = FinishParams {
        m: p.a.rows as u32,
        n: p.b.rows as u32,
        pitch: b.row as u32,
        reserved: 0,
    };
    let kernel = kernel!("dense/cooperative/finish")
        .with("RELU", u32::from(p.relu))
        .with("BIAS", u32::from(p.bias.is_some()));
    let tensors = [&padded, p.bias_or(p.b.tensor), p.c];
    let grid = grid_1d(p.a.rows * p.b.rows, 64);
    l.dispatch(kernel, &tensors, params, grid)
}
