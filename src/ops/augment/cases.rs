//! Shapes that feed the checks of augmentation.

use super::Augment;
use crate::ops::{Case, Fill};
use crate::tensor::Spec;

pub(super) fn cases() -> Vec<Case> {
    let case = |name, op: Augment, shape: [usize; 4]| {
        let x = (Spec::f32(shape), Fill::Normal(1.0));
        let inputs = if op.mixes() {
            vec![x.clone(), x]
        } else {
            vec![x]
        };
        Case::new(name, op, inputs)
    };
    let nothing = Augment::default();
    let masks = Augment {
        row_masks: 2,
        row_mask: 5,
        frame_masks: 2,
        frame_mask: 4,
        ..nothing
    };
    let all = Augment {
        gain: 0.2,
        offset: 0.3,
        row_masks: 4,
        row_mask: 3,
        frame_masks: 1,
        frame_mask: 6,
        mixup: 0.4,
    };
    let loudness = Augment {
        gain: 0.3,
        offset: 0.1,
        ..nothing
    };
    vec![
        case("nothing is changed", nothing, [2, 1, 3, 5]),
        case("one element", all, [1, 1, 1, 1]),
        case("loudness", loudness, [3, 1, 4, 7]),
        case("masks, prime sizes", masks, [5, 3, 11, 13]),
        case(
            "mask wider than the sample",
            Augment {
                row_mask: 99,
                ..masks
            },
            [4, 1, 3, 2],
        ),
        case("all at once", all, [7, 2, 11, 13]),
        case("partial batch", all, [5, 1, 7, 9]).valid(3),
        case("second micro-batch", all, [3, 1, 7, 9]).starting_at(2),
        case(
            "mixup alone",
            Augment {
                mixup: 1.0,
                ..nothing
            },
            [67, 1, 2, 3],
        ),
    ]
}
