//! The first rung: the formulas as they stand, one invocation per result; and the sums for the bias.

use super::Epilogue;
use super::geometry::Geometry;
use crate::error::Result;
use crate::kernel;
use crate::ops::{Io, Lowering, Rung, anything, grid_1d};

pub(super) const FORWARD: Rung<Geometry> = Rung::naive(forward);
pub(super) const BACKWARD_INPUT: Rung<Geometry> = Rung::naive(backward_input);
pub(super) const BACKWARD_WEIGHT: Rung<Geometry> = Rung::naive(backward_weight);
/// One workgroup per filter, whose partial sums meet in a tree.
pub(super) const BIAS_TREE: Rung<Geometry> = Rung {
    name: "tree",
    ..Rung::naive(backward_bias)
};
/// The same over vec4s of dy.
pub(super) const BIAS_QUADS: Rung<Geometry> = Rung::gpu("quads", anything, backward_bias_quads);

/// Workgroup size of these kernels.
const WORKGROUP: usize = 64;

fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
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

fn backward_input(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dx = io.wanted(0);
    let kernel = kernel!(
        "conv2d/backward_input_1_naive",
        "convolution_params",
        "epilogue"
    )
    .with("EPILOGUE", g.epilogue as u32);
    let tensors = [io.dy(), g.mask(io), io.x(1), dx];
    l.dispatch(kernel, &tensors, g.params(), grid_1d(dx.numel(), WORKGROUP))
}

fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dw = io.wanted(1);
    let kernel = kernel!(
        "conv2d/backward_weight_1_naive",
        "convolution_params",
        "epilogue"
    )
    .with("EPILOGUE", g.epilogue as u32);
    let tensors = [io.dy(), g.mask(io), io.x(0), dw];
    l.dispatch(kernel, &tensors, g.params(), grid_1d(dw.numel(), WORKGROUP))
}

fn backward_bias(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let db = io.wanted(2);
    let kernel = kernel!("conv2d/backward_bias_1_tree", "convolution_params")
        .with("EPILOGUE", g.epilogue as u32);
    let tensors = [io.dy(), g.mask(io), db];
    l.dispatch(kernel, &tensors, g.params(), grid_1d(g.k, 1))
}

fn backward_bias_quads(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let db = io.wanted(2);
    let kernel = kernel!("conv2d/backward_bias_2_quads", "convolution_params")
        .with("EPILOGUE", g.epilogue as u32);
    let tensors = [io.dy(), g.mask(io), db];
    l.dispatch(kernel, &tensors, g.params(), grid_1d(g.k, 1))
}
