//! Data sets as files of arrays, so that any tool's features can be trained on and ours be used
//! anywhere.
//!
//! | array | shape, type | |
//! |---|---|---|
//! | `x` | (n, rows, frames), f32 or f64 | the features; (n, 1, rows, frames) and (n, rows, frames, 1) too |
//! | `y` | (n), any integer | the class of each sample, from 0 |
//! | `track` | (n), any integer | optional: samples of one number are one recording and stay on one side of a split |
//! | `segment` | (n), any integer | optional: the place of the sample in its recording |
//! | `labels` | strings (classes) or (n) | optional: the names of the classes, or the name of each sample's class |
//! | `genres` | strings (classes) | optional: the same, as this program writes it (`.npz`) |
//! | `names` | strings (n) | optional: the recording of each sample (`.npz`); groups like `track` |
//! | `content_id` | strings (n) | optional: what each sample's track is known by, 16 hexadecimal digits (`.npz`) |
//! | `gtzan-gpu` | one string | what this program notes: feature definition and origin, as JSON (`.npz`) |
//!
//! In a safetensors file, which has no strings, all of these are JSON in the metadata; another tool
//! writes its class names there as a JSON list under `labels`. Without `track` and `names` every sample counts as a recording of its own.

mod npy;
mod npy_write;
mod tensors;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Dataset, Sample, Source, Track};
use crate::error::{Error, Result};
use crate::features::{Definition, FRAMES, ROWS};
use crate::fsutil;
use crate::lfs;

/// What a file holds, before it is checked.
#[derive(Debug, Default)]
struct Arrays {
    x: Vec<f32>,
    x_shape: Vec<usize>,
    y: Vec<i64>,
    y_shape: Vec<usize>,
    track: Option<Vec<i64>>,
    segment: Option<Vec<i64>>,
    genres: Option<Vec<String>>,
    labels: Option<Vec<String>>,
    names: Option<Vec<String>>,
    /// As text, one for each sample.
    content: Option<Vec<String>>,
    origin: Origin,
}

/// The name of what this program notes of its own files: an array in `.npz`, a metadata key in safetensors.
const KEY: &str = "gtzan-gpu";

/// What a file says of its features beyond the arrays.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Origin {
    #[serde(default)]
    definition: Option<Definition>,
    #[serde(default)]
    synthetic: bool,
}

impl Origin {
    fn of(dataset: &Dataset) -> Self {
        Self {
            definition: dataset.definition,
            synthetic: dataset.synthetic,
        }
    }
}

/// Reads a data set by the ending of `path`.
pub(super) fn read(path: &Path) -> Result<Dataset> {
    lfs::refuse_file(path, "the file of arrays")?;
    let arrays = match ending(path).as_str() {
        "safetensors" => tensors::read(path)?,
        "npz" => npy::read_npz(path)?,
        "npy" => npy::read_pair(path)?,
        _ => {
            return Err(unknown_ending(
                path,
                "a data set is a folder of audio, or a file",
            ));
        }
    };
    arrays
        .into_dataset(path)
        .map_err(|e| e.context(path.display()))
}

/// Writes a data set by the ending of `path`.
pub(super) fn write(dataset: &Dataset, path: &Path) -> Result<()> {
    check_writable(path)?;
    match ending(path).as_str() {
        "safetensors" => tensors::write(dataset, path),
        "npz" => npy_write::write_npz(dataset, path),
        _ => npy_write::write_pair(dataset, path),
    }
}

/// Refuses what [`write`] would refuse, before there is anything to write.
pub(super) fn check_writable(path: &Path) -> Result<()> {
    match ending(path).as_str() {
        "safetensors" | "npz" => {}
        "npy" => npy_write::check_name(path)?,
        _ => return Err(unknown_ending(path, "features are written to a file")),
    }
    fsutil::check_place(path)
}

fn ending(path: &Path) -> String {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    ending.to_ascii_lowercase()
}

fn unknown_ending(path: &Path, what: &str) -> Error {
    let message =
        format!("{what} that ends in .safetensors, .npz or .npy (x.npy, with y.npy beside it)");
    Error::file(path, message)
}

impl Arrays {
    /// Checks everything that a file from elsewhere can get wrong.
    fn into_dataset(mut self, path: &Path) -> Result<Dataset> {
        let (n, rows, frames) = match self.x_shape[..] {
            [n, rows, frames] | [n, 1, rows, frames] | [n, rows, frames, 1] => (n, rows, frames),
            _ => {
                return Err(Error::data(format!(
                    "x has the shape {:?}, but must be (samples, rows, frames)",
                    self.x_shape
                )));
            }
        };
        if n == 0 || rows == 0 || frames == 0 {
            return Err(Error::data(format!(
                "x is empty (its shape is {:?})",
                self.x_shape
            )));
        }
        if let [_, k] = self.y_shape[..]
            && k > 1
        {
            return Err(Error::data(format!(
                "y has the shape {:?}: give the number of the class for each sample, not one-hot rows (argmax over axis 1)",
                self.y_shape
            )));
        }
        let counts = [
            ("y", Some(self.y.len())),
            ("track", self.track.as_ref().map(Vec::len)),
            ("segment", self.segment.as_ref().map(Vec::len)),
            ("names", self.names.as_ref().map(Vec::len)),
            ("content_id", self.content.as_ref().map(Vec::len)),
        ];
        for (name, count) in counts {
            if let Some(count) = count
                && count != n
            {
                return Err(Error::data(format!(
                    "x has {n} samples, but {name} has {count} entries"
                )));
            }
        }
        if self.genres.is_none() {
            self.genres = self.genres_of_labels()?;
        }
        let genres = self.class_names()?;
        let (tracks, samples) = self.tracks()?;
        let mut contents = vec![None; tracks.len()];
        for (sample, text) in samples.iter().zip(self.content.iter().flatten()) {
            contents[sample.track] = Some(text.parse()?);
        }
        let mut dataset = Dataset::from_parts(genres, tracks, samples, (rows, frames), self.x)?;
        for (own, given) in dataset.contents.iter_mut().zip(contents) {
            *own = given.unwrap_or(*own);
        }
        if self.track.is_none() && self.names.is_none() {
            dataset.notes.push(
                "the file has neither track nor names, so each sample counts as a recording of its own: if several were cut from one, validation is too easy; add an array track with the recording's number".into(),
            );
        }
        dataset.anonymous = self.content.is_none();
        dataset.definition = self.origin.definition;
        if (rows, frames) != (ROWS, FRAMES)
            && let Some(definition) = dataset.definition.take()
        {
            dataset.notes.push(format!(
                "the file says that its features are the definition {definition}, but they are {rows}x{frames} and not {ROWS}x{FRAMES}: a model trained on them can't read audio"
            ));
        }
        dataset.synthetic = self.origin.synthetic;
        dataset.source = Source::File(path.to_path_buf());
        Ok(dataset)
    }

