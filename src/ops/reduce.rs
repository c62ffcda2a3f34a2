//! Sums over a whole tensor, in two stages and always in the same order: the parts that ops share.

use super::{Array, Lowering, Real};
use crate::error::Result;
use crate::kernel;
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// vec4s that one workgroup of the first stage should have before another is worth starting.
const QUADS_PER_WORKGROUP: usize = 1024;

/// Most workgroups of the first stage; the second stage adds up as many partial sums.
const MAX_PARTIALS: usize = 256;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    elements: u32,
    pad: [u32; 3],
}

/// First stage of `sum x^2`: partial sums in a workspace tensor, whose size is their number.
pub(super) fn partial_sums_of_squares(x: &Tensor, l: &mut Lowering) -> Result<Tensor> {
    let groups = x.numel().div_ceil(4 * QUADS_PER_WORKGROUP);
    let groups = groups.clamp(1, MAX_PARTIALS);
    let partial = l.workspace("partial sums", Spec::f32([groups]));
    let params = Params {
        elements: x.numel() as u32,
        pad: [0; 3],
    };
    let grid = [groups as u32, 1, 1];
    l.dispatch(
        kernel!("reduce/sum_of_squares", "tree_sum"),
        &[x, &partial],
        params,
        grid,
    )?;
    Ok(partial)
}

/// `sum x^2`, as the references see it.
pub(super) fn sum_of_squares<T: Real>(x: &Array<T>) -> T {
    x.data.iter().map(|&v| v * v).sum()
}

/// Params of the second stages: the number of partial sums and the op's constant.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Finish {
    partials: u32,
    constant: f32,
    pad: [u32; 2],
}

impl Finish {
    pub(super) fn new(partial: &Tensor, constant: f32) -> Self {
        Self {
            partials: partial.numel() as u32,
            constant,
            pad: [0; 2],
        }
    }
}
