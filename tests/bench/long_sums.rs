//! Sums that are longer than a CPU driver lets a loop be.

use crate::{PEAKS, gpu};
use gtzan_gpu::bench;
use gtzan_gpu::ops::{Capabilities, Choices, DeviceClass};
use gtzan_gpu::plan::schedule;
use gtzan_gpu::tape::Tape;
use std::sync::Arc;

/// llvmpipe ends an invocation's loops after 65,535 iterations in all, without a word: a sum that is longer runs on a rung that cuts it, and none
/// gives a part of it for the whole.
#[test]
fn no_sum_is_too_long_for_the_rung_that_runs_it() {
    let gpu = gpu();
    for (ladder, shape, too_long, right) in [
        (
            "dense.forward",
            "n=1,i=270008,o=3",
            &["naive", "registers"][..],
            "split",
        ),
        (
            "conv2d.forward",
            "n=1,c=1600,k=4,h=4,w=4",
            &["subgroup"],
            "registers",
        ),
        (
            "conv2d.forward",
            "n=1,c=3700,k=4,h=4,w=4",
            &["naive", "registers"],
            "implicit_texels",
        ),
        (
            "conv2d.backward_weight",
            "n=1,c=4,k=4,h=4,w=20000",
            &[],
            "naive",
        ),
        (
            "conv2d.backward_weight",
            "n=1,c=4,k=4,h=4,w=20000",
            &["subgroup"],
            "registers",
        ),
        (
            "conv2d.backward_weight",
            "n=1,c=4,k=4,h=4,w=12000",
            &[],
            "subgroup",
        ),
        (
            "conv2d.backward_weight",
            "n=1,c=1,k=4,h=60,w=1500,kh=5,kw=3",
            &[],
            "naive",
        ),
        // Checked on one sample, so that only the refusal is.
        (
            "conv2d.backward_bias",
            "n=40,c=1,k=1,h=400,w=300",
            &["tree"],
            "quads",
        ),
        (
            "batch_norm.statistics",
            "n=1,c=1,h=300,w=300",
            &["naive"],
            "tree",
        ),
        (
            "batch_norm.backward",
            "n=1,c=1,h=300,w=300",
            &["naive"],
            "blocks",
        ),
        (
            "batch_norm.normalise",
            "n=1,c=1,h=1500,w=1500",
            &["rows"],
            "naive",
        ),
        (
            "batch_norm.input_gradient",
            "n=1,c=1,h=1500,w=1500",
            &["rows"],
            "naive",
        ),
        (
            "global_avg_pool.forward",
            "n=1,c=1,h=600,w=600",
            &["naive"],
            "tree",
        ),
    ] {
        let op = ladder.split('.').next().unwrap();
        let subject = bench::of_shape(op, shape).unwrap();
        let row = |rung: &str| {
            let subjects = [subject.clone()];
            let rows = bench::run(&gpu, &subjects, Some(ladder), Some(rung), &PEAKS, |_| {});
            let exactly = rows.unwrap().into_iter().find(|r| r.rung == rung);
            exactly.unwrap_or_else(|| panic!("{ladder} has no {rung}"))
        };
        // Written for eight lanes: where there are others it can't run anyway.
        let found = row(right);
        let why = found.skipped.as_deref().unwrap_or_default();
        assert!(
            found.max_error.is_some_and(|e| e < 1e-4) || why.contains("lanes"),
            "{ladder} {shape}: {found:?}"
        );
        for rung in too_long {
            let found = row(rung);
            let why = found.skipped.as_deref().unwrap_or_default();
            match gpu.capabilities().class {
                DeviceClass::Software => {
                    let said = why.contains("iterations") || why.contains("lanes");
                    assert!(said && !found.default, "{ladder} {shape}: {found:?}");
                }
                DeviceClass::Hardware => assert!(!why.starts_with("wrong"), "{found:?}"),
            }
        }
    }
    // What no rung can do is an error that says why.
    let cpu = Capabilities::portable(DeviceClass::Software);
    let subject =
        bench::of_shape("avg_pool2d", "n=1,c=1,h=300,w=300,window=300,stride=300").unwrap();
    let mut tape = Tape::new();
    let x = tape.input("x", subject.inputs[0].clone());
    let y = tape.apply_all(Arc::clone(&subject.op), &[&x]).unwrap();
    tape.keep(&y[0]);
    let planned = schedule(&tape, &cpu, &Choices::default());
    let error = planned.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(
        error.contains("avg_pool2d.forward: no rung can run")
            && error.contains("ends them after 65535"),
        "{error}"
    );
}
