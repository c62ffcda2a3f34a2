//! Which kernels batch norm runs, and the ladders they are on.
//!
//! A row is the H*W elements of one sample and channel. The reductions work by rows and join the rows of a channel in a small
//! second stage, so that a channel is spread over N workgroups and the order of additions never changes.
//!
//! All these sums carry their rounding errors along. What batch norm takes off every element is an average: an error in it is
//! not averaged out but repeated in every element, and a weight's gradient adds them all up.

use super::BatchNorm;
use crate::error::Result;
use crate::kernel;
use crate::ops::dropout::aligned;
use crate::ops::select::anything;
use crate::ops::util::WORKGROUP;
use crate::ops::{
    Capabilities, DeviceClass, Family, Io, Kernel, Lowering, Problem, Rung, Work, grid_1d,
};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// Mean and variance of each channel.
pub static STATISTICS: Family = reduction("batch_norm.statistics", |p| work(p, 4, 1));

/// Gradients of gamma and beta, whose sums the gradient of x needs too.
pub static BACKWARD: Family = reduction("batch_norm.backward", |p| work(p, 5, 2));

/// y from x and the statistics.
pub static NORMALISE: Family = elementwise("batch_norm.normalise", |p| work(p, 3, 2));

/// dx from dy, x, the statistics and the two sums.
pub static INPUT_GRADIENT: Family = elementwise("batch_norm.input_gradient", |p| work(p, 5, 3));

const fn reduction(name: &'static str, work: fn(&Problem) -> Work) -> Family {
    Family {
        name,
        rungs: &[
            Rung {
                name: "1_naive",
                supports: anything,
                rounding: 1.0,
            },
            Rung {
                name: "2_tree",
                supports: rows,
                rounding: 1.0,
            },
            Rung {
                name: "3_blocks",
                supports: rows,
                rounding: 1.0,
            },
        ],
        software: |_| &["3_blocks", "1_naive"],
        hardware: &["2_tree", "1_naive"],
        work,
    }
}

const fn elementwise(name: &'static str, work: fn(&Problem) -> Work) -> Family {
    Family {
        name,
        rungs: &[
            Rung {
                name: "1_naive",
                supports: anything,
                rounding: 1.0,
            },
            Rung {
                name: "2_rows",
                supports: rows,
                rounding: 1.0,
            },
        ],
        software: |_| &["2_rows", "1_naive"],
        hardware: &["2_rows", "1_naive"],
        work,
    }
}

/// Work of a kernel that does `flops` per element and moves each element `times` times; what it moves per channel is little.
fn work(p: &Problem, flops: u64, times: u64) -> Work {
    let elements = ["n", "c", "s"]
        .iter()
        .map(|n| p.get(n) as u64)
        .product::<u64>();
    Work {
        flops: flops * elements,
        bytes: 4 * times * elements,
    }
}

/// A vec4 may straddle two rows, but not three.
fn rows(problem: &Problem, _: &Capabilities) -> Result<(), String> {
    match problem.get("s") {
        s if s >= 4 => Ok(()),
        s => Err(format!("a row has {s} elements, fewer than a vec4")),
    }
}

/// Params of every batch-norm kernel.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    samples: u32,
    channels: u32,
    spatial: u32,
    training: u32,
    epsilon: f32,
    layer: u32,
    threshold: u32,
    scale: f32,
}

impl Params {
    fn new(op: &BatchNorm, x: &Tensor) -> Self {
        let (samples, channels) = (x.dims()[0], x.dims()[1]);
        Self {
            samples: samples as u32,
            channels: channels as u32,
            spatial: (x.numel() / (samples * channels)) as u32,
            training: u32::from(op.training),
            epsilon: op.epsilon,
            layer: op.dropout.map_or(0, |d| d.layer),
            threshold: op.dropout.map_or(0, |d| d.threshold()),
            scale: op.dropout.map_or(1.0, |d| d.scale()),
        }
    }

