//! From a folder of music to labelled, split, normalised batches.
//!
//! ```text
//! DIR/<genre>/**/<track>.au ──scan──> tracks ──audio, features──> samples x: (n, rows, frames)
//!                                       │                            │
//!                                  groups, split               Normaliser (fitted on the training samples only)
//! ```
//!
//! A *track* is one file with one genre; a *sample* is one feature array cut from it. Splits are
//! made of tracks, never of samples, and tracks that belong together (pieces, copies, the same
//! sound under two names) stay together, so that no recording is on both sides (see [`split`] and
//! [`Groups`]).
//! Where the samples come from does not matter afterwards: a folder of audio, a file of arrays
//! written by this or another tool, or the built-in synthetic set all become a [`Dataset`].

mod arrays;
mod assemble;
mod batches;
mod cache;
mod compute;
mod content;
mod deal;
mod files;
mod groups;
mod known;
mod lists;
mod normalise;
mod room;
mod scan;
mod sides;
mod split;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::features::{Definition, FRAMES, ROWS};
use crate::text::printable;

pub use crate::synth::Progress;
pub use batches::{class_weights_balanced, epoch_order};
pub use content::ContentId;
pub use files::segments_of;
pub use groups::{GroupBy, Groups};
pub use known::KnownSplit;
pub use normalise::Normaliser;
pub use sides::{Side, Split};
pub use split::{SplitRule, split, split_grouped};

/// The most CPU threads that can be asked for.
pub const MOST_THREADS: usize = 1024;

/// Which parts of a track become samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segments {
    /// The first 3 s of each track.
    #[default]
    First,
    /// Consecutive 3 s segments of the first 30 s: ten of a GTZAN track. A remainder of at least
    /// half a segment is padded with silence, a shorter one dropped.
    All,
}

impl fmt::Display for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::First => "first",
            Self::All => "all",
        })
    }
}

impl FromStr for Segments {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "first" => Ok(Self::First),
            "all" => Ok(Self::All),
            _ => Err(Error::usage(format!(
                "no segments \"{name}\"; choose \"first\" or \"all\""
            ))),
        }
    }
}

/// How to turn a folder into samples.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub definition: Definition,
    pub segments: Segments,
    /// At most this many tracks, spread evenly over the genres; the same ones every time.
    pub limit: Option<usize>,
    /// Make a bad file an error instead of skipping it.
    pub strict: bool,
    /// The folder in which features are kept between runs; `None` computes them every time.
    pub cache: Option<PathBuf>,
    /// Threads to compute features with; `None` takes every core.
    pub threads: Option<usize>,
    /// What a split keeps together.
    pub group_by: GroupBy,
    /// One genre will do: for features to compute or a model to try, not for a classifier to train.
    pub one_genre: bool,
}

/// One recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// `genre/stem` as in `blues/blues.00012`, or `genre/folder/stem`: the file's path below the
    /// data set, without its ending.
    pub name: String,
    /// Index into [`Dataset::genres`].
    pub genre: usize,
    /// The audio file, if the track came from one.
    pub path: Option<PathBuf>,
}

/// One feature array: segment number `segment` of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Index into [`Dataset::tracks`].
    pub track: usize,
    pub segment: usize,
}

/// Where a [`Dataset`] came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder with one folder of audio files per genre.
    Folder(PathBuf),
    /// A file of arrays.
    File(PathBuf),
    /// Composed in memory by [`crate::synth`].
    Synthetic { seed: u64 },
    /// Given by the caller of [`Dataset::from_parts`].
    Memory,
}

/// A file or folder that was left out, and why (one sentence that does not repeat the path).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub path: PathBuf,
    pub reason: String,
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = printable(&self.path.to_string_lossy());
        write!(f, "{name}: {}: skipped", self.reason)
    }
}

/// A labelled set of feature arrays.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Names of the classes, sorted.
    pub genres: Vec<String>,
    pub tracks: Vec<Track>,
    /// In the order of the tracks, then of the segments.
    pub samples: Vec<Sample>,
    /// Rows of one sample (187: mel, MFCC, chroma, contrast).
    pub rows: usize,
    /// Frames of one sample (130 in 3 s).
    pub frames: usize,
    /// (samples, rows, frames), row-major.
    x: Vec<f32>,
    /// How the features were computed; `None` for arrays from another tool.
    pub definition: Option<Definition>,
    pub source: Source,
    /// Whether the music was composed by this program: true also of a folder that
    /// `gtzan-gpu synth` wrote and of a file of its features.
    pub synthetic: bool,
    pub skipped: Vec<Skipped>,
    /// At most so many tracks were asked for.
    pub limit: Option<usize>,
    /// What there is to say about what was read; one sentence each.
    pub notes: Vec<String>,
    pub cache: CacheReport,
    /// What a split keeps together.
    pub group_by: GroupBy,
    /// What each track is known by.
    contents: Vec<ContentId>,
    /// It came from a file that does not say what its tracks are known by, so that [`contents`](Self::contents) are of its
    /// features: the same tracks in another file, or as audio, are known by others.
    pub anonymous: bool,
    /// One for each sample: equal where the values are, `None` where they say nothing.
    prints: Vec<Option<u64>>,
}

