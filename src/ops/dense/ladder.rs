//! The ladders of the dense layer, one per direction, and which rung runs where.
//!
//! The first two rungs are a kernel per direction ([`super::direct`]); above them all directions are one product with other strides
//! ([`super::gemm`]), but for few outputs ([`super::split`]).

use super::direct;
use super::gemm::WORKGROUP;
use super::geometry::Geometry;
use super::half::{COOPERATIVE, HALF};
use super::split::{self, SPLIT};
use super::windows::{self, WINDOWS};
use crate::ops::{AnyLadder, Capabilities, DeviceClass, Ladder, Rung};

/// y from x, w, b.
pub static FORWARD: Ladder<Geometry> = Ladder {
    name: "dense.forward",
    rungs: &[
        direct::FORWARD[0],
        direct::FORWARD[1],
        SPLIT,
        WORKGROUP.forward,
        HALF.forward,
        COOPERATIVE.forward,
        WINDOWS.forward,
    ],
    // Forward, the rung of registers loads vec4s only, so packing pays from twice as many samples on as backward.
    order: |g, c| {
        let [workgroup, windows] = [WORKGROUP, WINDOWS].map(|r| r.forward);
        let all = order(workgroup, windows, direct::FORWARD[1], 16, g, c);
        match c.class {
            DeviceClass::Hardware if split::pays(g) => [vec![SPLIT], all].concat(),
            _ => all,
        }
    },
    work: Geometry::forward_work,
};

/// dx from w and dy.
pub static BACKWARD_INPUT: Ladder<Geometry> = Ladder {
    name: "dense.backward_input",
    rungs: &[
        direct::BACKWARD_INPUT[0],
        direct::BACKWARD_INPUT[1],
        WORKGROUP.backward_input,
        HALF.backward_input,
        COOPERATIVE.backward_input,
        WINDOWS.backward_input,
    ],
    order: |g, c| {
        let [workgroup, windows] = [WORKGROUP, WINDOWS].map(|r| r.backward_input);
        order(workgroup, windows, direct::BACKWARD_INPUT[1], 8, g, c)
    },
    work: Geometry::gradient_work,
};

/// dw from x and dy.
pub static BACKWARD_WEIGHT: Ladder<Geometry> = Ladder {
    name: "dense.backward_weight",
    rungs: &[
        direct::BACKWARD_WEIGHT[0],
        direct::BACKWARD_WEIGHT[1],
        WORKGROUP.backward_weight,
        HALF.backward_weight,
        COOPERATIVE.backward_weight,
        WINDOWS.backward_weight,
    ],
    order: |g, c| {
        let [workgroup, windows] = [WORKGROUP, WINDOWS].map(|r| r.backward_weight);
        order(workgroup, windows, direct::BACKWARD_WEIGHT[1], 8, g, c)
    },
    work: Geometry::gradient_work,
};

/// db from dy.
pub static BACKWARD_BIAS: Ladder<Geometry> = Ladder {
    name: "dense.backward_bias",
    rungs: &[direct::BACKWARD_BIAS],
    order: |_, _| Vec::new(),
    work: Geometry::bias_work,
};

/// All of them, for the registry.
pub(super) static ALL: &[&dyn AnyLadder] =
    &[&FORWARD, &BACKWARD_INPUT, &BACKWARD_WEIGHT, &BACKWARD_BIAS];

/// The same choice in all directions. `samples`: from how many on windows beat registers on lavapipe.
fn order(
    workgroup: Rung<Geometry>,
    windows: Rung<Geometry>,
    registers: Rung<Geometry>,
    samples: usize,
    g: &Geometry,
    c: &Capabilities,
) -> Vec<Rung<Geometry>> {
    match c.class {
        // It runs everything.
        DeviceClass::Hardware => vec![workgroup],
        DeviceClass::Software if windows::pays(g, samples) => vec![windows, registers],
        DeviceClass::Software => vec![registers],
    }
}