    /// The classes' names that `labels` gives: one for each class, or one for each sample.
    fn genres_of_labels(&self) -> Result<Option<Vec<String>>> {
        let Some(labels) = &self.labels else {
            return Ok(None);
        };
        let classes = self.y.iter().max().map_or(0, |&max| max.saturating_add(1));
        let distinct = labels.iter().collect::<HashSet<_>>().len() == labels.len();
        if labels.len() == self.y.len() && distinct {
            let all = 0..labels.len() as i64;
            let there: HashSet<i64> = self.y.iter().copied().collect();
            let one_of_each = all.clone().all(|class| there.contains(&class));
            if one_of_each && !self.y.iter().copied().eq(all) {
                return Err(Error::data(format!(
                    "labels has {} names for as many samples, one of each class, so that they can be the classes' or the samples'; sort the samples by y, where it is the same",
                    labels.len()
                )));
            }
        }
        if labels.len() != self.y.len() || distinct {
            return Ok(Some(labels.clone()));
        }
        let mut names: BTreeMap<i64, &String> = BTreeMap::new();
        for (i, (y, label)) in self.y.iter().zip(labels).enumerate() {
            let first = *names.entry(*y).or_insert(label);
            if first != label {
                return Err(Error::data(format!(
                    "sample {i} of class {y} is {label:?} in labels, but earlier samples of that class are {first:?}"
                )));
            }
        }
        // A class that no sample has keeps its number; what is no class at all is refused with the other labels.
        let classes = usize::try_from(classes).unwrap_or(0).min(self.y.len());
        let name = |c: usize| match names.get(&(c as i64)) {
            Some(name) => (*name).clone(),
            None => c.to_string(),
        };
        Ok(Some((0..classes).map(name).collect()))
    }

    /// The classes' names; `0`, `1`, ... if the file has none. Every label is checked.
    fn class_names(&self) -> Result<Vec<String>> {
        let n = self.y.len();
        let classes = match &self.genres {
            Some(names) => names.len(),
            // More classes than samples can't be meant, and must not become an allocation.
            None => match self.y.iter().max() {
                Some(&max) if max >= 0 && (max as u64) < n as u64 => max as usize + 1,
                _ => n,
            },
        };
        let wrong = self
            .y
            .iter()
            .position(|&y| y < 0 || y as u64 >= classes as u64);
        if let Some(i) = wrong {
            return Err(Error::data(format!(
                "sample {i} has the label {}, but labels go from 0 to {} ({})",
                self.y[i],
                classes.saturating_sub(1),
                match &self.genres {
                    Some(_) => format!("{classes} genres are named"),
                    None => format!("there are {n} samples"),
                }
            )));
        }
        if let Some(names) = &self.genres {
            let mut seen = HashSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
                return Err(Error::data(format!(
                    "two classes have the name {twice:?}: give each its own"
                )));
            }
        }
        Ok(match &self.genres {
            Some(names) => names.clone(),
            None => (0..classes).map(|c| c.to_string()).collect(),
        })
    }

    /// Groups the samples into tracks, in the order of their first sample.
    fn tracks(&self) -> Result<(Vec<Track>, Vec<Sample>)> {
        let mut tracks: Vec<Track> = Vec::new();
        let mut samples = Vec::new();
        let mut by_number: HashMap<i64, usize> = HashMap::new();
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        let mut next_segment: BTreeMap<usize, usize> = BTreeMap::new();
        for (i, &label) in self.y.iter().enumerate() {
            let genre = label as usize;
            let next = tracks.len();
            let track = match (&self.track, &self.names) {
                (Some(numbers), _) => *by_number.entry(numbers[i]).or_insert(next),
                (None, Some(names)) => *by_name.entry(&names[i]).or_insert(next),
                (None, None) => next,
            };
            if track == next {
                let name = match &self.names {
                    Some(names) => names[i].clone(),
                    None => format!("track {track}"),
                };
                tracks.push(Track {
                    name,
                    genre,
                    path: None,
                });
            } else if tracks[track].genre != genre {
                return Err(Error::data(format!(
                    "sample {i} has the label {genre}, but earlier samples of the same track ({}) have {}",
                    tracks[track].name, tracks[track].genre
                )));
            }
            let counter = next_segment.entry(track).or_default();
            let segment = match &self.segment {
                Some(segments) => usize::try_from(segments[i]).unwrap_or(*counter),
                None => *counter,
            };
            *counter += 1;
            samples.push(Sample { track, segment });
        }
        Ok((tracks, samples))
    }
}