    fn problem(&self) -> Problem {
        let size = |v: u32| v as usize;
        Problem(vec![
            ("n", size(self.samples)),
            ("c", size(self.channels)),
            ("s", size(self.spatial)),
            ("dropout", usize::from(self.threshold > 0)),
        ])
    }

    /// `kernel` with dropout compiled in, if there is any.
    fn with_dropout(&self, kernel: Kernel) -> Kernel {
        if self.scale == 1.0 {
            return kernel;
        }
        kernel
            .with("DROPOUT", 1.0)
            .with("ALIGNED", aligned(self.channels * self.spatial))
    }

    /// The same for a kernel that works by single elements.
    fn with_naive_dropout(&self, kernel: Kernel) -> Kernel {
        kernel.with("DROPOUT", f64::from(u8::from(self.scale != 1.0)))
    }

    /// One workgroup per row.
    fn row_grid(&self) -> [u32; 3] {
        [self.channels, self.samples, 1]
    }

    /// One invocation per channel.
    fn channel_grid(&self) -> [u32; 3] {
        grid_1d(self.channels as usize, WORKGROUP)
    }

    /// One invocation per element.
    fn element_grid(&self) -> [u32; 3] {
        let elements = self.samples * self.channels * self.spatial;
        grid_1d(elements as usize, WORKGROUP)
    }

    /// Two compensated sums per row, in workspace.
    fn partial(&self, l: &mut Lowering) -> Tensor {
        let shape = [self.samples as usize, self.channels as usize, 4];
        l.workspace("partial sums", Spec::f32(shape))
    }

    /// Invocations per row of the elementwise kernels: few on a CPU driver, which runs eight at a time anyway.
    fn row_workgroup(&self, l: &Lowering) -> u32 {
        match l.capabilities().class {
            DeviceClass::Software => 8,
            DeviceClass::Hardware => (self.spatial / 4).next_power_of_two().clamp(32, 256),
        }
    }
}

/// Mean and variance of the batch into outputs 1 and 2.
pub(super) fn statistics(op: &BatchNorm, io: &Io, l: &mut Lowering) -> Result<()> {
    let (x, mean, variance) = (io.x(0), io.y(1), io.y(2));
    let p = Params::new(op, x);
    let control = l.control();
    let first_stage = match l.choose(&STATISTICS, &p.problem())? {
        "2_tree" => kernel!(
            "batch_norm/statistics_2_tree",
            "step",
            "compensated",
            "batch_norm"
        ),
        "3_blocks" => kernel!(
            "batch_norm/statistics_3_blocks",
            "step",
            "compensated",
            "batch_norm"
        ),
        _ => {
            let kernel = kernel!(
                "batch_norm/statistics_1_naive",
                "step",
                "compensated",
                "batch_norm"
            );
            let tensors = [x, mean, variance, &control];
            return l.dispatch(kernel, &tensors, p, p.channel_grid());
        }
    };
    let partial = p.partial(l);
    l.dispatch(first_stage, &[x, &partial, &control], p, p.row_grid())?;
    let kernel = kernel!(
        "batch_norm/statistics_combine",
        "step",
        "compensated",
        "batch_norm"
    );
    let tensors = [&partial, mean, variance, &control];
    l.dispatch(kernel, &tensors, p, p.channel_grid())
}

/// Mean and variance that y is made with: the batch's or the running ones.
fn used_statistics<'a>(op: &BatchNorm, io: &'a Io) -> (&'a Tensor, &'a Tensor) {
    if op.training {
        (io.y(1), io.y(2))
    } else {
        (io.x(3), io.x(4))
    }
}

