//! Convolutions of any size through every rung of a CPU driver's ladder: lowered without a panic, or refused with a reason.

use gtzan_gpu::ops::{
    Capabilities, Choices, Conv2d, DeviceClass, Epilogue, Padding, Window, registry,
};
use gtzan_gpu::plan::schedule;
use gtzan_gpu::tape::{Init, Tape};
use proptest::prelude::*;
use std::sync::Arc;

fn capabilities() -> Capabilities {
    Capabilities {
        subgroup_size: Some(8),
        ..Capabilities::portable(DeviceClass::Software)
    }
}

fn tape(op: Conv2d, x: [usize; 4], k: usize, window: [usize; 2]) -> Option<Tape> {
    let mut tape = Tape::new();
    let input = tape.parameter("x", x, Init::Constant(0.0));
    let weight = tape.parameter("w", [k, x[1], window[0], window[1]], Init::Constant(0.0));
    let bias = tape.parameter("b", [k], Init::Constant(0.0));
    let y = tape
        .apply_all(Arc::new(op), &[&input, &weight, &bias])
        .ok()?
        .remove(0);
    let dy = tape.input("dy", y.spec().clone());
    tape.backward_from(&y, &dy).expect("has gradients");
    Some(tape)
}

/// Lower with one rung forced; what it reads through windows must begin inside the tensor.
fn check(tape: &Tape, family: &str, rung: &str) {
    let mut choices = Choices::default();
    choices.force(family, rung);
    match schedule(tape, &capabilities(), &choices) {
        Ok(s) => {
            for window in s.dispatches.iter().flat_map(|d| &d.windows) {
                assert!(
                    window.offset < window.tensor.spec().bytes(),
                    "{family} {rung}"
                );
                assert!(window.offset.is_multiple_of(Window::ALIGNMENT));
            }
        }
        Err(e) => assert!(e.to_string().contains("can't run"), "{e}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_rung_takes_any_convolution_or_says_why_not(
        (n, c, k) in (1usize..9, 1usize..140, 1usize..40),
        (h, w) in prop_oneof![
            (1usize..40, 1usize..40),
            (100usize..200, 90usize..140),
            (1usize..40, 900usize..1100),
            (1usize..9, 1900usize..2020),
        ],
        window in prop_oneof![(1usize..6, 1usize..6), Just((3, 3))],
        stride in prop_oneof![(1usize..5, 1usize..5), Just((1, 1)), (1usize..30, 1usize..3)],
        same in any::<bool>(),
        epilogue in prop_oneof![Just(Epilogue::None), Just(Epilogue::Relu), Just(Epilogue::ReluMaxPool2)],
    ) {
        let op = Conv2d {
            stride: [stride.0, stride.1],
            padding: if same { Padding::Same } else { Padding::Valid },
            epilogue,
        };
        // What leaves no output is refused by the op itself.
        if let Some(tape) = tape(op, [n, c, h, w], k, [window.0, window.1]) {
            let ops = registry();
            let conv2d = ops.iter().find(|e| e.name == "conv2d").expect("registered");
            for ladder in conv2d.ladders {
                for rung in ladder.rungs() {
                    check(&tape, ladder.name(), rung.name);
                }
            }
        }
    }
}
