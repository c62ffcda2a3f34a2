//! Audio or composed music to the feature arrays of a [`Dataset`], on every core.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::cache::{Cache, Entry, Fingerprint};
use super::scan::{balanced, scan};
use super::{
    CacheReport, Dataset, FRAMES, Options, Progress, ROWS, Sample, Segments, Skipped, Source, Track,
};
use crate::audio;
use crate::error::{Error, Result};
use crate::features::{Definition, Extractor, SEGMENT_SAMPLES};
use crate::synth;

/// Segments of one track at most: the 30 s that a GTZAN track has.
const MAX_SEGMENTS: usize = 10;

/// The features of one track, or why there are none.
struct Outcome {
    features: Result<Vec<f32>>,
    /// Set when a cache is in use and the features are there.
    fingerprint: Option<Fingerprint>,
    reused: bool,
}

/// Scans a folder, computes (or takes from the cache) each file's features.
pub(super) fn from_folder(dir: &Path, options: &Options, progress: Progress) -> Result<Dataset> {
    check(options)?;
    let mut found = scan(dir)?;
    if options.strict
        && let Some(first) = found.skipped.first()
    {
        return Err(Error::file(&first.path, &first.reason));
    }
    if let Some(limit) = options.limit {
        let genres: Vec<usize> = found.tracks.iter().map(|t| t.genre).collect();
        let kept = balanced(&genres, limit);
        found.tracks = kept.iter().map(|&i| found.tracks[i].clone()).collect();
    }

    let cache = options.cache.as_ref().map(|c| Cache::new(c, dir, options));
    let mut report = CacheReport::default();
    let mut kept = match cache.as_ref().map(Cache::load) {
        None => HashMap::new(),
        Some(Ok(kept)) => kept,
        Some(Err(why)) => {
            report.problem = Some(why.to_string());
            HashMap::new()
        }
    };
    let jobs: Vec<_> = found
        .tracks
        .iter()
        .map(|track| (track, kept.remove(&track.name)))
        .collect();
    let entries_left_over = !kept.is_empty();
    let outcomes = in_parallel(jobs, options, progress, |extractor, (track, cached)| {
        let path = track.path.as_deref().unwrap_or(Path::new(""));
        if let Some(cached) = cached
            && let Some(fingerprint) = cached.holds_for(path)
        {
            return Outcome {
                features: Ok(cached.features),
                fingerprint: Some(fingerprint),
                reused: true,
            };
        }
        let features = load_and_extract(path, options, extractor);
        // Taken after reading: a file that changes in between is found stale next time.
        let fingerprint = match (&features, &cache) {
            (Ok(_), Some(_)) => Fingerprint::of(path).ok(),
            _ => None,
        };
        Outcome {
            features,
            fingerprint,
            reused: false,
        }
    })?;

    let mut dataset = empty(found.genres, Source::Folder(dir.to_path_buf()), options);
    dataset.synthetic = synth::is_synthetic(dir);
    dataset.skipped = found.skipped;
    let mut entries = Vec::new();
    dataset.x.reserve(
        outcomes
            .iter()
            .flat_map(|o| &o.features)
            .map(Vec::len)
            .sum(),
    );
    for (track, outcome) in found.tracks.into_iter().zip(outcomes) {
        match outcome.features {
            Ok(features) => {
                let samples = features.len() / (ROWS * FRAMES);
                if outcome.reused {
                    report.reused += 1;
                } else {
                    report.computed += 1;
                }
                if let Some(fingerprint) = outcome.fingerprint {
                    entries.push(Entry {
                        name: track.name.clone(),
                        fingerprint,
                        samples,
                    });
                }
                dataset.push(track, &features);
            }
            Err(e) if options.strict => return Err(e),
            Err(e) => dataset.skipped.push(skipped(&track, &e)),
        }
    }
    if let Some(cache) = cache
        && (report.computed > 0 || entries_left_over)
        && entries.len() == dataset.tracks.len()
        && let Err(e) = cache.store(entries, &dataset.x)
    {
        report.problem = Some(format!("the feature cache can't be written: {e}"));
    }
    dataset.cache = report;
    dataset.drop_empty_genres(dir);
    Ok(dataset)
}

