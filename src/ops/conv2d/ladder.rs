//! The ladders of the convolution: one kernel family per direction, and which rung runs where.
//!
//! A rung is a file beside this one, an entry here, and one arm of the `match` of its direction.

use super::geometry::Geometry;
use super::tiles::same_3x3;
use super::{bias, im2col, naive, patch, subgroup, tiled, weight, winograd, work};
use crate::error::Result;
use crate::ops::select::anything;
use crate::ops::{Family, Io, Lowering, Rung};

// Rungs of several directions.

const NAIVE: Rung = Rung {
    name: "1_naive",
    supports: anything,
    rounding: 1.0,
};

const REGISTERS: Rung = Rung {
    name: "2_registers",
    supports: same_3x3,
    rounding: 1.0,
};

const SHARED: Rung = Rung {
    name: "3_shared",
    supports: same_3x3,
    rounding: 1.0,
};

const SUBGROUP: Rung = Rung {
    name: "4_subgroup",
    supports: subgroup::supports,
    rounding: 1.0,
};

const IM2COL: Rung = Rung {
    name: "6_im2col_windows",
    supports: im2col::supports,
    rounding: 1.0,
};

const IMPLICIT: Rung = Rung {
    name: "7_implicit_texels",
    supports: im2col::implicit::supports,
    rounding: 1.0,
};

const F2: Rung = Rung {
    name: "8_winograd_f2",
    supports: winograd::supports_f2,
    rounding: winograd::F2.rounding,
};

const F4: Rung = Rung {
    name: "9_winograd_f4",
    supports: winograd::supports_f4,
    rounding: winograd::F4.rounding,
};

/// y (and argmax) from x, w, b.
pub static FORWARD: Family = Family {
    name: "conv2d.forward",
    rungs: &[
        NAIVE,
        REGISTERS,
        SHARED,
        SUBGROUP,
        Rung {
            name: "5_patch_windows",
            supports: patch::supports,
            rounding: 1.0,
        },
        IM2COL,
        IMPLICIT,
        F2,
        F4,
    ],
    software: |p| match winograd::pays(p) {
        true => &[
            "5_patch_windows",
            "9_winograd_f4",
            "7_implicit_texels",
            "6_im2col_windows",
            "4_subgroup",
            "2_registers",
        ],
        false => &[
            "5_patch_windows",
            "7_implicit_texels",
            "6_im2col_windows",
            "4_subgroup",
            "2_registers",
        ],
    },
    hardware: &["3_shared"],
    work: work::forward,
};

/// dx from w and dy, read through the epilogue.
pub static BACKWARD_INPUT: Family = Family {
    name: "conv2d.backward_input",
    rungs: &[NAIVE, REGISTERS, SHARED, SUBGROUP, IM2COL, IMPLICIT, F2, F4],
    software: |p| match winograd::pays(p) {
        true => &[
            "9_winograd_f4",
            "7_implicit_texels",
            "6_im2col_windows",
            "4_subgroup",
            "2_registers",
        ],
        false => &[
            "7_implicit_texels",
            "6_im2col_windows",
            "4_subgroup",
            "2_registers",
        ],
    },
    hardware: &["3_shared"],
    work: work::backward_input,
};

/// dw from x and dy, read through the epilogue.
pub static BACKWARD_WEIGHT: Family = Family {
    name: "conv2d.backward_weight",
    rungs: &[
        NAIVE,
        REGISTERS,
        SHARED,
        Rung {
            name: "4_subgroup",
            supports: subgroup::supports_weight,
            rounding: 1.0,
        },
        Rung {
            name: "5_gather_windows",
            supports: patch::supports,
            rounding: 1.0,
        },
        IM2COL,
        F2,
        F4,
    ],
    software: |_| {
        &[
            "5_gather_windows",
            "9_winograd_f4",
            "6_im2col_windows",
            "4_subgroup",
            "2_registers",
        ]
    },
    hardware: &["3_shared"],
    work: work::backward_weight,
};

