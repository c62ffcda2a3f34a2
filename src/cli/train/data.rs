//! What a run trains on.

use super::super::console;
use super::TrainArgs;
use crate::dataset::{Dataset, Options, Segments};
use crate::error::{Error, Result};
use crate::features::Definition;
use crate::train::{Schedule, Settings, Task};

/// Training samples below which more segments of the same tracks are known to help: with 80 tracks validation rose from 0.50 to 0.80.
const FEW: usize = 500;

/// The data set that the settings name, split and normalised; what there is to say of it is said.
///
/// # Errors
/// When it can't be read, or too little of it is left to train on.
pub fn load_task(s: &Settings, args: &TrainArgs) -> Result<Task> {
    let options = Options {
        definition: s.features,
        segments: s.segments,
        limit: s.limit,
        strict: s.strict,
        cache: args.cache.folder(),
        threads: s.threads,
        group_by: s.group_by,
        one_genre: false,
    };
    let dataset = match &s.data {
        Some(path) => console::with_bar("features", |progress| {
            Dataset::open(path, &options, progress)
        })?,
        None => {
            console::line(
                "using the built-in SYNTHETIC set: composed by rules, not real music (give a folder of genres to train on your own)",
            );
            console::with_bar("composing", |progress| {
                Dataset::synthetic(s.seed, s.synthetic_tracks, &options, progress)
            })?
        }
    };
    console::skipped(&dataset.skipped);
    super::super::not_cached(&dataset);
    let task = Task::new(dataset, s)?;
    console::line(&format!("data: {}", task.description));
    for note in &task.notes {
        // Warnings not only where a log goes.
        if note.starts_with("warning: ") {
            console::note(note);
        } else {
            console::line(note);
        }
    }
    if task.validation.is_empty() {
        let watching = match s.schedule {
            Schedule::Plateau => {
                "early stopping and the plateau have nothing to watch, so that every epoch runs and the learning rate stays"
            }
            Schedule::Constant | Schedule::Cosine => "every epoch runs",
        };
        console::line(&format!(
            "nothing validates: the last weights are kept, and {watching}"
        ));
    }
    let first_only = s.segments == Segments::First && s.features == Definition::Segment;
    if s.data.as_ref().is_some_and(|d| d.is_dir()) && first_only && task.train.len() < FEW {
        console::note(
            "one 3 s segment of each track is little to learn from when tracks are few: --segments all takes every one",
        );
    }
    Ok(task)
}

/// A batch holds the training samples at most: what is beyond them would be computed for nothing. It stays one that can be cut
/// into the micro-batches that were asked for.
///
/// # Errors
/// When there are fewer samples than parts.
pub fn clamp_batch(s: &mut Settings, task: &Task) -> Result<()> {
    let samples = task.train.len().max(1);
    if s.batch_size <= samples {
        return Ok(());
    }
    let parts = s.micro_batches.unwrap_or(1);
    let most = samples - samples % parts;
    if most == 0 {
        return Err(Error::usage(format!(
            "--micro-batches {parts}: only {samples} samples train, fewer than a batch would have parts; give {samples} at most"
        )));
    }
    console::note(&format!(
        "a batch of {} is more than the {samples} samples that train: batches of {most} it is",
        s.batch_size
    ));
    s.batch_size = most;
    Ok(())
}
