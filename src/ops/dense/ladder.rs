//! The ladders of the dense layer: one kernel family per direction, and which rung runs where.
//!
//! The first two rungs are a kernel per direction; from the third on, all directions are one product with other strides
//! ([`super::gemm`]).

use super::gemm::{self, Gemm};
use super::{half, windows};
use crate::error::Result;
use crate::kernel;
use crate::ops::select::anything;
use crate::ops::{Capabilities, Family, Io, Lowering, Problem, Rung, Work, grid_1d};
use crate::tensor::Tensor;
use bytemuck::{Pod, Zeroable};

/// Workgroup size of these kernels.
const WORKGROUP: usize = 64;

/// Rows and columns of a tile in the second rungs.
const TILE: usize = 4;

/// Sizes of a dense layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    /// Samples.
    pub n: usize,
    /// Inputs.
    pub i: usize,
    /// Outputs.
    pub o: usize,
    /// Whether ReLU follows.
    pub relu: bool,
}

/// [`Geometry`] as the kernels read it.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    n: u32,
    i: u32,
    o: u32,
    reserved: u32,
}

impl Geometry {
    fn problem(&self) -> Problem {
        Problem(vec![
            ("n", self.n),
            ("i", self.i),
            ("o", self.o),
            ("relu", usize::from(self.relu)),
        ])
    }

    fn params(&self) -> Params {
        Params {
            n: self.n as u32,
            i: self.i as u32,
            o: self.o as u32,
            reserved: 0,
        }
    }

    fn relu(&self) -> u32 {
        u32::from(self.relu)
    }

    /// The tensor that tells where ReLU let dy pass; without ReLU dy itself stands in, so that the bindings stay the same.
    fn mask<'a>(&self, io: &'a Io) -> &'a Tensor {
        if self.relu { io.y(0) } else { io.dy() }
    }
}

/// Rows of x, w, dx and dw as whole vec4s.
fn whole_quads(p: &Problem, _: &Capabilities) -> Result<(), String> {
    match p.get("i") % 4 {
        0 => Ok(()),
        _ => Err("the number of inputs must be a multiple of 4".into()),
    }
}

/// Elements of x, w and y, and multiply-adds.
fn sizes(p: &Problem) -> [u64; 4] {
    let [n, i, o] = ["n", "i", "o"].map(|name| p.get(name) as u64);
    [n * i, o * i, n * o, n * i * o]
}

/// Reads x, w, b; writes y.
fn forward_work(p: &Problem) -> Work {
    let [x, w, y, multiply_adds] = sizes(p);
    Work {
        flops: 2 * multiply_adds,
        bytes: 4 * (x + w + p.get("o") as u64 + y),
    }
}

/// Reads dy (and y for ReLU) and one of x and w; writes the gradient of the other.
fn gradient_work(p: &Problem) -> Work {
    let [x, w, y, multiply_adds] = sizes(p);
    Work {
        flops: 2 * multiply_adds,
        bytes: 4 * (x + w + y * (1 + p.get("relu") as u64)),
    }
}

/// Reads dy (and y for ReLU); writes db.
fn bias_work(p: &Problem) -> Work {
    let [_, _, y, _] = sizes(p);
    Work {
        flops: y,
        bytes: 4 * (y * (1 + p.get("relu") as u64) + p.get("o") as u64),
    }
}

const NAIVE: Rung = Rung {
    name: "1_naive",
    supports: anything,
    rounding: 1.0,
};

const TILED: Rung = Rung {
    name: "2_tile",
    supports: whole_quads,
    rounding: 1.0,
};

/// Any product, any device: 8.5 KiB of workgroup memory and 256 invocations are what every device has. On a GPU it is not slower
/// for a small product either, though most of a 64x64 tile may be padding: what takes time there is the chain of loads along k, which
/// is as long in the other rungs, and 256 invocations have more of them on the way.
const SHARED: Rung = Rung {
    name: "3_shared",
    supports: anything,
    rounding: 1.0,
};

const WINDOWS: Rung = Rung {
    name: "4_windows",
    supports: windows::supports,
    rounding: 1.0,
};

const F16: Rung = Rung {
    name: "5_f16",
    supports: half::supports,
    rounding: half::ROUNDING,
};

const COOPERATIVE: Rung = Rung {
    name: "6_cooperative",
    supports: half::supports_cooperative,
    rounding: half::ROUNDING,
};

/// Orders of preference on a CPU driver, for small products and for those that [`windows::pays`] calls large.
const SMALL: &[&str] = &["2_tile", "1_naive"];
const LARGE: &[&str] = &["4_windows", "2_tile", "1_naive"];

/// Samples from which `4_windows` beat `2_tile` on lavapipe, forward (where the latter loads vec4s only) and backward.
const FORWARD_SAMPLES: usize = 16;
const BACKWARD_SAMPLES: usize = 8;

