//! `gtzan-gpu evaluate`.

use super::{console, print_json, train, values};
use crate::dataset::{Dataset, Groups, KnownSplit, Segments, Side, Track};
use crate::error::{Error, Result};
use crate::report::{ConfusionMatrix, Scored};
use crate::text::printable;
use crate::train::{ModelFile, Predictor, argmax, per_track};
use clap::Args;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Options of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A run's folder, or its model.safetensors
    model: PathBuf,
    /// Folder of genres, or a file of arrays
    data: PathBuf,
    /// Only the tracks that the model was trained on, validated on or tested on, whatever their files are called now:
    /// all, training, validation, test, or new for those that it has never seen
    #[arg(long, default_value = "all", value_parser = ["all", "training", "train", "validation", "test", "new"])]
    side: String,
    /// Which 3 s segments of a track count: first, or all, which vote by the mean of their log-probabilities [default: as the model was trained]
    #[arg(long)]
    segments: Option<Segments>,
    #[command(flatten)]
    device: super::DeviceArgs,
    #[command(flatten)]
    cache: super::CacheArgs,
    /// End with an error where a file is skipped
    #[arg(long)]
    strict: bool,
    /// CPU threads for features [default: all cores]
    #[arg(long, value_parser = values::threads())]
    threads: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl EvaluateArgs {
    /// Refuse options that others leave without effect.
    pub fn check(&self) -> Result<()> {
        if self.data.is_file() {
            let arrays = "on a file of arrays, which holds the features";
            super::without_effect(self.segments.is_some(), "--segments", arrays)?;
            super::without_effect(self.threads.is_some(), "--threads", arrays)?;
        }
        Ok(())
    }
}

/// Evaluate.
///
/// # Errors
/// When the model or the data can't be used, or they don't fit each other.
pub fn run(args: &EvaluateArgs) -> Result<()> {
    let file = ModelFile::load(&super::predict::model_path(&args.model)?)?;
    // Before features are computed for minutes.
    let gpu = args.device.open()?;
    let mut options = train::feature_options(
        &file,
        &args.data,
        args.strict,
        args.threads,
        args.cache.folder(),
    )?;
    options.segments = args.segments.unwrap_or(options.segments);
    let mut dataset = console::with_bar("features", |progress| {
        Dataset::open(&args.data, &options, progress)
    })?;
    super::said_of(&dataset);
    if (dataset.rows, dataset.frames) != (file.features.rows, file.features.frames) {
        return Err(Error::file(
            &args.data,
            format!(
                "samples are {}x{}, the model takes {}x{}",
                dataset.rows, dataset.frames, file.features.rows, file.features.frames
            ),
        ));
    }
    if let (Some(ours), Some(theirs)) = (file.features.definition, dataset.definition)
        && ours != theirs
    {
        return Err(Error::file(
            &args.data,
            format!(
                "its features are of the definition {theirs}, the model was trained on {ours}; write them again with `gtzan-gpu features --features {ours}`"
            ),
        ));
    }
    let label_of = labels(&file, &dataset)?;
    let seen = Seen::of(&file, &dataset);
    let samples = match (args.side.as_str(), &seen) {
        ("all", _) => (0..dataset.len()).collect(),
        (side, Some(seen)) => dataset.samples_of(&seen.on(side, &args.data)?),
        (side, None) => {
            let adds = match &file.split {
                Some(_) => "",
                None => "`gtzan-gpu train --resume RUN` on its unchanged data adds that, or ",
            };
            let (whose, why) = unknown(args, &file, &dataset);
            return Err(Error::file(
                whose,
                format!("{why}, so --side {side} can't be told; {adds}evaluate without --side"),
            ));
        }
    };
    let order: Vec<u32> = samples.iter().map(|&i| i as u32).collect();
    let track_of: Vec<usize> = dataset.samples.iter().map(|s| s.track).collect();
    let truth: Vec<usize> = track_of.iter().map(|&t| label_of[t]).collect();
    let x = dataset.take_x();
    let size = file.features.rows * file.features.frames;
    let chosen: Vec<f32> = samples
        .iter()
        .flat_map(|&i| &x[i * size..(i + 1) * size])
        .copied()
        .collect();
    let mut predictor = Predictor::new(&gpu, &file, 8, &super::tuned_choices(&gpu, &args.cache))?;
    let probabilities = predictor.probabilities(&chosen)?;
    let mut matrix = ConfusionMatrix::new(file.labels.clone());
    for (sample, row) in per_track(&order, &track_of, &probabilities, file.labels.len()) {
        matrix.add(truth[sample as usize], argmax(&row))?;
    }
    if args.json {
        return print_json(&Answer {
            scored: matrix.scored(),
            side: &args.side,
            tracks: seen.map(|s| s.counts),
        });
    }
    console::line(&format!("{} on {}", args.model.display(), gpu.name()));
    if file.synthetic {
        console::line("the model was trained on SYNTHETIC music");
    }
    match &seen {
        Some(seen) => console::line(&seen.line(&args.side)),
        None => console::line(&format!(
            "{}, so which of these tracks the model was trained on can't be told",
            unknown(args, &file, &dataset).1
        )),
    }
    train::print_matrix(&matrix);
    let absent: Vec<String> = (matrix.report().classes.iter())
        .filter(|c| c.support == 0)
        .map(|c| printable(&c.genre))
        .collect();
    if !absent.is_empty() {
        console::line(&format!(
            "no track here is of {}; macro averages are over all genres of the model, where that counts as 0",
            absent.join(", ")
        ));
    }
    Ok(())
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    scored: Scored,
    side: &'a str,
    /// Of all tracks of the data; null when the model does not know its split, or the data does not say what its tracks are.
    tracks: Option<Counts>,
}

