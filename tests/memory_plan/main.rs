//! The memory plan: what it promises, on random graphs and on the real models.

mod budgets;
mod convolutions;
mod graphs;
mod rungs;
mod simulate;
mod splits;

use graphs::{BATCH, recipes, record, step};
use gtzan_gpu::gpu::{AdapterChoice, Gpu, Session, StepInputs};
use gtzan_gpu::ops::{Access, Capabilities, Choices, DeviceClass};
use gtzan_gpu::plan::recompute::{droppable, rewrite, stages};
use gtzan_gpu::plan::{Category, MemoryPlan, Placement, ProgramPlan, Schedule, schedule};
use gtzan_gpu::tape::{Role, Tape};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn capabilities() -> Capabilities {
    Capabilities::portable(DeviceClass::Software)
}

fn plan(tape: &Tape) -> (Schedule, MemoryPlan) {
    let capabilities = capabilities();
    let s = schedule(tape, &capabilities, &Choices::default()).expect("lowers");
    let plan = MemoryPlan::new(&[("train", &s)], &capabilities, Placement::Arenas(8), 1);
    (s, plan.expect("plans"))
}

/// No two tensors that live at the same time share a byte.
fn check_overlap(s: &Schedule, program: &ProgramPlan) {
    let placed: Vec<usize> = (0..s.items.len())
        .filter(|&i| s.items[i].role == Role::Activation && program.places[i].is_some())
        .collect();
    for &a in &placed {
        for &b in placed.iter().filter(|&&b| b < a) {
            let (Some(pa), Some(pb)) = (program.places[a], program.places[b]) else {
                continue;
            };
            let (Some(la), Some(lb)) = (program.lives[a], program.lives[b]) else {
                panic!("a placed tensor has no lifetime");
            };
            let in_time = la.0 <= lb.1 && lb.0 <= la.1;
            let in_space = pa.buffer == pb.buffer
                && pa.offset < pb.offset + pb.bytes
                && pb.offset < pa.offset + pa.bytes;
            assert!(
                !(in_time && in_space),
                "{} and {} overlap",
                s.items[a].name,
                s.items[b].name
            );
        }
    }
}

