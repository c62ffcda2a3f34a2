//! The strong model can learn: eight tracks by heart, with augmentation off.

mod common;

use common::gpu;
use gtzan_gpu::dataset::{Dataset, Normaliser, Options};
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::Choices;
use gtzan_gpu::train::{Engine, Feed, GraphSettings, Samples, compile};
use std::ops::ControlFlow;

const TRACKS: usize = 8;
/// Steps before this test gives up; ten are enough.
const STEPS: u64 = 80;

#[test]
fn eight_tracks_are_learnt_by_heart() {
    let options = Options {
        limit: Some(TRACKS),
        ..Options::default()
    };
    let mut dataset = Dataset::synthetic(7, 1, &options, &|_, _| ()).expect("composed");
    assert_eq!(dataset.tracks.len(), TRACKS);
    let all: Vec<usize> = (0..TRACKS).collect();
    let normaliser = Normaliser::fit(&dataset, &all).expect("fitted");
    let (rows, frames, labels) = (dataset.rows, dataset.frames, dataset.labels());
    let classes = dataset.genres.len();
    let mut x = dataset.take_x();
    normaliser.apply(&mut x, frames).expect("normalised");
    let gpu = gpu();
    let g = GraphSettings {
        rows,
        frames,
        classes,
        micro_batch: TRACKS,
        micro_batches: 1,
        feed: Feed::Resident { samples: TRACKS },
        label_smoothing: 0.0,
        weight_decay: 0.0,
        clip_norm: None,
        time_shift: 0,
        augment: Default::default(),
        average: None,
    };
    let model = Model::load("strong").expect("built in");
    let choices = Choices::default();
    let (programs, plan) = compile(
        &model,
        &g,
        Some(TRACKS),
        TRACKS,
        gpu.capabilities(),
        &choices,
    )
    .expect("compiles");
    let samples = Samples {
        x,
        labels,
        neighbours: Vec::new(),
    };
    let mut engine =
        Engine::new(&gpu, programs, plan, &g, samples.into(), TRACKS, 1).expect("an engine");
    engine.initialise(1).expect("weights");
    engine
        .set_class_weights(&vec![1.0; classes])
        .expect("weights of classes");
    let order: Vec<u32> = (0..TRACKS as u32).collect();
    let before = engine.evaluate(&order).expect("evaluated");
    assert!(before.accuracy < 0.5, "known before: {}", before.accuracy);
    let mut learnt = before.accuracy;
    for t in 0..STEPS {
        engine
            .train(&order, 0, t, |_| 2e-3, |_, _| Ok(ControlFlow::Continue(())))
            .expect("a step");
        if t % 10 == 9 {
            learnt = engine.evaluate(&order).expect("evaluated").accuracy;
            println!("after {} steps: {learnt}", t + 1);
            if learnt == 1.0 {
                return;
            }
        }
    }
    panic!("{STEPS} steps, and {learnt} of the tracks are known");
}
