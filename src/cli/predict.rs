//! `gtzan-gpu predict`.

use super::{console, print_json, values};
use crate::audio;
use crate::dataset::{Segments, segments_of};
use crate::error::{Error, ErrorKind, Result};
use crate::features::{Definition, Extractor};
use crate::text::printable;
use crate::train::{ModelFile, Predictor, vote};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Options of `predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A run's folder, or its model.safetensors
    model: PathBuf,
    /// Audio files: au, wav, mp3, flac, ogg
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// How many genres to show [default: 3, all in JSON]
    #[arg(long, value_parser = values::count())]
    top: Option<usize>,
    /// all: what all 3 s segments of a song say together (the mean of their log-probabilities); first: its first 3 s [default: all]
    #[arg(long)]
    segments: Option<Segments>,
    #[command(flatten)]
    device: super::DeviceArgs,
    #[command(flatten)]
    cache: super::CacheArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    file: String,
    predictions: Vec<Prediction>,
    /// Why there are no predictions: nothing to hear.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The same: what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Answer {
    fn of(path: &Path, predictions: Vec<Prediction>) -> Self {
        Self {
            file: path.display().to_string(),
            predictions,
            note: None,
            error: None,
        }
    }
}

#[derive(Serialize)]
struct Prediction {
    genre: String,
    probability: f32,
}

/// The model file that a path means: a run's folder stands for its `model.safetensors`.
///
/// # Errors
/// When it is the folder of a cross-validation, which has a model per fold.
pub fn model_path(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let (model, fold) = (path.join("model.safetensors"), path.join("fold-0"));
    if !model.exists() && fold.is_dir() {
        return Err(Error::file(
            path,
            format!(
                "a cross-validation, which has a model per fold; give one of them, such as {}",
                fold.display()
            ),
        ));
    }
    Ok(model)
}

/// Predict.
///
/// # Errors
/// When the model can't be used, or a file can't be read; files before it are printed.
pub fn run(args: &PredictArgs) -> Result<()> {
    let file = ModelFile::load(&model_path(&args.model)?)?;
    let Some(definition) = file.features.definition else {
        return Err(Error::file(
            &args.model,
            "the model was trained on arrays of another tool, so it can't read audio; use evaluate with a file of arrays",
        ));
    };
    if definition == Definition::Notebook {
        let why = "on a model of the notebook's features, which are defined over a whole track";
        super::without_effect(args.segments.is_some(), "--segments", why)?;
    }
    let gpu = args.device.open()?;
    let extractor = Extractor::new(definition);
    let mut predictor = Predictor::new(&gpu, &file, 8, &super::tuned_choices(&gpu, &args.cache))?;
    let mut answers = Vec::new();
    let (mut failed, mut lost) = (None, None);
    for path in &args.files {
        match predict(path, args, &extractor, &mut predictor, &file) {
            Ok(answer) => {
                if !args.json {
                    show(&answer, args.top.unwrap_or(3));
                }
                answers.push(answer);
            }
            // No other file would fare better.
            Err(e) if matches!(e.kind(), ErrorKind::Device | ErrorKind::OutOfMemory) => {
                lost = Some(e);
                break;
            }
            Err(e) => {
                // A single file's error is what the command ends with, and is printed there.
                if args.files.len() > 1 {
                    console::note(&format!("error: {e}"));
                }
                answers.push(Answer {
                    error: Some(e.to_string()),
                    ..Answer::of(path, Vec::new())
                });
                failed = Some(e);
            }
        }
    }
    if args.json {
        print_json(&answers)?;
    }
    if let Some(e) = lost {
        return Err(e);
    }
    match failed {
        None => Ok(()),
        Some(e) if args.files.len() == 1 => Err(e),
        Some(_) => Err(Error::data(format!(
            "{} of {} files gave no genre",
            answers.iter().filter(|a| a.predictions.is_empty()).count(),
            args.files.len()
        ))),
    }
}

fn predict(
    path: &Path,
    args: &PredictArgs,
    extractor: &Extractor,
    predictor: &mut Predictor,
    file: &ModelFile,
) -> Result<Answer> {
    // The notebook's features are defined over a whole track, so there is nothing to join.
    let whole_song =
        args.segments != Some(Segments::First) && extractor.definition() == Definition::Segment;
    let first = !whole_song && extractor.definition() == Definition::Segment;
    let recording = audio::read(path, first.then_some(3.0))?;
    if let Some(what) = &recording.left_out {
        console::note(&format!(
            "{}: left out: {what}",
            printable(&path.to_string_lossy())
        ));
    }
    let samples = recording.samples;
    if let Some(note) = nothing_to_hear(&samples) {
        return Ok(Answer {
            note: Some(note),
            ..Answer::of(path, Vec::new())
        });
    }
    let mut x = Vec::new();
    if whole_song {
        for part in segments_of(&samples) {
            x.extend(
                extractor
                    .extract(part)
                    .map_err(|e| e.context(path.display()))?,
            );
        }
    } else {
        x = extractor
            .extract(&samples)
            .map_err(|e| e.context(path.display()))?;
    }
    let probabilities = (predictor.probabilities(&x)).map_err(|e| e.context(path.display()))?;
    let classes = file.labels.len();
    let joined = vote(probabilities.chunks_exact(classes), classes);
    let mut predictions: Vec<Prediction> = (file.labels.iter().cloned().zip(joined))
        .map(|(genre, probability)| Prediction { genre, probability })
        .collect();
    predictions.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    if args.json {
        predictions.truncate(args.top.unwrap_or(usize::MAX));
    }
    Ok(Answer::of(path, predictions))
}

/// Samples below which there is no sound to judge: one window of the spectrum (93 ms).
const SHORTEST: usize = 2048;

/// How far apart the lowest and the highest sample of a silent recording are at most: 4 steps of 16 bits, which dither
/// and a constant offset reach.
const SILENCE: f32 = 4.0 / 32_768.0;

/// Why no genre can be named for `samples`; None when there is something to hear. A model names one for anything.
fn nothing_to_hear(samples: &[f32]) -> Option<String> {
    if samples.len() < SHORTEST {
        return Some(format!(
            "no genre: {} of sound is too short to tell ({} or more is needed)",
            milliseconds(samples.len()),
            milliseconds(SHORTEST)
        ));
    }
    let low = samples.iter().copied().fold(f32::INFINITY, f32::min);
    let high = samples.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (high - low <= SILENCE).then(|| {
        format!(
            "no genre: its {:.1} s are silent",
            samples.len() as f64 / f64::from(audio::SAMPLE_RATE)
        )
    })
}

fn milliseconds(samples: usize) -> String {
    let ms = samples as f64 * 1e3 / f64::from(audio::SAMPLE_RATE);
    format!("{ms:.*} ms", usize::from(ms < 1.0) * 2)
}

fn show(answer: &Answer, top: usize) {
    console::line(&printable(&answer.file));
    if let Some(note) = &answer.note {
        console::line(&format!("  {note}"));
    }
    for p in answer.predictions.iter().take(top.max(1)) {
        let bar = if console::is_terminal() {
            "█".repeat((p.probability * 30.0).round() as usize)
        } else {
            String::new()
        };
        let text = format!(
            "  {:<16}{:>6.1} %  {bar}",
            printable(&p.genre),
            p.probability * 100.0
        );
        console::line(text.trim_end());
    }
}
