//! The same seed on the same adapter gives the same bits.

mod common;

use common::*;
use gtzan_gpu::ops::Choices;
use gtzan_gpu::train::{Feed, Weights};

fn after_fifty_steps(seed_model: f32, feed: Feed) -> Weights {
    let gpu = gpu();
    let g = tiny_settings(4, 1, feed);
    let mut engine = tiny_engine(&gpu, &g, &tiny_model(seed_model), &Choices::default());
    losses(&mut engine, 4, 50);
    engine.weights().expect("weights")
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
