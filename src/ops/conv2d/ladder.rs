//! The ladders of the convolution, one per direction, and which rung runs where.

use super::geometry::Geometry;
use super::rungs::cpu_driver::{
    bias as bias_windows, few_channels, im2col, implicit, subgroup, winograd,
};
use super::rungs::gpu::{bias, implicit_gemm, naive, registers, workgroup};
use crate::ops::{AnyLadder, DeviceClass, Ladder};

/// y (and argmax) from x, w, b.
pub static FORWARD: Ladder<Geometry> = Ladder {
    name: "conv2d.forward",
    rungs: &[
        naive::FORWARD,
        registers::CORRELATION.forward,
        workgroup::CORRELATION.forward,
        implicit_gemm::FORWARD,
        subgroup::CORRELATION.forward,
        few_channels::FORWARD,
        im2col::CORRELATION.forward,
        implicit::CORRELATION.forward,
        winograd::SMALL.correlation.forward,
        winograd::LARGE.correlation.forward,
    ],
    order: |g, c| match c.class {
        // Of a stage with its loads and barrier, compilers for GFX1100 and NAVI21 make 704 and 705 instructions, 512 of them multiply-adds
        // (workgroup: 576 of 925). It asks the caches for more, 21 FLOP per byte where workgroup has 48, which they can give; and it
        // takes any window. With one channel 9 of its 16 steps are taps, of workgroup's stage 9 of 18.
        DeviceClass::Hardware => vec![implicit_gemm::FORWARD, workgroup::CORRELATION.forward],
        DeviceClass::Software => {
            // With few channels there is so little arithmetic that packing anything takes longer than the sums.
            let mut order = vec![few_channels::FORWARD];
            // Transforms pay from some thousand pairs of channels on; else the product reads every tap where it is.
            order.extend(winograd::pays(g).then_some(winograd::LARGE.correlation.forward));
            order.extend([
                implicit::CORRELATION.forward,
                im2col::CORRELATION.forward,
                subgroup::CORRELATION.forward,
                registers::CORRELATION.forward,
            ]);
            order
        }
    },
    work: Geometry::forward_work,
};

/// dx from w and dy, read through the epilogue.
pub static BACKWARD_INPUT: Ladder<Geometry> = Ladder {
    name: "conv2d.backward_input",
    rungs: &[
        naive::BACKWARD_INPUT,
        registers::CORRELATION.backward_input,
        workgroup::CORRELATION.backward_input,
        implicit_gemm::BACKWARD_INPUT,
        subgroup::CORRELATION.backward_input,
        im2col::CORRELATION.backward_input,
        implicit::CORRELATION.backward_input,
        winograd::SMALL.correlation.backward_input,
        winograd::LARGE.correlation.backward_input,
    ],
    // As forward, which it is with turned filters; no rung is made for few channels of dy.
    order: |g, c| match c.class {
        DeviceClass::Hardware => vec![
            implicit_gemm::BACKWARD_INPUT,
            workgroup::CORRELATION.backward_input,
        ],
        DeviceClass::Software => {
            let large = winograd::pays(g).then_some(winograd::LARGE.correlation.backward_input);
            let others = [
                implicit::CORRELATION.backward_input,
                im2col::CORRELATION.backward_input,
                subgroup::CORRELATION.backward_input,
                registers::CORRELATION.backward_input,
            ];
            large.into_iter().chain(others).collect()
        }
    },
    work: Geometry::gradient_work,
};

/// dw from x and dy, read through the epilogue.
pub static BACKWARD_WEIGHT: Ladder<Geometry> = Ladder {
    name: "conv2d.backward_weight",
    rungs: &[
        naive::BACKWARD_WEIGHT,
        registers::BACKWARD_WEIGHT,
        workgroup::BACKWARD_WEIGHT,
        implicit_gemm::BACKWARD_WEIGHT,
        subgroup::BACKWARD_WEIGHT,
        few_channels::BACKWARD_WEIGHT,
        im2col::BACKWARD_WEIGHT,
        winograd::SMALL.backward_weight,
        winograd::LARGE.backward_weight,
    ],
    order: |_, c| match c.class {
        // 512 of 728 instructions, where workgroup's 36 sums of an invocation leave 36 of 51 already without its loads. With few
        // channels most of a tile is empty in both.
        DeviceClass::Hardware => vec![implicit_gemm::BACKWARD_WEIGHT, workgroup::BACKWARD_WEIGHT],
        // There is no implicit product here, and im2col's columns cost so much that transforms always pay.
        DeviceClass::Software => vec![
            few_channels::BACKWARD_WEIGHT,
            winograd::LARGE.backward_weight,
            im2col::BACKWARD_WEIGHT,
            subgroup::BACKWARD_WEIGHT,
            registers::BACKWARD_WEIGHT,
        ],
    },
    work: Geometry::gradient_work,
};

/// db from dy, read through the epilogue.
pub static BACKWARD_BIAS: Ladder<Geometry> = Ladder {
    name: "conv2d.backward_bias",
    rungs: &[bias::TREE, bias::QUADS, bias_windows::BACKWARD_BIAS],
    // A sum is nothing but loads: vec4s on a GPU; a CPU driver's fast ones are those from uniform blocks.
    order: |_, c| match c.class {
        DeviceClass::Hardware => vec![bias::QUADS],
        DeviceClass::Software => vec![bias_windows::BACKWARD_BIAS, bias::QUADS],
    },
    work: Geometry::bias_work,
};

/// All of them, for the registry.
pub(super) static ALL: &[&dyn AnyLadder] =
    &[&FORWARD, &BACKWARD_INPUT, &BACKWARD_WEIGHT, &BACKWARD_BIAS];
