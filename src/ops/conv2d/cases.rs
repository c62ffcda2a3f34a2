//! Shapes that feed gradient checks, GPU comparisons and benches.

use super::{Conv2d, Epilogue, Padding};
use crate::ops::{Case, Fill};
use crate::tensor::Spec;

/// A case with normal x and w; x `[n,c,h,w]`, w `[k,c,kh,kw]`.
fn case(name: &'static str, op: Conv2d, x: [usize; 4], k: usize, window: [usize; 2]) -> Case {
    let inputs = vec![
        (Spec::f32(x), Fill::Normal(1.0)),
        (
            Spec::f32([k, x[1], window[0], window[1]]),
            Fill::Normal(0.5),
        ),
        (Spec::f32([k]), Fill::Normal(1.0)),
    ];
    Case::new(name, op, inputs)
}

/// The same with few distinct values: exact zeros before ReLU and ties within windows.
fn ties(name: &'static str, op: Conv2d, x: [usize; 4], k: usize, window: [usize; 2]) -> Case {
    let mut case = case(name, op, x, k, window).kinks();
    for input in &mut case.inputs {
        input.fill = Fill::Ties;
    }
    case
}

/// The same without a bias.
fn bare(name: &'static str, op: Conv2d, x: [usize; 4], k: usize, window: [usize; 2]) -> Case {
    let mut case = case(name, op, x, k, window);
    case.inputs.truncate(2);
    case
}

/// Every output is exactly the bias of its filter: ties and dead windows that survive any transform.
fn flat(name: &'static str, op: Conv2d, x: [usize; 4], k: usize) -> Case {
    let mut case = case(name, op, x, k, [3, 3]).kinks();
    case.inputs[0].fill = Fill::Uniform(0.0, 0.0);
    case
}

