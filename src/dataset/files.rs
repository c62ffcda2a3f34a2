//! One track: the first of its files that can be used, to features and to what it is known by.

use std::path::{Path, PathBuf};

use super::cache::{Cached, Fingerprint, State};
use super::content::{ContentId, prints_of};
use super::scan::Found;
use super::{FRAMES, Options, ROWS, Segments, Skipped};
use crate::audio;
use crate::error::{Error, Result};
use crate::features::{Definition, Extractor, SEGMENT_SAMPLES};
use crate::synth;
use crate::text::printable;

/// Segments of one track at most: the 30 s that a GTZAN track has.
pub(super) const MAX_SEGMENTS: usize = 10;
/// More of a track is never decoded.
const MAX_SECONDS: f64 = (MAX_SEGMENTS * SEGMENT_SAMPLES) as f64 / audio::SAMPLE_RATE as f64;

/// What became of one track.
pub(super) struct Outcome {
    /// The features of the first of its files that could be used, or its last file and why that could not.
    pub features: Result<Features, (PathBuf, Error)>,
    /// Its other files, and why they were not used.
    pub left: Vec<Skipped>,
}

/// The features of one file.
pub(super) struct Features {
    pub path: PathBuf,
    /// (segments, rows, frames).
    pub x: Vec<f32>,
    pub content: ContentId,
    pub prints: Vec<Option<u64>>,
    /// Set when a cache is in use, unless the file changed while it was read.
    pub fingerprint: Option<Fingerprint>,
    /// Taken from the cache.
    pub reused: bool,
    /// Taken from the cache, which should be told what it can know the file by without reading it.
    pub renewed: bool,
    /// What of the file could not be decoded, in words.
    pub left_out: Option<String>,
}

/// The features of the first file of a track that gives any.
pub(super) fn first_usable(
    found: &Found,
    cached: Option<Cached>,
    fingerprints: bool,
    options: &Options,
    extractor: &Extractor,
) -> Outcome {
    let first = found.track.path.as_deref().unwrap_or(Path::new(""));
    let mut files = std::iter::once(first)
        .chain(found.others.iter().map(PathBuf::as_path))
        .peekable();
    let mut cached = cached;
    let mut left = Vec::new();
    let mut last = None;
    while let Some(path) = files.next() {
        match one_file(path, &mut cached, fingerprints, options, extractor) {
            Ok(features) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                left.extend(files.map(|other| Skipped {
                    path: other.to_path_buf(),
                    reason: format!("the same track as {name}"),
                }));
                return Outcome {
                    features: Ok(features),
                    left,
                };
            }
            Err(e) if files.peek().is_some() => left.push(skipped(path.to_path_buf(), &e)),
            Err(e) => last = Some((path.to_path_buf(), e)),
        }
    }
    Outcome {
        features: Err(last.unwrap_or_else(|| (first.to_path_buf(), Error::file(first, "no file")))),
        left,
    }
}

fn one_file(
    path: &Path,
    cached: &mut Option<Cached>,
    fingerprints: bool,
    options: &Options,
    extractor: &Extractor,
) -> Result<Features> {
    let held = cached.as_ref().and_then(|c| c.holds_for(path));
    if let Some((fingerprint, renewed)) = held
        && let Some(cached) = cached.take()
    {
        return Ok(Features {
            path: path.to_path_buf(),
            prints: prints_of(&cached.features, ROWS, FRAMES),
            x: cached.features,
            content: cached.content,
            fingerprint: Some(fingerprint),
            reused: true,
            renewed,
            left_out: cached.left_out,
        });
    }
    let before = fingerprints.then(|| State::of(path).ok()).flatten();
    let seconds = seconds_needed(options);
    let audio::Recording { samples, left_out } = audio::read(path, Some(seconds))?;
    let x = extract(&samples, options, extractor).map_err(|e| e.context(path.display()))?;
    let content = content_of(&samples, seconds, || audio::load(path, Some(MAX_SECONDS)))?;
    Ok(Features {
        path: path.to_path_buf(),
        prints: prints_of(&x, ROWS, FRAMES),
        x,
        content,
        fingerprint: before.and_then(|b| Fingerprint::of_unchanged(path, b)),
        reused: false,
        renewed: false,
        left_out,
    })
}

/// What a track is known by, from its first `seconds`; `more` decodes as much as any option would.
fn content_of(
    samples: &[f32],
    seconds: f64,
    more: impl FnOnce() -> Result<Vec<f32>>,
) -> Result<ContentId> {
    let whole = |samples: &[f32], seconds: f64| {
        (samples.len() as f64) < seconds * f64::from(audio::SAMPLE_RATE) || seconds >= MAX_SECONDS
    };
    match ContentId::of_sound(samples, whole(samples, seconds)) {
        Some(id) => Ok(id),
        None => {
            let samples = more()?;
            Ok(ContentId::of_sound(&samples, true).unwrap_or(ContentId::of_features(&samples)))
        }
    }
}

/// The features of one composed track.
pub(super) fn composed(
    seed: u64,
    (genre, index): (usize, usize),
    options: &Options,
    extractor: &Extractor,
) -> Result<Features> {
    let seconds = seconds_needed(options);
    let music = synth::compose(seed, genre, index, seconds);
    let x = extract(&music, options, extractor)?;
    let whole = || Ok(synth::compose(seed, genre, index, MAX_SECONDS));
    Ok(Features {
        path: PathBuf::new(),
        prints: prints_of(&x, ROWS, FRAMES),
        x,
        content: content_of(&music, seconds, whole)?,
        fingerprint: None,
        reused: false,
        renewed: false,
        left_out: None,
    })
}

/// How much of a track is decoded.
fn seconds_needed(options: &Options) -> f64 {
    match (options.definition, options.segments) {
        (Definition::Segment, Segments::First) => {
            SEGMENT_SAMPLES as f64 / f64::from(audio::SAMPLE_RATE)
        }
        // The notebook's features are of the whole track.
        _ => MAX_SECONDS,
    }
}

/// (segments, rows, frames) of one track.
fn extract(samples: &[f32], options: &Options, extractor: &Extractor) -> Result<Vec<f32>> {
    let features = match options.segments {
        Segments::First => extractor.extract(samples)?,
        Segments::All => {
            let mut all = Vec::new();
            for segment in cut(samples) {
                all.extend(extractor.extract(segment)?);
            }
            all
        }
    };
    if features.iter().all(|v| v.is_finite()) {
        Ok(features)
    } else {
        Err(Error::data("its features are not finite numbers"))
    }
}

fn cut(samples: &[f32]) -> impl Iterator<Item = &[f32]> {
    segments_of(samples).take(MAX_SEGMENTS)
}

/// Consecutive 3 s segments of a song of any length; see [`Segments::All`] for what becomes of the remainder.
pub fn segments_of(samples: &[f32]) -> impl Iterator<Item = &[f32]> {
    let whole_track = samples.len() < SEGMENT_SAMPLES;
    samples
        .chunks(SEGMENT_SAMPLES)
        .filter(move |c| whole_track || c.len() >= SEGMENT_SAMPLES / 2)
}

pub(super) fn skipped(path: PathBuf, error: &Error) -> Skipped {
    let message = error.to_string();
    let prefix = format!("{}: ", printable(&path.to_string_lossy()));
    let reason = message.strip_prefix(&prefix).unwrap_or(&message);
    Skipped {
        reason: reason.to_string(),
        path,
    }
}
