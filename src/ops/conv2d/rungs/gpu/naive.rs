//! The first rung: the formulas as they stand, one invocation per result.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::weight_gradient::{partials, short_enough, sum};
use crate::ops::{Io, Iterations, Lowering, Rung, grid_1d, looped, nested};

pub const FORWARD: Rung<Geometry> = Rung::naive(forward).iterations(|g| {
    let one = nested([g.c, g.kh, g.kw]);
    match g.epilogue {
        // A word of four codes, each of the largest of four.
        Epilogue::ReluMaxPool2 => looped(4, one + looped(3, one)),
        _ => one,
    }
});
pub const BACKWARD_INPUT: Rung<Geometry> =
    Rung::naive(backward_input).iterations(|g| nested([g.kh, g.kw, g.k]));
pub const BACKWARD_WEIGHT: Rung<Geometry> =
    Rung::naive(backward_weight).iterations(|g| looped(1, row_iterations(g)));

/// What a row adds to the iterations of an invocation of the gradient of w.
fn row_iterations(g: &Geometry) -> Iterations {
    nested([g.ow])
}

/// Workgroup size of these kernels.
const WORKGROUP: usize = 64;

fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (x, w, b, y) = (io.x(0), io.x(1), io.x(2), io.y(0));
    if g.epilogue == Epilogue::ReluMaxPool2 {
        let kernel = kernel!(
            "conv2d/naive/forward_pooled",
            "convolution_params",
            "convolution"
        );
        let grid = grid_1d(y.numel().div_ceil(4), WORKGROUP);
        return l.dispatch(kernel, &[x, w, b, y, io.y(1)], g.params(), grid);
    }
    let relu = u32::from(g.epilogue == Epilogue::Relu);
    let kernel =
        kernel!("conv2d/naive/forward", "convolution_params", "convolution").with("RELU", relu);
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
        "conv2d/naive/backward_input",
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
        "conv2d/naive/backward_weight",
        "convolution_params",
        "epilogue"
    )
    .with("EPILOGUE", g.epilogue as u32);
    let splits = short_enough(1, g.n * g.oh, row_iterations(g), l);
    let partials = partials(splits, dw, l);
    let tensors = [io.dy(), g.mask(io), io.x(0), &partials];
    let [x, y, _] = grid_1d(dw.numel(), WORKGROUP);
    let params = g.params_of_splits(splits);
    l.dispatch(kernel, &tensors, params, [x, y, splits as u32])?;
    sum(splits, &partials, dw, l)
}