/// db from dy, read through the epilogue.
pub static BACKWARD_BIAS: Family = Family {
    name: "conv2d.backward_bias",
    rungs: &[
        Rung {
            name: "1_tree",
            supports: anything,
            rounding: 1.0,
        },
        Rung {
            name: "2_quads",
            supports: anything,
            rounding: 1.0,
        },
        Rung {
            name: "3_windows",
            supports: bias::supports,
            rounding: 1.0,
        },
    ],
    software: |_| &["3_windows", "2_quads"],
    hardware: &["2_quads"],
    work: work::backward_bias,
};

/// All of them, for the registry.
pub static FAMILIES: &[&Family] = &[&FORWARD, &BACKWARD_INPUT, &BACKWARD_WEIGHT, &BACKWARD_BIAS];

/// Compute `io.y(0)`, and `io.y(1)` when pooled.
pub(super) fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    match l.choose(&FORWARD, &g.problem())? {
        "1_naive" => naive::forward(g, io, l),
        "2_registers" => tiled::forward(&tiled::registers(), g, io, l),
        "3_shared" => tiled::forward(&tiled::shared(), g, io, l),
        "4_subgroup" => subgroup::forward(g, io, l),
        "5_patch_windows" => patch::forward(g, io, l),
        "6_im2col_windows" => im2col::forward(g, io, l),
        "7_implicit_texels" => im2col::implicit::forward(g, io, l),
        "8_winograd_f2" => winograd::forward(&winograd::F2, g, io, l),
        "9_winograd_f4" => winograd::forward(&winograd::F4, g, io, l),
        rung => unreachable!("{rung} has no arm here"),
    }
}

/// Compute `io.dx(0)`, if somebody wants it.
pub(super) fn backward_input(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let Some(dx) = io.dx(0) else { return Ok(()) };
    match l.choose(&BACKWARD_INPUT, &g.problem())? {
        "1_naive" => naive::backward_input(g, io, dx, l),
        "2_registers" => tiled::backward_input(&tiled::registers(), g, io, dx, l),
        "3_shared" => tiled::backward_input(&tiled::shared(), g, io, dx, l),
        "4_subgroup" => subgroup::backward_input(g, io, dx, l),
        "6_im2col_windows" => im2col::backward_input(g, io, dx, l),
        "7_implicit_texels" => im2col::implicit::backward_input(g, io, dx, l),
        "8_winograd_f2" => winograd::backward_input(&winograd::F2, g, io, dx, l),
        "9_winograd_f4" => winograd::backward_input(&winograd::F4, g, io, dx, l),
        rung => unreachable!("{rung} has no arm here"),
    }
}

/// Compute `io.dx(1)`, if somebody wants it.
pub(super) fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let Some(dw) = io.dx(1) else { return Ok(()) };
    match l.choose(&BACKWARD_WEIGHT, &g.problem())? {
        "1_naive" => naive::backward_weight(g, io, dw, l),
        "2_registers" => weight::registers(g, io, dw, l),
        "3_shared" => weight::shared(g, io, dw, l),
        "4_subgroup" => weight::subgroup(g, io, dw, l),
        "5_gather_windows" => patch::backward_weight(g, io, dw, l),
        "6_im2col_windows" => im2col::backward_weight(g, io, dw, l),
        "8_winograd_f2" => winograd::backward_weight(&winograd::F2, g, io, dw, l),
        "9_winograd_f4" => winograd::backward_weight(&winograd::F4, g, io, dw, l),
        rung => unreachable!("{rung} has no arm here"),
    }
}

/// Compute `io.dx(2)`, if somebody wants it.
pub(super) fn backward_bias(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let Some(db) = io.dx(2) else { return Ok(()) };
    match l.choose(&BACKWARD_BIAS, &g.problem())? {
        "1_tree" => naive::backward_bias(g, io, db, l),
        "2_quads" => naive::backward_bias_quads(g, io, db, l),
        "3_windows" => bias::windows(g, io, db, l),
        rung => unreachable!("{rung} has no arm here"),
    }
}
