//! The first rung: the formulas as they stand, one invocation per result; and the sums for the bias.

use super::Epilogue;
use super::geometry::Geometry;
use crate::error::Result;
use crate::kernel;
use crate::ops::{Io, Lowering, grid_1d};
use crate::tensor::Tensor;

/// Workgroup size of these kernels.
const WORKGROUP: usize = 64;

pub(super) fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (x, w, b, y) = (io.x(0), io.x(1), io.x(2), io.y(0));
    if g.epilogue == Epilogue::ReluMaxPool2 {
        let kernel = kernel!(
            "conv2d/forward_1_naive_pool",
            "convolution_params",
            "convolution"
        );
        let grid = grid_1d(y.numel().div_ceil(4), WORKGROUP);
        return l.dispatch(kernel, &[x, w, b, y, io.y(1)], g.params(), grid);
    }
    let relu = u32::from(g.epilogue == Epilogue::Relu);
    let kernel = kernel!(
        "conv2d/forward_1_naive",
        "convolution_params",
        "convolution"
    )
    .with("RELU", relu);
    l.dispatch(
        kernel,
        &[x, w, b, y],
        g.params(),
        grid_1d(y.numel(), WORKGROUP),
    )
}

pub(super) fn backward_input(g: &Geometry, io: &Io, dx: &Tensor, l: &mut Lowering) -> Result<()> {
    let kernel = kernel!(
        "conv2d/backward_input_1_naive",
        "convolution_params",
        "epilogue"
    )
    .with("EPILOGUE", g.epilogue as u32);
    let tensors = [io.dy(), g.mask(io), io.x(1), dx];
    l.dispatch(kernel, &tensors, g.params(), grid_1d(dx.numel(), WORKGROUP))
}

pub(super) fn backward_weight(g: &Geometry, io: &Io, dw: &Tensor, l: &mut Lowering) -> Result<()> {
    let kernel = kernel!(
        "conv2d/backward_weight_1_naive",
        "convolution_params",
        "epilogue"
    )
    .with("EPILOGUE", g.epilogue as u32);
    let tensors = [io.dy(), g.mask(io), io.x(0), dw];
    l.dispatch(kernel, &tensors, g.params(), grid_1d(dw.numel(), WORKGROUP))
}

pub(super) fn backward_bias(g: &Geometry, io: &Io, db: &Tensor, l: &mut Lowering) -> Result<()> {
    let kernel = kernel!("conv2d/backward_bias_1_tree", "convolution_params")
        .with("EPILOGUE", g.epilogue as u32);
    let tensors = [io.dy(), g.mask(io), db];
    l.dispatch(kernel, &tensors, g.params(), grid_1d(g.k, 1))
}

pub(super) fn backward_bias_quads(
    g: &Geometry,
    io: &Io,
    db: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let kernel = kernel!("conv2d/backward_bias_2_quads", "convolution_params")
        .with("EPILOGUE", g.epilogue as u32);
    let tensors = [io.dy(), g.mask(io), db];
    l.dispatch(kernel, &tensors, g.params(), grid_1d(g.k, 1))
}