/// What the feature cache did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheReport {
    /// Tracks whose features were taken from the cache.
    pub reused: usize,
    /// Tracks whose features were computed.
    pub computed: usize,
    /// Why the cache could not be used or written; never fatal.
    pub problem: Option<String>,
}

impl Dataset {
    /// Opens a folder `DIR/<genre>/**` of audio, or a file of arrays: `.safetensors`, `.npz`, or
    /// `x.npy` with `y.npy` beside it (for a file, only [`Options::limit`] matters).
    ///
    /// # Errors
    /// If nothing is there, fewer than two genres hold a usable track (none, with
    /// [`Options::one_genre`]), an array has the wrong shape, type or a value that is not finite, or, with [`Options::strict`], any file is bad.
    pub fn open(path: &Path, options: &Options, progress: Progress) -> Result<Self> {
        let metadata = std::fs::metadata(path)
            .map_err(|e| Error::file(path, format!("can't be opened as a data set: {e}")))?;
        if !metadata.is_dir() && !metadata.is_file() {
            // Not even opened: a pipe that nobody writes to would keep the program waiting.
            return Err(Error::file(
                path,
                "is a pipe or a device; a data set is a folder of audio or a file of arrays",
            ));
        }
        let mut dataset = if metadata.is_dir() {
            compute::from_folder(path, options, progress)?
        } else {
            let mut dataset = arrays::read(path)?;
            dataset.group_by = options.group_by;
            if let Some(limit) = options.limit {
                dataset.keep_tracks(&scan::balanced(
                    &dataset.tracks.iter().map(|t| t.genre).collect::<Vec<_>>(),
                    limit,
                ));
            }
            dataset
        };
        dataset.limit = options.limit;
        dataset.check_classes(path, if options.one_genre { 1 } else { 2 })?;
        Ok(dataset)
    }

    /// The synthetic set, composed in memory: `tracks_per_genre` tracks of each of
    /// [`crate::synth::GENRES`]. The same numbers as writing it with [`crate::synth::write_folder`] and opening
    /// that folder.
    pub fn synthetic(
        seed: u64,
        tracks_per_genre: usize,
        options: &Options,
        progress: Progress,
    ) -> Result<Self> {
        compute::from_synth(seed, tracks_per_genre, options, progress)
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no sample at all.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The features of sample `i`, (rows, frames) row-major.
    pub fn sample(&self, i: usize) -> &[f32] {
        let size = self.rows * self.frames;
        &self.x[i * size..(i + 1) * size]
    }

    /// The features of every sample, (samples, rows, frames) row-major.
    pub fn x(&self) -> &[f32] {
        &self.x
    }

    /// Takes the feature arrays out: (samples, rows, frames), row-major. The set is left without them.
    pub fn take_x(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.x)
    }

    /// The genre of sample `i`.
    pub fn label(&self, i: usize) -> usize {
        self.tracks[self.samples[i].track].genre
    }

    /// The genre of every sample.
    pub fn labels(&self) -> Vec<u32> {
        (0..self.len()).map(|i| self.label(i) as u32).collect()
    }

    /// The samples cut from `tracks` (one side of a [`Split`]), in the order of the set.
    pub fn samples_of(&self, tracks: &[usize]) -> Vec<usize> {
        let mut wanted = vec![false; self.tracks.len()];
        for &track in tracks {
            wanted[track] = true;
        }
        (0..self.len())
            .filter(|&i| wanted[self.samples[i].track])
            .collect()
    }

    /// Whether a track has more than its first segment.
    pub fn has_segments(&self) -> bool {
        self.samples.iter().any(|s| s.segment > 0)
    }

    /// What each track is known by, whatever its name.
    pub fn contents(&self) -> &[ContentId] {
        &self.contents
    }

    /// Writes the set for this or another tool, by the ending of `path`: `.safetensors`, `.npz`,
    /// or `x.npy` (then also `y.npy`, `track.npy`, `segment.npy` and `labels.npy`, which know neither the tracks'
    /// names nor how the features were computed). Arrays: `x` (samples, rows, frames) f32, and i64 (samples) `y`, `track`, `segment`.
    ///
    /// # Errors
    /// As [`check_writable`](Self::check_writable), and when the disk is full.
    pub fn save(&self, path: &Path) -> Result<()> {
        arrays::write(self, path)
    }

    /// Refuses a path that [`save`](Self::save) would refuse, before there is a set to save.
    ///
    /// # Errors
    /// If `path` has another ending, is no name for one of a pair of `.npy` files, is a folder, or its folder is not there.
    pub fn check_writable(path: &Path) -> Result<()> {
        arrays::check_writable(path)
    }

    /// Where the set came from, as a few words for a heading: names the folder or file, and says
    /// so if the music is synthetic.
    pub fn describe(&self) -> String {
        match (&self.source, self.synthetic) {
            (Source::Synthetic { seed }, _) => {
                format!("the built-in synthetic set (seed {seed})")
            }
            (Source::Memory, _) => "arrays in memory".to_string(),
            (Source::Folder(p) | Source::File(p), true) => {
                format!("{} (synthetic music)", p.display())
            }
            (Source::Folder(p) | Source::File(p), false) => p.display().to_string(),
        }
    }
}
