//! Which kernels batch norm runs, and the ladders they are on.
//!
//! A row is the H*W elements of one sample and channel. The reductions work by rows and join the rows of a channel in a small
//! second stage, so that a channel is spread over N workgroups and the order of additions never changes.
//!
//! All these sums carry their rounding errors along. What batch norm takes off every element is an average: an error in it is
//! not averaged out but repeated in every element, and a weight's gradient adds them all up.

use super::geometry::Geometry;
use crate::error::Result;
use crate::kernel;
use crate::ops::{
    Capabilities, DeviceClass, Io, Iterations, Kernel, Ladder, Lowering, Rung, nested,
};
use crate::tensor::{Spec, Tensor};

/// Mean and variance of each channel.
pub static STATISTICS: Ladder<Geometry> = Ladder {
    name: "batch_norm.statistics",
    rungs: &[
        Rung::naive(statistics_naive).iterations(|g| pixels(g) + pixels(g)),
        Rung::gpu("tree", rows, |g, io, l| {
            statistics(
                kernel!(
                    "batch_norm/tree/statistics",
                    "step",
                    "compensated",
                    "batch_norm"
                ),
                g,
                io,
                l,
            )
        })
        .iterations(row_iterations),
        Rung::gpu("wide", rows, |g, io, l| {
            let kernel = kernel!(
                "batch_norm/wide/statistics",
                "step",
                "compensated",
                "moments",
                "batch_norm"
            );
            statistics(g.with_wide(kernel), g, io, l)
        })
        .iterations(row_iterations),
        Rung::cpu_driver("blocks", rows, |g, io, l| {
            statistics(
                kernel!(
                    "batch_norm/blocks/statistics",
                    "step",
                    "compensated",
                    "moments",
                    "batch_norm"
                ),
                g,
                io,
                l,
            )
        })
        .iterations(row_iterations),
    ],
    order: |g, c| vec![STATISTICS.rungs[reduction(g, c)]],
    work: |g| g.work(4, 1),
};

/// Gradients of gamma and beta, whose sums the gradient of x needs too.
pub static BACKWARD: Ladder<Geometry> = Ladder {
    name: "batch_norm.backward",
    rungs: &[
        Rung::naive(sums_naive).iterations(pixels),
        Rung::gpu("tree", rows, |g, io, l| {
            sums(
                kernel!(
                    "batch_norm/tree/backward",
                    "step",
                    "threefry",
                    "dropout",
                    "compensated",
                    "batch_norm"
                ),
                g,
                io,
                l,
            )
        })
        .iterations(row_iterations),
        Rung::gpu("wide", rows, |g, io, l| {
            let kernel = kernel!(
                "batch_norm/wide/backward",
                "step",
                "threefry",
                "dropout",
                "compensated",
                "batch_norm"
            );
            sums(g.with_wide(kernel), g, io, l)
        })
        .iterations(row_iterations),
        Rung::cpu_driver("blocks", rows, |g, io, l| {
            sums(
                kernel!(
                    "batch_norm/blocks/backward",
                    "step",
                    "threefry",
                    "dropout",
                    "compensated",
                    "batch_norm"
                ),
                g,
                io,
                l,
            )
        })
        .iterations(row_iterations),
    ],
    order: |g, c| vec![BACKWARD.rungs[reduction(g, c)]],
    work: |g| g.work(5, 2),
};

/// y from x and the statistics.
pub static NORMALISE: Ladder<Geometry> = Ladder {
    name: "batch_norm.normalise",
    rungs: &[
        Rung::naive(|g, io, l| {
            let kernel = g.with_naive_dropout(kernel!(
                "batch_norm/naive/normalise",
                "step",
                "threefry",
                "dropout",
                "batch_norm"
            ));
            normalise(kernel, g.element_grid(), g, io, l)
        }),
        Rung::gpu("rows", rows, |g, io, l| {
            let kernel = kernel!(
                "batch_norm/rows/normalise",
                "step",
                "threefry",
                "dropout",
                "batch_norm"
            );
            let kernel = kernel.with("WORKGROUP", g.row_workgroup(l));
            normalise(g.with_dropout(kernel), g.row_grid(), g, io, l)
        })
        .iterations(whole_row),
    ],
    // A row's mean, variance and factors are computed once for all of its elements, whatever the device.
    order: |_, _| vec![NORMALISE.rungs[1]],
    work: |g| g.work(3, 2),
};

/// dx from dy, x, the statistics and the two sums.
pub static INPUT_GRADIENT: Ladder<Geometry> = Ladder {
    name: "batch_norm.input_gradient",
    rungs: &[
        Rung::naive(|g, io, l| {
            let kernel = g.with_naive_dropout(kernel!(
                "batch_norm/naive/input_gradient",
                "step",
                "threefry",
                "dropout",
                "batch_norm"
            ));
            input_gradient(kernel, g.element_grid(), g, io, l)
        }),
        Rung::gpu("rows", rows, |g, io, l| {
            let kernel = kernel!(
                "batch_norm/rows/input_gradient",
                "step",
                "threefry",
                "dropout",
                "batch_norm"
            );
            let kernel = kernel.with("WORKGROUP", g.row_workgroup(l));
            input_gradient(g.with_dropout(kernel), g.row_grid(), g, io, l)
        })
        .iterations(whole_row),
    ],
    // As for NORMALISE.
    order: |_, _| vec![INPUT_GRADIENT.rungs[1]],
    work: |g| g.work(5, 3),
};