const fn family(
    name: &'static str,
    work: fn(&Problem) -> Work,
    software: fn(&Problem) -> &'static [&'static str],
) -> Family {
    Family {
        name,
        rungs: &[NAIVE, TILED, SHARED, WINDOWS, F16, COOPERATIVE],
        software,
        hardware: &["3_shared", "2_tile", "1_naive"],
        work,
    }
}

fn order(p: &Problem, samples: usize) -> &'static [&'static str] {
    match windows::pays(p, samples) {
        true => LARGE,
        false => SMALL,
    }
}

/// y from x, w, b.
pub static FORWARD: Family = family("dense.forward", forward_work, |p| order(p, FORWARD_SAMPLES));

/// dx from w and dy.
pub static BACKWARD_INPUT: Family = family("dense.backward_input", gradient_work, |p| {
    order(p, BACKWARD_SAMPLES)
});

/// dw from x and dy.
pub static BACKWARD_WEIGHT: Family = family("dense.backward_weight", gradient_work, |p| {
    order(p, BACKWARD_SAMPLES)
});

/// db from dy.
pub static BACKWARD_BIAS: Family = Family {
    name: "dense.backward_bias",
    rungs: &[NAIVE],
    software: |_| &["1_naive"],
    hardware: &["1_naive"],
    work: bias_work,
};

/// All of them, for the registry.
pub static FAMILIES: &[&Family] = &[&FORWARD, &BACKWARD_INPUT, &BACKWARD_WEIGHT, &BACKWARD_BIAS];

/// Workgroups for one invocation per tile of a `rows` x `columns` result.
fn tiles(rows: usize, columns: usize) -> [u32; 3] {
    grid_1d(rows.div_ceil(TILE) * columns.div_ceil(TILE), WORKGROUP)
}

/// The rungs that serve all directions.
fn product(rung: &str, p: &Gemm, l: &mut Lowering) -> Result<()> {
    match rung {
        "3_shared" => gemm::shared(p, l),
        "4_windows" => windows::run(p, l),
        "5_f16" => half::shared(p, l),
        "6_cooperative" => half::cooperative(p, l),
        rung => unreachable!("{rung} has no arm here"),
    }
}

/// Compute `io.y(0)`.
pub(super) fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let (kernel, grid) = match l.choose(&FORWARD, &g.problem())? {
        "1_naive" => (
            kernel!("dense/forward_1_naive"),
            grid_1d(g.n * g.o, WORKGROUP),
        ),
        "2_tile" => (kernel!("dense/forward_2_tile"), tiles(g.n, g.o)),
        rung => return product(rung, &Gemm::forward(g, io), l),
    };
    let tensors = [io.x(0), io.x(1), io.x(2), io.y(0)];
    l.dispatch(kernel.with("RELU", g.relu()), &tensors, g.params(), grid)
}

/// Compute `io.dx(0)`, if somebody wants it.
pub(super) fn backward_input(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let Some(dx) = io.dx(0) else { return Ok(()) };
    let (kernel, grid) = match l.choose(&BACKWARD_INPUT, &g.problem())? {
        "1_naive" => (
            kernel!("dense/backward_input_1_naive", "dense_gradient"),
            grid_1d(g.n * g.i, WORKGROUP),
        ),
        "2_tile" => (
            kernel!("dense/backward_input_2_tile", "dense_gradient"),
            tiles(g.n, g.i),
        ),
        rung => return product(rung, &Gemm::backward_input(g, io, dx), l),
    };
    let tensors = [io.dy(), g.mask(io), io.x(1), dx];
    l.dispatch(kernel.with("RELU", g.relu()), &tensors, g.params(), grid)
}

/// Compute `io.dx(1)`, if somebody wants it.
pub(super) fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let Some(dw) = io.dx(1) else { return Ok(()) };
    let (kernel, grid) = match l.choose(&BACKWARD_WEIGHT, &g.problem())? {
        "1_naive" => (
            kernel!("dense/backward_weight_1_naive", "dense_gradient"),
            grid_1d(g.o * g.i, WORKGROUP),
        ),
        "2_tile" => (
            kernel!("dense/backward_weight_2_tile", "dense_gradient"),
            tiles(g.o, g.i),
        ),
        rung => return product(rung, &Gemm::backward_weight(g, io, dw), l),
    };
    let tensors = [io.dy(), g.mask(io), io.x(0), dw];
    l.dispatch(kernel.with("RELU", g.relu()), &tensors, g.params(), grid)
}

/// Compute `io.dx(2)`, if somebody wants it.
pub(super) fn backward_bias(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let Some(db) = io.dx(2) else { return Ok(()) };
    l.choose(&BACKWARD_BIAS, &g.problem())?;
    let kernel = kernel!("dense/backward_bias_1_naive", "dense_gradient").with("RELU", g.relu());
    let tensors = [io.dy(), g.mask(io), db];
    l.dispatch(kernel, &tensors, g.params(), grid_1d(g.o, WORKGROUP))
}
