//! What rungs for the gradient of the weight share. Few results come from long sums, so the sums are split: the rows of all samples are
//! shared out to several workgroups, whose partial sums are then added up in a fixed order.

use crate::error::Result;
use crate::kernel;
use crate::ops::{DeviceClass, Iterations, Lowering, grid_1d, looped};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct SumParams {
    count: u32,
    splits: u32,
    reserved: [u32; 2],
}

/// How many splits of `workgroups` each keep the device busy.
pub fn wanted(workgroups: usize, l: &Lowering) -> usize {
    let busy: usize = match l.capabilities().class {
        DeviceClass::Software => 32,
        DeviceClass::Hardware => 512,
    };
    busy.div_ceil(workgroups)
}

/// Into how many partial sums `rows` rows are split so that `workgroups` per split keep the device busy.
pub fn splits(rows: usize, workgroups: usize, l: &Lowering) -> usize {
    let most = (rows / 4).max(1);
    wanted(workgroups, l).clamp(1, most.min(64))
}

/// `splits`, or as many more as leave each so few of the `rows`, of which every one adds `row`, that the driver lets its loops end.
pub fn short_enough(splits: usize, rows: usize, row: Iterations, l: &Lowering) -> usize {
    match l.capabilities().max_loop_iterations() {
        Some(iterations) => {
            let end = looped(0, row).taken;
            let most = iterations.saturating_sub(end) / (row.taken + 1);
            splits.max(rows.div_ceil(most.max(1)))
        }
        None => splits,
    }
}

/// Where the kernel writes: dw itself when there is one partial sum only.
pub fn partials(splits: usize, dw: &Tensor, l: &mut Lowering) -> Tensor {
    if splits == 1 {
        return dw.clone();
    }
    l.workspace("partial sums", Spec::f32([splits, dw.numel()]))
}

/// Add up what [`partials`] holds.
pub fn sum(splits: usize, partials: &Tensor, dw: &Tensor, l: &mut Lowering) -> Result<()> {
    if splits == 1 {
        return Ok(());
    }
    let count = dw.numel();
    let params = SumParams {
        count: count as u32,
        splits: splits as u32,
        reserved: [0; 2],
    };
    l.dispatch(
        kernel!("conv2d/sum_partials"),
        &[partials, dw],
        params,
        grid_1d(count, 64),
    )
}