/// No dispatch binds a buffer for reading and for writing.
fn check_bindings(s: &Schedule, program: &ProgramPlan) {
    for dispatch in &s.dispatches {
        let reflection = dispatch.kernel.reflect().expect("parses");
        let bound: Vec<(usize, Access)> = (dispatch.tensors.iter())
            .zip(&reflection.storage)
            .filter_map(|(t, &a)| program.places[s.root(t).index()].map(|p| (p.buffer, a)))
            .collect();
        for (buffer, access) in &bound {
            let other = bound.iter().find(|(b, a)| b == buffer && a != access);
            assert!(other.is_none(), "{}: {bound:?}", dispatch.kernel.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Plans of random graphs, as recorded and under every degree of recomputation: nothing overlaps, nothing is read and
    /// written in one dispatch, no plan is below the lower bound, and a run that keeps every activation in its planned place
    /// reads everywhere the very bits that a run with unlimited memory reads.
    #[test]
    fn random_graphs(recipe in recipes()) {
        let tape = record(&recipe).expect("records");
        let all = stages(&tape, &capabilities(), &Choices::default()).expect("plans");
        let reference = simulate::gradients(&tape);
        let every = droppable(&tape).into_iter().collect();
        let (s, p) = plan(&rewrite(&tape, &every));
        check_overlap(&s, &p.programs[0]);
        prop_assert_eq!(&simulate::planned(&rewrite(&tape, &every), &s, &p), &reference);
        for stage in &all {
            let (s, plan) = plan(&stage.tape);
            let program = &plan.programs[0];
            check_overlap(&s, program);
            check_bindings(&s, program);
            prop_assert_eq!(program.lower_bound(), stage.peak);
            prop_assert!(plan.bytes(Category::Arenas) >= stage.peak);
            let got = simulate::planned(&stage.tape, &s, &plan);
            prop_assert_eq!(&got, &reference);
        }
        let peaks: Vec<u64> = all.iter().map(|s| s.peak).collect();
        prop_assert!(peaks.last() <= peaks.first(), "{:?}", peaks);
    }
}

/// Parameters, moments and running statistics after two steps on the GPU, in poisoned arenas.
fn on_gpu(gpu: &Gpu, tape: &Tape) -> Vec<Vec<u8>> {
    let s = schedule(tape, gpu.capabilities(), &Choices::default()).expect("lowers");
    let plan = MemoryPlan::new(
        &[("train", &s)],
        gpu.capabilities(),
        Placement::Arenas(8),
        1,
    );
    let mut session = Session::new(gpu, plan.expect("plans"), &[&s]).expect("opens");
    assert_eq!(session.created_bytes(), session.plan().total_bytes());
    session.poison().expect("poisons");
    for (tensor, values) in simulate::inputs(tape) {
        if let Ok(place) = session.place(0, &s, &tensor) {
            let bytes = gtzan_gpu::gradcheck::to_bytes(tensor.spec().dtype, &values);
            session.write(place, &bytes).expect("writes");
        }
    }
    let created = session.created_buffers();
    for _ in 0..2 {
        let inputs = StepInputs {
            step: step(BATCH),
            data: Vec::new(),
        };
        session.run(0, &[inputs]).expect("runs");
    }
    assert_eq!(session.created_buffers(), created);
    let mut names = vec!["parameters", "gradients", "moment 1", "moment 2"];
    if session.has_buffer("state") {
        names.push("state");
    }
    let read = |name: &&str| session.read_buffer(name).expect("reads");
    let mut all: Vec<Vec<u8>> = names.iter().map(read).collect();
    // The gaps between gradients hold the poison; they take no part in anything else.
    let (offsets, _) = tape.flat_layout();
    let mut kept = vec![false; all[1].len()];
    for p in tape.tensors(Role::Parameter) {
        let at = offsets[&p.id()] as usize;
        kept[at..at + p.numel() * 4].fill(true);
    }
    for buffer in &mut all[..4] {
        let mut keep = kept.iter();
        buffer.retain(|_| *keep.next().unwrap_or(&false));
    }
    all
}

/// Recomputation does not change one bit of what training leaves behind.
#[test]
fn recomputation_is_exact_on_the_gpu() {
    let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
    let recipes: [&[(u8, u8, u8)]; 3] = [
        // Three blocks as in the real models: convolution, ReLU and pooling in one, then batch norm and dropout in one.
        &[
            (6, 0, 3),
            (4, 0, 0),
            (6, 0, 4),
            (4, 0, 0),
            (7, 0, 2),
            (4, 0, 0),
        ],
        // A residual block with separate ReLU and dropout.
        &[
            (5, 0, 0),
            (3, 0, 0),
            (0, 0, 0),
            (5, 0, 0),
            (3, 0, 0),
            (1, 0, 2),
            (0, 0, 0),
            (2, 0, 0),
        ],
        // A chain of cheap ops, recomputed one from the other.
        &[
            (7, 0, 3),
            (2, 0, 0),
            (0, 0, 0),
            (3, 0, 0),
            (2, 0, 0),
            (3, 0, 0),
            (7, 0, 1),
        ],
    ];
    for recipe in recipes {
        let tape = record(recipe).expect("records");
        let nodes = droppable(&tape);
        assert!(nodes.len() >= recipe.len(), "{nodes:?} of {recipe:?}");
        let expected = on_gpu(&gpu, &tape);
        let finite = |b: &[u8]| {
            bytemuck::pod_collect_to_vec::<u8, f32>(b)
                .iter()
                .all(|v| v.is_finite())
        };
        assert!(expected.iter().all(|b| finite(b)), "NaN in {recipe:?}");
        // Everything recomputed, every second node, each node alone.
        let all: BTreeSet<usize> = nodes.iter().copied().collect();
        let half = nodes.iter().copied().step_by(2).collect();
        let alone = nodes.iter().map(|&n| BTreeSet::from([n]));
        for dropped in [all, half].into_iter().chain(alone) {
            let again = rewrite(&tape, &dropped);
            assert_eq!(on_gpu(&gpu, &again), expected, "{dropped:?}");
        }
    }
}
