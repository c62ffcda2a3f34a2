//! Audio or composed music to the feature arrays of a [`Dataset`], on every core.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::cache::{Cache, Entry};
use super::files::{self, Features};
use super::room;
use super::scan::{balanced, depths, drop_empty_genres, scan};
use super::{
    CacheReport, Dataset, FRAMES, Options, Progress, ROWS, Sample, Segments, Skipped, Source, Track,
};
use crate::error::{Error, Result};
use crate::features::{Definition, Extractor};
use crate::synth;
use crate::text::printable;

/// Scans a folder, computes (or takes from the cache) each file's features.
pub(super) fn from_folder(dir: &Path, options: &Options, progress: Progress) -> Result<Dataset> {
    check(options)?;
    let mut found = scan(dir)?;
    if options.strict
        && let Some(first) = found.skipped.first()
    {
        return Err(Error::file(&first.path, &first.reason));
    }
    let mut notes = Vec::new();
    if let Some(limit) = options.limit {
        let genres: Vec<usize> = found.tracks.iter().map(|t| t.track.genre).collect();
        let kept = balanced(&genres, limit);
        found.tracks = kept.iter().map(|&i| found.tracks[i].clone()).collect();
        let all = found.genres.len();
        let tracks = found.tracks.iter_mut().map(|t| &mut t.track);
        let emptied = drop_empty_genres(&mut found.genres, tracks).len();
        if emptied > 0 {
            notes.push(format!(
                "a limit of {limit} tracks leaves {} of {all} genres",
                all - emptied
            ));
        }
    }

    // How long they are nobody knows yet.
    room::check(found.tracks.len(), 1)?;
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
        .map(|found| (found, kept.remove(&found.track.name)))
        .collect();
    let entries_left_over = !kept.is_empty();
    let outcomes = in_parallel(jobs, options, progress, |extractor, (found, cached)| {
        files::first_usable(found, cached, cache.is_some(), options, extractor)
    })?;

    let mut dataset = empty(found.genres, Source::Folder(dir.to_path_buf()), options);
    dataset.synthetic = synth::is_synthetic(dir);
    dataset.skipped = found.skipped;
    let mut entries = Vec::new();
    let mut renewed = false;
    let of_all = outcomes.iter().flat_map(|o| &o.features);
    dataset.x.reserve(of_all.map(|f| f.x.len()).sum());
    for (found, outcome) in found.tracks.into_iter().zip(outcomes) {
        if options.strict
            && let Some(left) = outcome.left.first()
        {
            return Err(Error::file(&left.path, &left.reason));
        }
        dataset.skipped.extend(outcome.left);
        match outcome.features {
            Ok(features) => {
                if features.reused {
                    report.reused += 1;
                } else {
                    report.computed += 1;
                }
                renewed |= features.renewed;
                if let Some(fingerprint) = features.fingerprint.clone() {
                    entries.push(Entry {
                        name: found.track.name.clone(),
                        content: features.content,
                        fingerprint,
                        samples: features.prints.len(),
                        left_out: features.left_out.clone(),
                    });
                }
                if let Some(what) = &features.left_out {
                    let name = printable(&features.path.to_string_lossy());
                    notes.push(format!("{name}: left out: {what}"));
                }
                let path = Some(features.path.clone());
                dataset.push(
                    Track {
                        path,
                        ..found.track
                    },
                    features,
                );
            }
            Err((_, e)) if options.strict => return Err(e),
            Err((path, e)) => dataset.skipped.push(files::skipped(path, &e)),
        }
    }
    if let Some(cache) = cache
        && (report.computed > 0 || entries_left_over || renewed)
        && entries.len() == dataset.tracks.len()
        && let Err(e) = cache.store(entries, &dataset.x)
        // Where all was reused, the cache was of use as it is.
        && report.computed > 0
    {
        report.problem = Some(format!("the feature cache can't be written: {e}"));
    }
    dataset.cache = report;
    for name in drop_empty_genres(&mut dataset.genres, dataset.tracks.iter_mut()) {
        dataset.skipped.push(Skipped {
            path: dir.join(name),
            reason: match options.limit {
                None => "none of the files in this folder is usable",
                Some(_) => "none of the files that --limit takes from this folder is usable",
            }
            .into(),
        });
    }
    notes.extend(depths(&dataset.tracks));
    dataset.notes = notes;
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
    if tracks_per_genre > synth::MOST_TRACKS {
        return Err(Error::usage(format!(
            "the synthetic set has {} tracks per genre at most, not {tracks_per_genre}",
            synth::MOST_TRACKS
        )));
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
    let samples = match options.segments {
        Segments::First => 1,
        Segments::All => files::MAX_SEGMENTS,
    };
    room::check(jobs.len(), samples)?;
    let features = in_parallel(jobs.clone(), options, progress, |extractor, job| {
        files::composed(seed, job, options, extractor)
    })?;
    for ((genre, index), features) in jobs.into_iter().zip(features) {
        let name = synth::track_name(genre, index);
        let track = Track {
            name,
            genre,
            path: None,
        };
        dataset.push(track, features?);
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
            let threads = threads.min(super::MOST_THREADS).min(total.max(1));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.map_err(|e| Error::usage(format!("{threads} threads: {e}")))?;
            Ok(pool.install(run))
        }
    }
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
        limit: options.limit,
        notes: Vec::new(),
        cache: CacheReport::default(),
        group_by: options.group_by,
        contents: Vec::new(),
        anonymous: false,
        prints: Vec::new(),
    }
}

impl Dataset {
    /// Adds a track with the features of its segments.
    fn push(&mut self, track: Track, features: Features) {
        let index = self.tracks.len();
        self.samples
            .extend((0..features.prints.len()).map(|segment| Sample {
                track: index,
                segment,
            }));
        self.x.extend_from_slice(&features.x);
        self.prints.extend(features.prints);
        self.contents.push(features.content);
        self.tracks.push(track);
    }
}