pub(super) fn cases() -> Vec<Case> {
    let conv = |stride, padding, epilogue| Conv2d {
        stride,
        padding,
        epilogue,
    };
    let same = |epilogue| conv([1, 1], Padding::Same, epilogue);
    let valid = |stride, epilogue| conv(stride, Padding::Valid, epilogue);
    let uneven = Padding::Explicit {
        top: 2,
        bottom: 1,
        left: 0,
        right: 3,
    };
    use Epilogue::{None, Relu, ReluMaxPool2};
    vec![
        case("1x1 input", same(None), [1, 1, 1, 1], 1, [3, 3]),
        case("1x1 window", valid([1, 1], None), [2, 3, 3, 5], 4, [1, 1]),
        case(
            "1x1 window, strides",
            valid([2, 3], Relu),
            [2, 5, 7, 9],
            6,
            [1, 1],
        ),
        // Planes of whole vec4s; neither channels nor filters nor positions fill a tile.
        case(
            "1x1 window, several tiles",
            same(Relu),
            [3, 19, 8, 12],
            70,
            [1, 1],
        )
        .kinks(),
        case(
            "1x1 window, pool",
            same(ReluMaxPool2),
            [2, 6, 5, 4],
            5,
            [1, 1],
        ),
        case(
            "one channel, 5x5, stride 2",
            conv([2, 2], Padding::Same, Relu),
            [2, 1, 9, 7],
            6,
            [5, 5],
        ),
        // A network's first layer in small.
        case(
            "one channel, pool",
            same(ReluMaxPool2),
            [2, 1, 9, 13],
            8,
            [3, 3],
        )
        .kinks(),
        case(
            "four channels, pool",
            same(ReluMaxPool2),
            [2, 4, 7, 9],
            9,
            [3, 3],
        )
        .kinks(),
        case("3x3 same", same(None), [2, 3, 5, 7], 5, [3, 3]),
        case("3x3 valid", valid([1, 1], None), [1, 2, 5, 6], 3, [3, 3]),
        case(
            "stride 2 same",
            conv([2, 2], Padding::Same, None),
            [2, 2, 5, 6],
            3,
            [3, 3],
        ),
        case(
            "stride 3x2, window 2x5",
            valid([3, 2], Relu),
            [2, 2, 8, 9],
            3,
            [2, 5],
        ),
        case("even window same", same(None), [1, 3, 4, 5], 2, [2, 4]),
        case(
            "uneven padding",
            conv([2, 1], uneven, Relu),
            [2, 2, 5, 4],
            3,
            [3, 3],
        ),
        case("window larger than x", same(Relu), [1, 2, 2, 3], 3, [5, 5]),
        case(
            "window beyond a word of bits",
            conv([1, 2], Padding::Same, Relu),
            [1, 2, 5, 21],
            3,
            [17, 16],
        )
        .kinks(),
        case(
            "strides beyond the window",
            conv([3, 4], uneven, None),
            [2, 3, 7, 9],
            5,
            [2, 3],
        ),
        case(
            "padding only",
            conv([4, 4], uneven, None),
            [1, 1, 2, 2],
            2,
            [2, 2],
        ),
        case("relu", same(Relu), [2, 3, 5, 4], 5, [3, 3]),
        case("relu, pool", same(ReluMaxPool2), [2, 3, 4, 6], 3, [3, 3]),
        case(
            "relu, pool, odd rows",
            same(ReluMaxPool2),
            [1, 2, 5, 7],
            3,
            [3, 3],
        ),
        case(
            "relu, pool, stride 2",
            conv([2, 2], Padding::Same, ReluMaxPool2),
            [1, 2, 7, 9],
            3,
            [3, 3],
        ),
        flat(
            "relu, pool, flat windows",
            same(ReluMaxPool2),
            [2, 3, 8, 9],
            5,
        ),
        flat("relu, flat", same(Relu), [1, 16, 4, 5], 18),
        case(
            "several chunks of channels",
            same(Relu),
            [1, 70, 9, 6],
            41,
            [3, 3],
        )
        .kinks(),
        bare(
            "no bias, stride 2",
            conv([2, 2], Padding::Same, None),
            [2, 3, 7, 6],
            4,
            [3, 3],
        ),
        bare(
            "no bias, relu, pool",
            same(ReluMaxPool2),
            [2, 17, 9, 11],
            19,
            [3, 3],
        )
        .kinks(),
        // Enough channels for every rung; too many elements for finite differences.
        case("many channels", same(None), [3, 17, 9, 7], 21, [3, 3]).kinks(),
        case(
            "many channels, relu",
            same(Relu),
            [2, 16, 5, 11],
            16,
            [3, 3],
        )
        .kinks(),
        case(
            "many channels, relu, pool",
            same(ReluMaxPool2),
            [3, 19, 11, 13],
            18,
            [3, 3],
        )
        .kinks(),
        flat("many channels, flat", same(ReluMaxPool2), [2, 16, 8, 9], 16),
        ties("relu, exact zeros", same(Relu), [2, 5, 7, 11], 6, [3, 3]),
        ties(
            "relu, pool, ties",
            same(ReluMaxPool2),
            [3, 3, 9, 13],
            7,
            [3, 3],
        ),
        // A contraction in several ranges, rows in several bands.
        case(
            "several ranges of channels",
            valid([1, 2], Relu),
            [1, 130, 4, 5],
            6,
            [3, 3],
        )
        .kinks(),
        case(
            "several bands of rows",
            conv([2, 1], Padding::Same, ReluMaxPool2),
            [2, 2, 150, 130],
            3,
            [5, 2],
        )
        .kinks(),
        // Planes beyond the 64 KiB of a uniform window.
        case(
            "large planes, pool",
            same(ReluMaxPool2),
            [1, 1, 131, 130],
            5,
            [3, 3],
        )
        .kinks(),
        case(
            "large planes, 3 channels",
            same(Relu),
            [1, 3, 67, 251],
            3,
            [3, 3],
        )
        .kinks(),
        // Channel quads of several samples share windows: two full sets of them and a rest.
        case("many samples", same(Relu), [8, 12, 19, 23], 16, [3, 3]).kinks(),
        case(
            "larger than a tile",
            same(Relu),
            [2, 17, 13, 19],
            35,
            [3, 3],
        )
        .kinks(),
        case(
            "larger, pool",
            same(ReluMaxPool2),
            [3, 8, 23, 33],
            32,
            [3, 3],
        )
        .kinks(),
    ]
}
