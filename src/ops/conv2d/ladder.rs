//! The ladders of the convolution, one per direction, and which rung runs where.

use super::geometry::Geometry;
use super::rungs::cpu_driver::{
    bias as bias_windows, few_channels, im2col, implicit, subgroup, winograd,
};
use super::rungs::gpu::winograd_gemm::{self, Direction};
use super::rungs::gpu::{
    bias, cooperative, few_channels as few, implicit_gemm, naive, pointwise, registers, workgroup,
};
use crate::ops::{AnyLadder, DeviceClass, Ladder};

/// y (and argmax) from x, w, b.
pub static FORWARD: Ladder<Geometry> = Ladder {
    name: "conv2d.forward",
    rungs: &[
        naive::FORWARD,
        registers::CORRELATION.forward,
        workgroup::CORRELATION.forward,
        few::FORWARD,
        implicit_gemm::FORWARD,
        pointwise::FORWARD,
        implicit_gemm::half::FORWARD,
        cooperative::FORWARD,
        winograd_gemm::SMALL.correlation.forward,
        winograd_gemm::LARGE.correlation.forward,
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
        // takes any window. What it does not do well has a rung of its own: of one channel, 3x3 and pooled, it executes 148 instructions per
        // window and filter, since 7 of its 16 steps are padding, and few_channels 64, fewer than the 85 in whose time a card writes the 5
        // bytes; and without a window, pointwise needs 1205 (1267 for single elements) for two stages instead of 1408.
        // Transforms where their rooflines say that they win by a quarter: they move more bytes.
        DeviceClass::Hardware => {
            let mut order = vec![few::FORWARD, pointwise::FORWARD];
            let large = winograd_gemm::LARGE.correlation.forward;
            order.extend(winograd_gemm::pays(g, Direction::Forward).then_some(large));
            order.extend([implicit_gemm::FORWARD, workgroup::CORRELATION.forward]);
            order
        }
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
        pointwise::BACKWARD_INPUT,
        implicit_gemm::half::BACKWARD_INPUT,
        cooperative::BACKWARD_INPUT,
        winograd_gemm::SMALL.correlation.backward_input,
        winograd_gemm::LARGE.correlation.backward_input,
        subgroup::CORRELATION.backward_input,
        im2col::CORRELATION.backward_input,
        implicit::CORRELATION.backward_input,
        winograd::SMALL.correlation.backward_input,
        winograd::LARGE.correlation.backward_input,
    ],
    // As forward, which it is with turned filters; no rung is made for few channels of dy, which are many wherever dx is wanted.
    order: |g, c| match c.class {
        DeviceClass::Hardware => {
            let mut order = vec![pointwise::BACKWARD_INPUT];
            let large = winograd_gemm::LARGE.correlation.backward_input;
            order.extend(winograd_gemm::pays(g, Direction::BackwardInput).then_some(large));
            order.extend([
                implicit_gemm::BACKWARD_INPUT,
                workgroup::CORRELATION.backward_input,
            ]);
            order
        }
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
        few::BACKWARD_WEIGHT,
        implicit_gemm::BACKWARD_WEIGHT,
        pointwise::BACKWARD_WEIGHT,
        implicit_gemm::half::BACKWARD_WEIGHT,
        cooperative::BACKWARD_WEIGHT,
        winograd_gemm::SMALL.backward_weight,
        winograd_gemm::LARGE.backward_weight,
        subgroup::BACKWARD_WEIGHT,
        few_channels::BACKWARD_WEIGHT,
        im2col::BACKWARD_WEIGHT,
        winograd::SMALL.backward_weight,
        winograd::LARGE.backward_weight,
    ],
    order: |g, c| match c.class {
        // 1024 of 1391 instructions of two stages, where workgroup's 36 sums of an invocation leave 36 of 51 already without its loads.
        // With one channel 9 of a tile's 128 rows are weights: 695 instructions per window and filter, few_channels 62. Without a window
        // pointwise needs 1266.
        // Transforms as forward.
        DeviceClass::Hardware => {
            let few = few::weight_pays(g, implicit_gemm::ROWS).then_some(few::BACKWARD_WEIGHT);
            let large = winograd_gemm::LARGE.backward_weight;
            let large = winograd_gemm::pays(g, Direction::BackwardWeight).then_some(large);
            let others = [
                pointwise::BACKWARD_WEIGHT,
                implicit_gemm::BACKWARD_WEIGHT,
                workgroup::BACKWARD_WEIGHT,
            ];
            few.into_iter().chain(large).chain(others).collect()
        }
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
    rungs: &[
        bias::TREE,
        bias::QUADS,
        bias::SUBGROUP_QUADS,
        bias_windows::BACKWARD_BIAS,
    ],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::conv2d::{Conv2d, Epilogue, Padding};
    use crate::ops::{Capabilities, Choices};
    use crate::tensor::Shape;

    /// What a GPU runs, and what it runs in place of a rung that can't.
    #[test]
    fn a_gpu_takes_the_rung_that_the_geometry_asks_for() {
        let chosen = |x: [usize; 4], k: usize, window: usize, stride: usize, epilogue| {
            let op = Conv2d {
                stride: [stride; 2],
                padding: Padding::Same,
                epilogue,
            };
            let (x, w) = (Shape::from(x), Shape::from([k, x[1], window, window]));
            let g = Geometry::new(&op, &x, &w).expect("it fits");
            let gpu = Capabilities::portable(DeviceClass::Hardware);
            [&FORWARD, &BACKWARD_INPUT, &BACKWARD_WEIGHT].map(|ladder| {
                let rung = ladder.choose(&g, &Choices::default(), &gpu);
                rung.expect("one can").name
            })
        };
        use Epilogue::{None, Relu, ReluMaxPool2};
        let [few, gemm, point] = ["few_channels", "implicit_gemm", "pointwise"];
        let large = "winograd_gemm_large";
        for (x, k, window, stride, epilogue, expected) in [
            ([8, 1, 187, 130], 64, 3, 1, ReluMaxPool2, [few, gemm, few]),
            ([2, 3, 31, 33], 9, 3, 2, Relu, [few, gemm, few]),
            // Four channels of 25 taps: their sums fill a tile well enough.
            ([2, 4, 31, 33], 9, 5, 1, Relu, [gemm, gemm, gemm]),
            ([2, 5, 31, 33], 9, 3, 1, None, [gemm; 3]),
            // A patch of 7x7 windows under four outputs is too large, and so are its sums.
            ([1, 3, 64, 64], 64, 7, 2, Relu, [gemm; 3]),
            ([8, 64, 23, 16], 128, 1, 1, None, [point; 3]),
            ([8, 256, 24, 17], 512, 1, 2, None, [point; 3]),
            (
                [8, 64, 23, 16],
                128,
                1,
                1,
                ReluMaxPool2,
                [gemm, point, gemm],
            ),
            ([8, 64, 93, 65], 128, 3, 1, ReluMaxPool2, [gemm; 3]),
            (
                [8, 128, 46, 32],
                256,
                3,
                1,
                ReluMaxPool2,
                [large, large, gemm],
            ),
        ] {
            let found = chosen(x, k, window, stride, epilogue);
            assert_eq!(found, expected, "{x:?} {k} {window} {stride}");
        }
    }
}
