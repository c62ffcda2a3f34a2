//! Training in a page: the synthetic set in small, fresh weights, the two programs.

use super::data::{Fresh, Start, Train};
use super::recorder::Recorder;
use crate::dataset::{Dataset, Normaliser, Options, Progress, epoch_order};
use crate::error::{Error, Result};
use crate::nn::Model;
use crate::ops::{Adam, Capabilities};
use crate::synth;
use crate::tape::{Init, Role, Tape, glorot_limit, initial_key};
use crate::tensor::Tensor;
use crate::train::{Feed, GraphSettings};
use std::collections::HashMap;

/// Samples of a step.
const BATCH: usize = 8;
/// Frames of a sample, of the 130 that a segment has: what lies in the middle, three quarters of a second.
const FRAMES: usize = 32;
/// Tracks of each genre that train, and that validate.
const TRACKS: [usize; 2] = [8, 2];
/// Epochs whose orders are stored; after these the first comes again.
const EPOCHS: usize = 100;
/// Seed of set, weights, orders and masks.
const SEED: u64 = 42;
/// The program's default.
const LEARNING_RATE: f64 = 1e-3;

/// The settings of the graph that a page trains.
pub fn graph(classes: usize) -> GraphSettings {
    GraphSettings {
        rows: crate::features::ROWS,
        frames: FRAMES,
        classes,
        micro_batch: BATCH,
        micro_batches: 1,
        feed: Feed::Resident {
            samples: classes * (TRACKS[0] + TRACKS[1]),
        },
        label_smoothing: 0.0,
        weight_decay: 0.0,
        clip_norm: None,
        time_shift: 0,
        augment: Default::default(),
        average: None,
    }
}

/// Record training and evaluation of `model` on the small set.
///
/// # Errors
/// When the model does not fit the set's shape or the device's limits.
pub fn training(
    recorder: &mut Recorder,
    model: &Model,
    capabilities: &Capabilities,
    progress: Progress,
) -> Result<Train> {
    let classes = synth::GENRES.len();
    let g = graph(classes);
    let per_genre = TRACKS[0] + TRACKS[1];
    let (entries, evaluated) = (classes * TRACKS[0], classes * TRACKS[1]);
    let (recordings, tape) = recorder
        .recordings(model, &g, Some(entries), evaluated, capabilities)
        .map_err(|e| {
            e.advise(format!(
                "a page trains on samples of {} rows and {FRAMES} frames in batches of {BATCH}",
                g.rows
            ))
        })?;
    let dataset = Dataset::synthetic(SEED, per_genre, &Options::default(), progress)?;
    let set = SmallSet::of(&dataset, per_genre)?;
    let orders: Vec<u8> = (1..=EPOCHS as u64)
        .flat_map(|epoch| epoch_order(SEED, epoch, set.train.len(), true))
        .map(|position| {
            u8::try_from(position).map_err(|_| Error::data("the small set is too large for a page"))
        })
        .collect::<Result<_>>()?;
    let adam = Adam::default();
    Ok(Train {
        recordings,
        batch: BATCH,
        rows: g.rows,
        frames: FRAMES,
        learning_rate: LEARNING_RATE,
        beta1: adam.beta1,
        beta2: adam.beta2,
        seed: SEED as u32,
        weights: fresh(&tape),
        labels: dataset.genres.clone(),
        x: recorder.blob.add(&set.x),
        offset: set.offset,
        scale: set.scale,
        y: dataset.labels(),
        train: set.train,
        validation: set.validation,
        orders: recorder.blob.add(&orders),
        epochs: EPOCHS,
    })
}

/// Where parameters and states lie, and how they start.
fn fresh(tape: &Tape) -> Vec<Fresh> {
    let (flat, _) = tape.flat_layout();
    let (states, _) = tape.state_layout();
    let described = |buffer, offsets: &HashMap<_, u64>, t: &Tensor| {
        let value = tape.value(t.id());
        Fresh {
            name: value.name.clone(),
            buffer,
            offset: offsets[&t.id()],
            elements: t.numel(),
            start: match value.init {
                Init::Constant(c) => Start::Constant(c),
                Init::GlorotUniform { fan_in, fan_out } => Start::Uniform {
                    limit: glorot_limit(fan_in, fan_out),
                    key: blake3::Hash::from(initial_key(SEED, &value.name))
                        .to_hex()
                        .to_string(),
                },
            },
        }
    };
    let parameters = tape.tensors(Role::Parameter);
    let state = tape.tensors(Role::State);
    (parameters.iter())
        .map(|t| described("parameters", &flat, t))
        .chain(state.iter().map(|t| described("state", &states, t)))
        .collect()
}

/// The set as the page stores it.
struct SmallSet {
    /// A byte per value, (samples, rows, frames), less the one before in its row: neighbours are alike, and pack better so.
    x: Vec<u8>,
    offset: Vec<f64>,
    scale: Vec<f64>,
    train: Vec<u32>,
    validation: Vec<u32>,
}

impl SmallSet {
    /// Cut the middle out of each sample, normalise, round to 255 steps between a row's least and greatest value.
    fn of(dataset: &Dataset, per_genre: usize) -> Result<Self> {
        let (rows, frames) = (dataset.rows, dataset.frames);
        let (validation, train): (Vec<usize>, Vec<usize>) =
            (0..dataset.len()).partition(|i| i % per_genre >= TRACKS[0]);
        let normaliser = Normaliser::fit(dataset, &train)?;
        let mut values = dataset.x().to_vec();
        normaliser.apply(&mut values, frames)?;
        let from = (frames - FRAMES) / 2;
        let cut: Vec<&[f32]> = (values.chunks_exact(frames))
            .map(|row| &row[from..from + FRAMES])
            .collect();
        let mut offset = Vec::new();
        let mut scale = Vec::new();
        for row in 0..rows {
            let own = || cut.iter().skip(row).step_by(rows).copied().flatten();
            let low = own().copied().fold(f32::INFINITY, f32::min);
            let high = own().copied().fold(f32::NEG_INFINITY, f32::max);
            offset.push(f64::from(low));
            scale.push(((f64::from(high) - f64::from(low)) / 255.0).max(f64::MIN_POSITIVE));
        }
        let x = (cut.iter().enumerate())
            .flat_map(|(i, values)| {
                let (offset, scale) = (offset[i % rows], scale[i % rows]);
                let byte = move |&v: &f32| ((f64::from(v) - offset) / scale).round() as u8;
                values.iter().map(byte).scan(0u8, |before, byte| {
                    Some(byte.wrapping_sub(std::mem::replace(before, byte)))
                })
            })
            .collect();
        let numbers = |list: Vec<usize>| list.into_iter().map(|i| i as u32).collect();
        Ok(Self {
            x,
            offset,
            scale,
            train: numbers(train),
            validation: numbers(validation),
        })
    }
}
