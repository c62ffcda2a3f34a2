//! The debug aid finds what it is for: a plan that overlaps tensors, an op that makes a NaN.

mod common;

use common::*;
use gtzan_gpu::ops::Choices;
use gtzan_gpu::plan::{MemoryPlan, ProgramPlan};
use gtzan_gpu::sync_check::{Report, training_step};
use gtzan_gpu::train::{Engine, Feed, compile, read_weights};

/// A check of the tiny model's step, with the plan and the weights changed beforehand.
fn check(
    micro_batches: usize,
    spoil_plan: impl Fn(&mut MemoryPlan),
    spoil_weights: impl Fn(&str, &mut Vec<f32>),
) -> Report {
    let gpu = gpu();
    let g = tiny_settings(
        4 / micro_batches,
        micro_batches,
        Feed::Resident { samples: 4 },
    );
    let choices = Choices::default();
    let (programs, mut plan) = compile(
        &tiny_model(0.3),
        &g,
        Some(4),
        4,
        gpu.capabilities(),
        &choices,
    )
    .expect("the model compiles");
    spoil_plan(&mut plan);
    let samples = tiny_samples().into();
    let mut engine = Engine::new(&gpu, programs, plan, &g, samples, 4, 42).expect("an engine");
    engine.initialise(42).expect("weights");
    let mut weights = read_weights(&fixture("weights_init.safetensors")).expect("stored weights");
    for (name, _, data) in &mut weights {
        spoil_weights(name, data);
    }
    engine.set_weights(&weights).expect("they fit");
    engine.set_class_weights(&[1.0; 10]).expect("ten classes");
    let order = bytemuck::cast_slice(&[0u32, 1, 2, 3]);
    let session = engine.session_mut();
    session
        .write_buffer("input order", order)
        .expect("an order");
    training_step(&mut engine, 1e-3).expect("the step runs")
}

#[test]
fn a_healthy_step_has_no_findings() {
    for micro_batches in [1, 2] {
        let report = check(micro_batches, |_| (), |_, _| ());
        assert!(report.ok(), "{report:?}");
        assert!(report.tensors > 50, "only {} tensors", report.tensors);
    }
}

#[test]
fn the_first_op_with_a_nan_is_named() {
    let report = check(
        1,
        |_| (),
        |name, data| {
            if name == "bn2.weight" {
                data[3] = f32::NAN;
            }
        },
    );
    assert_eq!(report.first_difference, None);
    let found = report.first_non_finite.expect("a NaN was put in");
    assert_eq!(found.op, "bn2/batch_norm");
    // Channel 3 of the first sample begins after three channels of 4 x 3.
    assert_eq!(found.element, Some(36));
}

/// Two tensors of one arena that are alive at the same time, put on top of each other.
fn overlap(p: &mut ProgramPlan, arenas: &[usize]) -> bool {
    let n = p.places.len();
    for a in 0..n {
        for b in 0..n {
            let (Some(pa), Some(pb), Some(la), Some(lb)) =
                (p.places[a], p.places[b], p.lives[a], p.lives[b])
            else {
                continue;
            };
            // b is written while a waits to be read.
            let waits = la.0 < lb.0 && lb.0 < la.1;
            if pa.buffer == pb.buffer
                && arenas.contains(&pa.buffer)
                && waits
                && pa.bytes >= 256
                && pb.bytes >= 256
            {
                let offset = p.places[a].expect("just seen").offset;
                p.places[b] = Some(gtzan_gpu::plan::Place { offset, ..pb });
                return true;
            }
        }
    }
    false
}

#[test]
fn an_overlap_in_the_plan_is_found() {
    let spoil = |plan: &mut MemoryPlan| {
        let arenas: Vec<usize> = (0..plan.buffers.len())
            .filter(|&i| plan.buffers[i].name.starts_with("arena"))
            .collect();
        // Room for what is moved.
        for &i in &arenas {
            plan.buffers[i].bytes *= 2;
        }
        assert!(overlap(&mut plan.programs[0], &arenas), "no such pair");
    };
    let report = check(1, spoil, |_, _| ());
    assert!(report.first_difference.is_some(), "{report:?}");
}
