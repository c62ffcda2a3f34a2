//! The gradient of the bias: a sum of dy, read through the epilogue.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::{Io, Kernel, Lowering, Rung, anything, grid_1d};

/// One workgroup per filter, whose partial sums meet in a tree.
pub const TREE: Rung<Geometry> = Rung {
    name: "tree",
    ..Rung::naive(|g, io, l| {
        let kernel = kernel!(
            "conv2d/tree/backward_bias",
            "tree_sum",
            "convolution_params"
        );
        backward_bias(kernel, g, io, l)
    })
};

/// The same over vec4s of dy.
pub const QUADS: Rung<Geometry> = Rung::gpu("quads", anything, |g, io, l| {
    let kernel = kernel!(
        "conv2d/quads/backward_bias",
        "tree_sum",
        "convolution_params"
    );
    backward_bias(kernel, g, io, l)
});

fn backward_bias(kernel: Kernel, g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let tensors = [io.dy(), g.mask(io), io.wanted(2)];
    let kernel = kernel.with("EPILOGUE", g.epilogue as u32);
    l.dispatch(kernel, &tensors, g.params(), grid_1d(g.k, 1))
}
