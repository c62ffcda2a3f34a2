//! Cases of batch norm.

use super::BatchNorm;
use crate::ops::{Case, Dropout, Fill};
use crate::tensor::Spec;

pub(super) fn cases() -> Vec<Case> {
    let case = |name, op: BatchNorm, shape: &[usize], x: Fill| {
        let c = shape[1];
        let inputs = vec![
            (Spec::f32(shape), x),
            (Spec::f32([c]), Fill::Normal(1.0)),
            (Spec::f32([c]), Fill::Normal(1.0)),
            (Spec::f32([c]), Fill::Normal(1.0)),
            (Spec::f32([c]), Fill::Uniform(0.5, 2.0)),
        ];
        Case::new(name, op, inputs)
    };
    let training = BatchNorm::default();
    let evaluation = BatchNorm {
        training: false,
        ..training
    };
    let dropout = BatchNorm {
        dropout: Some(Dropout {
            rate: 0.3,
            layer: 2,
        }),
        ..training
    };
    let normal = Fill::Normal(1.0);
    vec![
        case("batch 1", training, &[1, 3, 4, 5], normal),
        case("1x1 input", training, &[5, 7, 1, 1], normal),
        case("vectors", training, &[6, 5], normal),
        case("rows shorter than a vec4", training, &[3, 2, 1, 3], normal),
        case("prime sizes", training, &[3, 5, 7, 5], normal),
        case("rows of whole vec4s", training, &[2, 3, 4, 4], normal),
        case("partial batch", training, &[4, 3, 5, 3], normal).valid(3),
        case("one real sample", training, &[3, 2, 3, 3], normal).valid(1),
        case("dropout", dropout, &[3, 5, 7, 5], normal),
        case("dropout on vectors", dropout, &[5, 7], normal),
        case("dropout, partial batch", dropout, &[4, 3, 5, 3], normal).valid(2),
        case("dropout, offset 3", dropout, &[2, 3, 5, 7], normal).starting_at(3),
        case("dropout on vectors, offset 1", dropout, &[2, 7], normal).starting_at(3),
        case("evaluation", evaluation, &[3, 5, 7, 3], normal),
        case("evaluation of vectors", evaluation, &[3, 7], normal),
        // As many invocations to a row as there are at most.
        case(
            "evaluation of long rows",
            evaluation,
            &[1, 2, 23, 23],
            normal,
        )
        .kinks(),
        // E[x^2] - E[x]^2 in f32 would lose three digits of the variance here.
        case(
            "mean far from zero",
            training,
            &[2, 3, 9, 11],
            Fill::Uniform(98.0, 102.0),
        )
        .kinks(),
        // Several unrolled blocks, a rest, and rows that begin at every offset within a vec4.
        case("long rows", training, &[2, 5, 31, 37], normal).kinks(),
        case("long rows, dropout", dropout, &[2, 3, 31, 37], normal).kinks(),
        // Every row begins with a vec4, and an invocation has several of them in flight: what a network's first layers have.
        case(
            "long rows of whole vec4s, dropout",
            dropout,
            &[2, 2, 32, 33],
            normal,
        )
        .kinks(),
        case("rows of several blocks", training, &[3, 2, 67, 71], normal)
            .kinks()
            .valid(2),
        case("more channels than lanes", training, &[2, 67, 3, 3], normal).kinks(),
    ]
}