/// The reductions' default: a tree meets at barriers, which cost a GPU little beside waiting for memory, so there one is best with as
/// much in flight as the row has; a CPU driver, which runs a workgroup's invocations one after the other in vectors, would rather let
/// each add up a block. A workgroup there costs 1.6 us of a core (lavapipe), in which naive adds up a row of 64.
fn reduction(g: &Geometry, c: &Capabilities) -> usize {
    match c.class {
        DeviceClass::Hardware => 2,
        DeviceClass::Software if g.spatial() < 64 => 0,
        DeviceClass::Software => 3,
    }
}

/// Once over all of a channel.
fn pixels(g: &Geometry) -> Iterations {
    nested([g.samples(), g.spatial() as usize])
}

/// The reductions by rows: twice over a row, 128 elements or more at a time, or twice over the samples in the stage that joins them.
fn row_iterations(g: &Geometry) -> Iterations {
    let once = nested([g.samples().max(g.spatial() as usize / 128 + 16)]);
    once + once
}

/// Once over a row, vec4s of 8 lanes at a time.
fn whole_row(g: &Geometry) -> Iterations {
    nested([g.spatial() as usize / 32 + 2])
}

/// A vec4 may straddle two rows, but not three.
fn rows(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    match g.spatial() {
        s if s >= 4 => Ok(()),
        s => Err(format!("a row has {s} elements, fewer than a vec4")),
    }
}

/// Mean and variance of the batch into outputs 1 and 2.
fn statistics_naive(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let kernel = kernel!(
        "batch_norm/naive/statistics",
        "step",
        "compensated",
        "batch_norm"
    );
    let tensors = [io.x(0), io.y(1), io.y(2), &l.control()];
    l.dispatch(kernel, &tensors, *g, g.channel_grid())
}

/// The same in two stages.
fn statistics(first_stage: Kernel, g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let control = l.control();
    let partial = g.partial(l);
    l.dispatch(
        first_stage,
        &[io.x(0), &partial, &control],
        *g,
        g.row_grid(),
    )?;
    let kernel = kernel!(
        "batch_norm/statistics_combine",
        "step",
        "compensated",
        "batch_norm"
    );
    let tensors = [&partial, io.y(1), io.y(2), &control];
    l.dispatch(kernel, &tensors, *g, g.channel_grid())
}

/// Mean and variance that y is made with: the batch's or the running ones.
fn used_statistics<'a>(g: &Geometry, io: &'a Io) -> (&'a Tensor, &'a Tensor) {
    match g.training() {
        false => (io.x(3), io.x(4)),
        true => (io.y(1), io.y(2)),
    }
}

fn normalise(
    kernel: Kernel,
    grid: [u32; 3],
    g: &Geometry,
    io: &Io,
    l: &mut Lowering,
) -> Result<()> {
    let (mean, variance) = used_statistics(g, io);
    let control = l.control();
    let tensors = [io.y(0), io.x(0), io.x(1), io.x(2), mean, variance, &control];
    l.dispatch(kernel, &tensors, *g, grid)
}

/// The two sums, then dx, which starts as dy.
pub(super) fn backward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    // Frozen gamma or beta: the gradient of x needs the sums all the same.
    let mut io = io.clone();
    for i in [1, 2] {
        let sum = || l.workspace("sum", Spec::f32([g.channels()]));
        io.dx[i].get_or_insert_with(sum);
    }
    l.run(&BACKWARD, g, &io)?;
    match io.dx(0) {
        Some(_) => l.run(&INPUT_GRADIENT, g, &io),
        None => Ok(()),
    }
}

/// dy, which is where dx will be.
fn dy(io: &Io) -> &Tensor {
    io.dx(0).unwrap_or_else(|| io.dy())
}

fn sums_naive(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (mean, variance) = used_statistics(g, io);
    let kernel = g.with_naive_dropout(kernel!(
        "batch_norm/naive/backward",
        "step",
        "threefry",
        "dropout",
        "compensated",
        "batch_norm"
    ));
    let (dgamma, dbeta) = (io.wanted(1), io.wanted(2));
    let tensors = [dy(io), io.x(0), mean, variance, dgamma, dbeta, &l.control()];
    l.dispatch(kernel, &tensors, *g, g.channel_grid())
}

/// The same in two stages.
fn sums(first_stage: Kernel, g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (mean, variance) = used_statistics(g, io);
    let (partial, control) = (g.partial(l), l.control());
    let tensors = [dy(io), io.x(0), mean, &partial, &control];
    l.dispatch(g.with_dropout(first_stage), &tensors, *g, g.row_grid())?;
    let kernel = kernel!(
        "batch_norm/backward_combine",
        "step",
        "compensated",
        "batch_norm"
    );
    let tensors = [&partial, variance, io.wanted(1), io.wanted(2), &control];
    l.dispatch(kernel, &tensors, *g, g.channel_grid())
}

fn input_gradient(
    kernel: Kernel,
    grid: [u32; 3],
    g: &Geometry,
    io: &Io,
    l: &mut Lowering,
) -> Result<()> {
    let (mean, variance) = used_statistics(g, io);
    let (x, gamma, control) = (io.x(0), io.x(1), l.control());
    let sums = [io.wanted(1), io.wanted(2)];
    let tensors = [
        io.wanted(0),
        x,
        gamma,
        mean,
        variance,
        sums[0],
        sums[1],
        &control,
    ];
    l.dispatch(kernel, &tensors, *g, grid)
}