/// Composes the synthetic set and computes its features.
pub(super) fn from_synth(
    seed: u64,
    tracks_per_genre: usize,
    options: &Options,
    progress: Progress,
) -> Result<Dataset> {
    check(options)?;
    if tracks_per_genre == 0 {
        return Err(Error::usage(
            "the synthetic set needs at least one track per genre",
        ));
    }
    let source = Source::Synthetic { seed };
    let mut dataset = empty(synth::GENRES.map(String::from).to_vec(), source, options);
    dataset.synthetic = true;
    let mut jobs: Vec<(usize, usize)> = (0..synth::GENRES.len())
        .flat_map(|genre| (0..tracks_per_genre).map(move |index| (genre, index)))
        .collect();
    if let Some(limit) = options.limit {
        let genres: Vec<usize> = jobs.iter().map(|j| j.0).collect();
        jobs = balanced(&genres, limit).iter().map(|&i| jobs[i]).collect();
    }
    let seconds = seconds_needed(options);
    let features = in_parallel(
        jobs.clone(),
        options,
        progress,
        |extractor, (genre, index)| {
            let music = synth::compose(seed, genre, index, seconds);
            extract(&music, options, extractor)
        },
    )?;
    for ((genre, index), features) in jobs.into_iter().zip(features) {
        let name = synth::track_name(genre, index);
        let track = Track {
            name,
            genre,
            path: None,
        };
        dataset.push(track, &features?);
    }
    Ok(dataset)
}

fn check(options: &Options) -> Result<()> {
    if options.definition == Definition::Notebook && options.segments == Segments::All {
        return Err(Error::usage(
            "the notebook features are defined for the first 3 s of a track only: use the segment features with all segments",
        ));
    }
    if options.limit == Some(0) {
        return Err(Error::usage("a limit of 0 tracks leaves nothing"));
    }
    Ok(())
}

/// Runs `work` over the jobs on every core (or [`Options::threads`]); results in the order of the jobs.
fn in_parallel<J: Send, R: Send>(
    jobs: Vec<J>,
    options: &Options,
    progress: Progress,
    work: impl Fn(&Extractor, J) -> R + Sync + Send,
) -> Result<Vec<R>> {
    let total = jobs.len();
    let extractor = Extractor::new(options.definition);
    let done = AtomicUsize::new(0);
    let run = || {
        jobs.into_par_iter()
            .map(|job| {
                let result = work(&extractor, job);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                result
            })
            .collect()
    };
    match options.threads {
        None => Ok(run()),
        Some(threads) => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.map_err(|e| Error::usage(format!("{threads} threads: {e}")))?;
            Ok(pool.install(run))
        }
    }
}

/// How much of a track is decoded.
fn seconds_needed(options: &Options) -> f64 {
    match (options.definition, options.segments) {
        (Definition::Segment, Segments::First) => {
            SEGMENT_SAMPLES as f64 / f64::from(audio::SAMPLE_RATE)
        }
        // The notebook's features are of the whole track.
        _ => (MAX_SEGMENTS * SEGMENT_SAMPLES) as f64 / f64::from(audio::SAMPLE_RATE),
    }
}

fn load_and_extract(path: &Path, options: &Options, extractor: &Extractor) -> Result<Vec<f32>> {
    let samples = audio::load(path, Some(seconds_needed(options)))?;
    extract(&samples, options, extractor).map_err(|e| e.context(path.display()))
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

fn empty(genres: Vec<String>, source: Source, options: &Options) -> Dataset {
    Dataset {
        genres,
        tracks: Vec::new(),
        samples: Vec::new(),
        rows: ROWS,
        frames: FRAMES,
        x: Vec::new(),
        definition: Some(options.definition),
        source,
        synthetic: false,
        skipped: Vec::new(),
        cache: CacheReport::default(),
    }
}

fn skipped(track: &Track, error: &Error) -> Skipped {
    let path = track.path.clone().unwrap_or_default();
    let message = error.to_string();
    let prefix = format!("{}: ", path.display());
    let reason = message.strip_prefix(&prefix).unwrap_or(&message);
    Skipped {
        reason: reason.to_string(),
        path,
    }
}

impl Dataset {
    /// Adds a track with the features of its segments.
    fn push(&mut self, track: Track, features: &[f32]) {
        let index = self.tracks.len();
        let segments = 0..features.len() / (self.rows * self.frames);
        self.samples.extend(segments.map(|segment| Sample {
            track: index,
            segment,
        }));
        self.x.extend_from_slice(features);
        self.tracks.push(track);
    }

    /// Removes genres none of whose files could be used, with a word in `skipped`.
    fn drop_empty_genres(&mut self, dir: &Path) {
        let mut new_index = vec![None; self.genres.len()];
        let mut kept = Vec::new();
        for (genre, name) in self.genres.iter().enumerate() {
            if self.tracks.iter().any(|t| t.genre == genre) {
                new_index[genre] = Some(kept.len());
                kept.push(name.clone());
            } else {
                self.skipped.push(Skipped {
                    path: dir.join(name),
                    reason: "none of the files in this folder is usable".into(),
                });
            }
        }
        for track in &mut self.tracks {
            track.genre = new_index[track.genre].unwrap_or_default();
        }
        self.genres = kept;
    }
}