/// y from x and the statistics.
pub(super) fn normalise(op: &BatchNorm, io: &Io, l: &mut Lowering) -> Result<()> {
    let p = Params::new(op, io.x(0));
    let (mean, variance) = used_statistics(op, io);
    let control = l.control();
    let tensors = [io.y(0), io.x(0), io.x(1), io.x(2), mean, variance, &control];
    match l.choose(&NORMALISE, &p.problem())? {
        "2_rows" => {
            let kernel = kernel!(
                "batch_norm/normalise_2_rows",
                "step",
                "threefry",
                "dropout",
                "batch_norm"
            );
            let kernel = kernel.with("WORKGROUP", p.row_workgroup(l));
            let kernel = p.with_dropout(kernel);
            l.dispatch(kernel, &tensors, p, p.row_grid())
        }
        _ => {
            let kernel = p.with_naive_dropout(kernel!(
                "batch_norm/normalise_1_naive",
                "step",
                "threefry",
                "dropout",
                "batch_norm"
            ));
            l.dispatch(kernel, &tensors, p, p.element_grid())
        }
    }
}

/// The two sums, then dx, which starts as dy.
pub(super) fn backward(op: &BatchNorm, io: &Io, l: &mut Lowering) -> Result<()> {
    let (x, gamma) = (io.x(0), io.x(1));
    let (mean, variance) = used_statistics(op, io);
    let p = Params::new(op, x);
    let control = l.control();
    // Frozen gamma or beta: the gradient of x needs the sums all the same.
    let mut sum = |i: usize| match io.dx(i) {
        Some(wanted) => wanted.clone(),
        None => l.workspace("sum", Spec::f32([p.channels as usize])),
    };
    let (dgamma, dbeta) = (sum(1), sum(2));
    let dy = io.dx(0).unwrap_or_else(|| io.dy());

    let first_stage = match l.choose(&BACKWARD, &p.problem())? {
        "2_tree" => Some(kernel!(
            "batch_norm/backward_2_tree",
            "step",
            "threefry",
            "dropout",
            "compensated",
            "batch_norm"
        )),
        "3_blocks" => Some(kernel!(
            "batch_norm/backward_3_blocks",
            "step",
            "threefry",
            "dropout",
            "compensated",
            "batch_norm"
        )),
        _ => None,
    };
    if let Some(kernel) = first_stage {
        let partial = p.partial(l);
        let tensors = [dy, x, mean, &partial, &control];
        let kernel = p.with_dropout(kernel);
        l.dispatch(kernel, &tensors, p, p.row_grid())?;
        let kernel = kernel!(
            "batch_norm/backward_combine",
            "step",
            "compensated",
            "batch_norm"
        );
        let tensors = [&partial, variance, &dgamma, &dbeta, &control];
        l.dispatch(kernel, &tensors, p, p.channel_grid())?;
    } else {
        let kernel = p.with_naive_dropout(kernel!(
            "batch_norm/backward_1_naive",
            "step",
            "threefry",
            "dropout",
            "compensated",
            "batch_norm"
        ));
        let tensors = [dy, x, mean, variance, &dgamma, &dbeta, &control];
        l.dispatch(kernel, &tensors, p, p.channel_grid())?;
    }

    let Some(dx) = io.dx(0) else { return Ok(()) };
    let tensors = [dx, x, gamma, mean, variance, &dgamma, &dbeta, &control];
    match l.choose(&INPUT_GRADIENT, &p.problem())? {
        "2_rows" => {
            let kernel = kernel!(
                "batch_norm/input_gradient_2_rows",
                "step",
                "threefry",
                "dropout",
                "batch_norm"
            );
            let kernel = kernel.with("WORKGROUP", p.row_workgroup(l));
            let kernel = p.with_dropout(kernel);
            l.dispatch(kernel, &tensors, p, p.row_grid())
        }
        _ => {
            let kernel = p.with_naive_dropout(kernel!(
                "batch_norm/input_gradient_1_naive",
                "step",
                "threefry",
                "dropout",
                "batch_norm"
            ));
            l.dispatch(kernel, &tensors, p, p.element_grid())
        }
    }
}
