//! The ladders of the convolution: one kernel family per direction, and which rung runs where.
//!
//! A rung is a file beside this one, an entry here, and one arm of the `match` of its direction.

use super::geometry::Geometry;
use super::{naive, winograd};
use crate::error::Result;
use crate::ops::select::anything;
use crate::ops::{Family, Io, Lowering, Rung};

const NAIVE: Rung = Rung {
    name: "1_naive",
    supports: anything,
};

const WINOGRAD_WINDOWS: Rung = Rung {
    name: "6_winograd_f4_windows",
    supports: winograd::windows,
};

/// y (and argmax) from x, w, b.
pub static FORWARD: Family = Family {
    name: "conv2d.forward",
    rungs: &[NAIVE, WINOGRAD_WINDOWS],
    software: &["6_winograd_f4_windows", "1_naive"],
    hardware: &["1_naive"],
};

/// dx from w and dy, read through the epilogue.
pub static BACKWARD_INPUT: Family = Family {
    name: "conv2d.backward_input",
    rungs: &[NAIVE, WINOGRAD_WINDOWS],
    software: &["6_winograd_f4_windows", "1_naive"],
    hardware: &["1_naive"],
};

/// dw from x and dy, read through the epilogue.
pub static BACKWARD_WEIGHT: Family = Family {
    name: "conv2d.backward_weight",
    rungs: &[NAIVE, WINOGRAD_WINDOWS],
    software: &["6_winograd_f4_windows", "1_naive"],
    hardware: &["1_naive"],
};

/// db from dy, read through the epilogue.
pub static BACKWARD_BIAS: Family = Family {
    name: "conv2d.backward_bias",
    rungs: &[
        Rung {
            name: "1_tree",
            supports: anything,
        },
        Rung {
            name: "2_quads",
            supports: anything,
        },
    ],
    software: &["2_quads"],
    hardware: &["2_quads"],
};

/// All of them, for the registry.
pub static FAMILIES: &[&Family] = &[&FORWARD, &BACKWARD_INPUT, &BACKWARD_WEIGHT, &BACKWARD_BIAS];

/// Compute `io.y(0)`, and `io.y(1)` when pooled.
pub(super) fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    match l.choose(&FORWARD, &g.problem())? {
        "1_naive" => naive::forward(g, io, l),
        "6_winograd_f4_windows" => winograd::forward(g, io, l),
        rung => unreachable!("{rung} has no arm here"),
    }
}

/// Compute `io.dx(0)`, if somebody wants it.
pub(super) fn backward_input(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let Some(dx) = io.dx(0) else { return Ok(()) };
    match l.choose(&BACKWARD_INPUT, &g.problem())? {
        "1_naive" => naive::backward_input(g, io, dx, l),
        "6_winograd_f4_windows" => winograd::backward_input(g, io, dx, l),
        rung => unreachable!("{rung} has no arm here"),
    }
}

/// Compute `io.dx(1)`, if somebody wants it.
pub(super) fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let Some(dw) = io.dx(1) else { return Ok(()) };
    match l.choose(&BACKWARD_WEIGHT, &g.problem())? {
        "1_naive" => naive::backward_weight(g, io, dw, l),
        "6_winograd_f4_windows" => winograd::backward_weight(g, io, dw, l),
        rung => unreachable!("{rung} has no arm here"),
    }
}

/// Compute `io.dx(2)`, if somebody wants it.
pub(super) fn backward_bias(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let Some(db) = io.dx(2) else { return Ok(()) };
    match l.choose(&BACKWARD_BIAS, &g.problem())? {
        "1_tree" => naive::backward_bias(g, io, db, l),
        "2_quads" => naive::backward_bias_quads(g, io, db, l),
        rung => unreachable!("{rung} has no arm here"),
    }
}
