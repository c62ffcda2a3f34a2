//! What a user can get wrong: each a sentence that names the culprit, never a panic.

mod common;

use common::*;
use gtzan_gpu::nn::{Mode, Model};
use gtzan_gpu::ops::{Conv2d, Dense, Epilogue, Padding, SoftmaxCrossEntropy};
use gtzan_gpu::tape::{Init, Tape};
use gtzan_gpu::tensor::Spec;

fn message<T: std::fmt::Debug>(result: gtzan_gpu::Result<T>) -> String {
    let text = result.expect_err("this must fail").to_string();
    assert!(!text.contains('\n'), "more than a sentence: {text}");
    text
}

#[test]
fn a_wrong_shape_names_op_shapes_and_expectation() {
    let mut tape = Tape::new();
    let x = tape.input("x", Spec::f32([8, 64, 93, 65]));
    let w = tape.parameter("w", [128, 32, 3, 3], Init::Constant(0.0));
    let b = tape.parameter("b", [128], Init::Constant(0.0));
    let conv = Conv2d {
        stride: [1, 1],
        padding: Padding::Same,
        epilogue: Epilogue::None,
    };
    let text = message(tape.apply(conv, &[&x, &w, &b]));
    for part in ["conv2d", "32", "64", "8x64x93x65"] {
        assert!(text.contains(part), "{text}");
    }
    let text = message(tape.apply(Dense { relu: false }, &[&x, &w, &b]));
    assert!(
        text.starts_with("dense") && text.contains("8x64x93x65"),
        "{text}"
    );
    let labels = tape.input("labels", Spec::u32([7]));
    let logits = tape.input("logits", Spec::f32([8, 10]));
    let weights = tape.input("weights", Spec::f32([10]));
    let loss = SoftmaxCrossEntropy::default();
    let text = message(tape.apply(loss, &[&logits, &labels, &weights]));
    assert!(
        text.contains("softmax_cross_entropy") && text.contains('7'),
        "{text}"
    );
}

#[test]
fn a_batch_of_zero_is_refused() {
    let mut tape = Tape::new();
    let x = tape.input("x", Spec::f32([0, 1, 19, 14]));
    let text = message(tiny_model(0.0).record(&mut tape, &x, 10, Mode::Training));
    assert!(text.contains("0x1x19x14"), "{text}");
}

#[test]
fn an_input_too_small_for_the_model_names_the_layer() {
    let mut tape = Tape::new();
    let x = tape.input("x", Spec::f32([4, 1, 3, 3]));
    let text = message(tiny_model(0.0).record(&mut tape, &x, 10, Mode::Training));
    assert!(text.contains("conv2"), "{text}");
}

#[test]
fn model_files_are_checked_with_line_and_layer() {
    let check = |toml: &str, parts: &[&str]| {
        let text = message(Model::from_toml(toml, "my.toml"));
        for part in parts {
            assert!(text.contains(part), "'{text}' lacks '{part}'");
        }
    };
    check(
        "name='x'\n[[layer]]\ntype='conv3d'\nfilters=3\n",
        &["my.toml", "conv3d", "conv2d"],
    );
    check(
        "name='x'\n[[layer]]\ntype='dense'\nunits='many'\n",
        &["my.toml"],
    );
    check(
        "name='x'\n[[layer]]\ntype='conv2d'\nfilters=3\nkernel=3\nsize=2\n",
        &["my.toml", "size"],
    );
    check(
        "name='x'\n[[layer]]\ntype='dropout'\nrate=1.5\n",
        &["my.toml", "line 4", "rate = 1.5"],
    );
    check(
        "name='x'\n[[layer]]\ntype='conv2d'\nfilters=0\nkernel=3\n",
        &["filters"],
    );
    check("name='x'\nlayer=[]\n", &["no layers"]);
    check("name='x'\n[[layer]\n", &["my.toml", "line 2"]);
    let text = message(Model::load("no-such-model"));
    assert!(
        text.contains("no-such-model") && text.contains("seed"),
        "{text}"
    );
}

#[test]
fn a_model_that_ends_wrongly_says_how_it_must_end() {
    let model = Model::from_toml(
        "name='x'\n[[layer]]\ntype='conv2d'\nfilters=3\nkernel=3\n",
        "x",
    )
    .expect("valid layers");
    let mut tape = Tape::new();
    let x = tape.input("x", Spec::f32([2, 1, 8, 8]));
    let text = message(model.record(&mut tape, &x, 10, Mode::Training));
    assert!(text.contains("one number per class"), "{text}");
}

#[test]
fn built_in_models_have_the_published_numbers_of_parameters() {
    for (name, total, trainable) in [("seed", 440_842, 439_434), ("notebook", 440_842, 439_434)] {
        let summary = Model::load(name)
            .and_then(|m| m.summary(187, 130, 10))
            .expect("a summary");
        assert_eq!(
            (summary.total(), summary.trainable()),
            (total, trainable),
            "{name}"
        );
    }
    let seed = Model::load("seed")
        .and_then(|m| m.summary(187, 130, 10))
        .expect("a summary")
        .to_string();
    assert!(seed.contains("N x 256 x 23 x 16"), "{seed}");
    let notebook = Model::load("notebook")
        .and_then(|m| m.summary(187, 130, 10))
        .expect("a summary")
        .to_string();
    assert!(notebook.contains("N x 256 x 46 x 32"), "{notebook}");
}