/// How many tracks of the data the model knows.
#[derive(Serialize)]
struct Counts {
    training: usize,
    validation: usize,
    test: usize,
    new: usize,
    /// New files, but pieces or copies of a recording that the model was trained on.
    related: usize,
}

/// Which tracks of a data set the model knows from its training.
struct Seen {
    sides: Vec<Option<Side>>,
    /// Not trained on, but in a group with a track that was.
    related: Vec<bool>,
    counts: Counts,
    /// Tracks of the validation side that the data lacks.
    validation_missing: usize,
}

impl Seen {
    /// `None` where the model does not know its split, or has nothing to know it by: where only one of its own data and these has the
    /// ids of recordings, tracks of which it knows none may yet be the same. Where neither has, equal features are the same track.
    fn of(file: &ModelFile, dataset: &Dataset) -> Option<Self> {
        let split = file.split.as_ref()?;
        let strangers = || split.sides_of(dataset).iter().all(Option::is_none);
        (dataset.anonymous == split.anonymous || !strangers()).then(|| Self::new(split, dataset))
    }

    fn new(split: &KnownSplit, dataset: &Dataset) -> Self {
        let sides = split.sides_of(dataset);
        let groups = Groups::of(dataset);
        let trained: HashSet<usize> = (groups.of.iter().zip(&sides))
            .filter(|(_, side)| **side == Some(Side::Train))
            .map(|(group, _)| *group)
            .collect();
        let related: Vec<bool> = (groups.of.iter().zip(&sides))
            .map(|(group, side)| side.is_none() && trained.contains(group))
            .collect();
        let count = |side| sides.iter().filter(|s| **s == side).count();
        let related_count = related.iter().filter(|r| **r).count();
        let here: HashSet<_> = (dataset.contents().iter().zip(&sides))
            .filter(|(_, side)| **side == Some(Side::Validation))
            .map(|(id, _)| id)
            .collect();
        Self {
            counts: Counts {
                training: count(Some(Side::Train)),
                validation: count(Some(Side::Validation)),
                test: count(Some(Side::Test)),
                new: count(None) - related_count,
                related: related_count,
            },
            validation_missing: split.count(Side::Validation) - here.len(),
            sides,
            related,
        }
    }

    /// The tracks on a side.
    fn on(&self, side: &str, data: &Path) -> Result<Vec<usize>> {
        let wanted = match side {
            "validation" => Some(Side::Validation),
            "test" => Some(Side::Test),
            "new" => None,
            _ => Some(Side::Train),
        };
        let tracks: Vec<usize> = (0..self.sides.len())
            .filter(|&t| self.sides[t] == wanted && !self.related[t])
            .collect();
        if tracks.is_empty() {
            let what = match side {
                "new" => "new to the model".to_owned(),
                side => format!("on the {side} side of the model's split"),
            };
            return Err(Error::file(
                data,
                format!("no track in it is {what} ({})", self.all()),
            ));
        }
        Ok(tracks)
    }

    fn all(&self) -> String {
        let c = &self.counts;
        let test = match c.test {
            0 => String::new(),
            n => format!(", {n} tested it"),
        };
        let related = match c.related {
            0 => String::new(),
            n => format!(", {n} are pieces or copies of recordings that it was trained on"),
        };
        format!(
            "of {} tracks the model was trained on {}, {} validated it{test}{related}, {} are new to it",
            self.sides.len(),
            c.training,
            c.validation,
            c.new
        )
    }

    /// What is evaluated, and what it is worth.
    fn line(&self, side: &str) -> String {
        let all = self.all();
        let missing = match self.validation_missing {
            0 => String::new(),
            n => format!("; {n} of its validation tracks are not here"),
        };
        match side {
            "all" if self.counts.training > 0 => {
                format!("{all}: these figures are better than on other music (--side chooses)")
            }
            "all" => all,
            "train" | "training" => format!("evaluated: what it was trained on; {all}"),
            "validation" => format!("evaluated: the validation side; {all}{missing}"),
            "new" => format!("evaluated: what is new; {all}"),
            side => format!("evaluated: the {side} side; {all}"),
        }
    }
}

/// Why it can't be told which tracks the model knows: the file that lacks it, and what.
fn unknown<'a>(
    args: &'a EvaluateArgs,
    file: &ModelFile,
    dataset: &Dataset,
) -> (&'a Path, &'static str) {
    match &file.split {
        None => (
            &args.model,
            "written by an older version, the model does not know what it was trained on",
        ),
        Some(_) if dataset.anonymous => (
            &args.data,
            "the data does not say which recordings it is of (an array content_id, as `gtzan-gpu features` writes it)",
        ),
        Some(_) => (
            &args.model,
            "the model was trained on arrays that did not say which recordings they were of",
        ),
    }
}

/// For every track of the data the number of its genre in the model.
fn labels(file: &ModelFile, dataset: &Dataset) -> Result<Vec<usize>> {
    let find = |track: &Track| {
        let genre = &dataset.genres[track.genre];
        file.labels.iter().position(|l| l == genre).ok_or_else(|| {
            Error::data(format!(
                "the data has the genre {genre}, the model knows {}",
                file.labels.join(", ")
            ))
        })
    };
    dataset.tracks.iter().map(find).collect()
}
