//! The same seed on the same adapter gives the same bits.

mod common;

use common::*;
use gtzan_gpu::ops::{Augment, Choices};
use gtzan_gpu::plan::budget::Request;
use gtzan_gpu::train::{Feed, Samples, Tapes, Weights};
use std::sync::Arc;

fn after_fifty_steps(seed_model: f32, feed: Feed) -> Weights {
    let gpu = gpu();
    let g = tiny_settings(4, 1, feed);
    let mut engine = tiny_engine(&gpu, &g, &tiny_model(seed_model), &Choices::default());
    losses(&mut engine, 4, 50);
    engine.weights().expect("weights")
}

/// Everything that a recipe can ask for; in halves the resident batch and the streamed one must be the same too.
#[test]
fn augmented_steps_give_the_same_bits_twice_and_streamed() {
    let gpu = gpu();
    let augment = Augment {
        gain: 0.2,
        offset: 0.1,
        row_masks: 2,
        row_mask: 4,
        frame_masks: 2,
        frame_mask: 3,
        mixup: 0.4,
    };
    let after = |feed, micro_batches: usize, time_shift, augment, average| {
        let g = gtzan_gpu::train::GraphSettings {
            label_smoothing: 0.1,
            weight_decay: 0.05,
            time_shift,
            augment,
            average,
            ..tiny_settings(4 / micro_batches, micro_batches, feed)
        };
        let mut engine = tiny_engine(&gpu, &g, &tiny_model(0.5), &Choices::default());
        let losses = losses(&mut engine, 4, 20);
        let averaged = engine.averaged(|e| e.weights()).expect("weights");
        (losses, engine.weights().expect("weights"), averaged)
    };
    let resident = Feed::Resident { samples: 4 };
    let first = after(resident, 1, 7, augment, Some(0.9));
    assert!(
        first
            .1
            .iter()
            .all(|(_, _, d)| d.iter().all(|v| v.is_finite()))
    );
    assert_ne!(bits(&first.1), bits(&first.2), "the average does nothing");
    for feed in [resident, Feed::Streamed] {
        let again = after(feed, 1, 7, augment, Some(0.9));
        assert_eq!(bits(&first.1), bits(&again.1), "{feed:?}");
        assert_eq!(bits(&first.2), bits(&again.2), "{feed:?}");
    }
    let halves = after(resident, 2, 7, augment, None);
    let streamed = after(Feed::Streamed, 2, 7, augment, None);
    assert_eq!(
        bits(&halves.1),
        bits(&streamed.1),
        "streaming halves differs"
    );
    // One setting less is another run.
    let still = after(resident, 1, 0, augment, None);
    assert_ne!(
        bits(&first.1),
        bits(&still.1),
        "the time shift does nothing"
    );
    for less in [
        Augment {
            gain: 0.0,
            ..augment
        },
        Augment {
            offset: 0.0,
            ..augment
        },
        Augment {
            row_masks: 0,
            ..augment
        },
        Augment {
            frame_masks: 0,
            ..augment
        },
        Augment {
            mixup: 0.0,
            ..augment
        },
    ] {
        let other = after(resident, 1, 7, less, None);
        assert_ne!(bits(&first.1), bits(&other.1), "{less:?}");
    }
}

fn bits(weights: &Weights) -> Vec<u32> {
    weights
        .iter()
        .flat_map(|(_, _, d)| d.iter().map(|v| v.to_bits()))
        .collect()
}

#[test]
fn fifty_steps_give_the_same_bits_twice_and_streamed() {
    let resident = Feed::Resident { samples: 4 };
    let first = after_fifty_steps(0.5, resident);
    assert!(
        first
            .iter()
            .all(|(_, _, d)| d.iter().all(|v| v.is_finite()))
    );
    assert_eq!(
        bits(&first),
        bits(&after_fifty_steps(0.5, resident)),
        "a second run differs"
    );
    assert_eq!(
        bits(&first),
        bits(&after_fifty_steps(0.5, Feed::Streamed)),
        "streaming differs"
    );
    assert_ne!(
        bits(&first),
        bits(&after_fifty_steps(0.0, resident)),
        "dropout does nothing"
    );
}

/// Micro-batches that a budget makes necessary and those that are asked for by number are the same run.
#[test]
fn micro_batches_by_budget_and_by_name_give_the_same_bits() {
    let gpu = gpu();
    let (model, choices) = (tiny_model(0.5), Choices::default());
    // Enough of them for activations to weigh more than a sum of gradients.
    let few = tiny_samples();
    let samples = Arc::new(Samples {
        x: few.x.repeat(16),
        labels: few.labels.repeat(16),
        neighbours: Vec::new(),
    });
    let n = samples.len();
    let tapes = Tapes {
        model: &model,
        base: tiny_settings(n, 1, Feed::Streamed),
        samples: n,
        entries: n,
        eval_entries: n,
    };
    let after = |budget, micro_batches| {
        let request = Request {
            budget,
            batch: n,
            micro_batches,
            may_reside: false,
            may_recompute: false,
            capabilities: gpu.capabilities(),
            choices: &choices,
        };
        let (fitted, mut engine) = tapes.open(&gpu, &request, &samples, 42).expect("opens");
        engine.initialise(42).expect("weights");
        engine.set_class_weights(&[1.0; 10]).expect("weights");
        let losses = losses(&mut engine, n as u32, 10);
        let weights = engine.weights().expect("weights");
        (fitted, losses, bits(&weights))
    };
    let named = after(None, Some(2));
    assert_eq!(named.0.cut.micro_batches, 2);
    let tight = after(Some(named.0.plan.total_bytes()), None);
    assert_eq!(tight.0.cut, named.0.cut, "{:#?}", tight.0.considered);
    assert_eq!((&tight.1, &tight.2), (&named.1, &named.2));
    let whole = after(None, None);
    assert_eq!(whole.0.cut.micro_batches, 1);
    assert_ne!(whole.2, named.2, "the cut does nothing");
}
