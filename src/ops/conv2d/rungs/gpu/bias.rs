//! The gradient of the bias: a sum of dy, read through the epilogue.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::{Capabilities, Io, Iterations, Kernel, Lowering, Rung, anything, grid_1d, nested};

/// One workgroup per filter, whose partial sums meet in a tree.
pub const TREE: Rung<Geometry> = Rung {
    name: "tree",
    ..Rung::<Geometry>::naive(|g, io, l| {
        let kernel = kernel!(
            "conv2d/tree/backward_bias",
            "tree_sum",
            "convolution_params"
        );
        backward_bias(kernel, g, io, l)
    })
    .iterations(|g| nested([g.n, g.ph * g.pw / 64 + 1]) + nested([6]))
};

/// The same over vec4s of dy.
pub const QUADS: Rung<Geometry> = Rung::<Geometry>::gpu("quads", anything, |g, io, l| {
    let kernel = kernel!(
        "conv2d/quads/backward_bias",
        "tree_sum",
        "bias_quads",
        "convolution_params"
    );
    backward_bias(kernel, g, io, l)
})
.iterations(quads);

/// The same; subgroups of any size add up their lanes, and meet once.
pub const SUBGROUP_QUADS: Rung<Geometry> =
    Rung::<Geometry>::gpu("subgroup_quads", subgroups, |g, io, l| {
        let kernel = kernel!(
            "conv2d/subgroup_quads/backward_bias",
            "subgroup_sum",
            "bias_quads",
            "convolution_params"
        );
        backward_bias(kernel, g, io, l)
    })
    .iterations(quads);

fn quads(g: &Geometry) -> Iterations {
    nested([g.n, g.ph * g.pw / 256 + 2]) + nested([8])
}

fn subgroups(_: &Geometry, c: &Capabilities) -> Result<(), String> {
    match c.subgroups {
        true => Ok(()),
        false => Err("needs subgroup operations, which this device does not offer".to_owned()),
    }
}

fn backward_bias(kernel: Kernel, g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let tensors = [io.dy(), g.mask(io), io.wanted(2)];
    let kernel = kernel.with("EPILOGUE", g.epilogue as u32);
    l.dispatch(kernel, &tensors, g.params(), grid_1d(g.k, 1))
}
