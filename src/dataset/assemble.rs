//! A [`Dataset`] put together from parts, or cut down to some of its tracks.

use std::path::Path;

use super::content::prints_of;
use super::{CacheReport, ContentId, Dataset, GroupBy, Sample, Source, Track};
use crate::error::{Error, Result};

impl Dataset {
    /// A set from arrays that the caller has; `x` is (samples, rows, frames), row-major.
    ///
    /// # Errors
    /// If the parts do not fit together or `x` holds a value that is not finite.
    pub fn from_parts(
        genres: Vec<String>,
        tracks: Vec<Track>,
        samples: Vec<Sample>,
        (rows, frames): (usize, usize),
        x: Vec<f32>,
    ) -> Result<Self> {
        if x.len() != samples.len() * rows * frames {
            return Err(Error::data(format!(
                "x has {} values, but {} samples of {rows} x {frames} need {}",
                x.len(),
                samples.len(),
                samples.len() * rows * frames
            )));
        }
        if let Some(t) = tracks.iter().find(|t| t.genre >= genres.len()) {
            return Err(Error::data(format!(
                "track {} has genre number {}, but there are {} genres",
                t.name,
                t.genre,
                genres.len()
            )));
        }
        if let Some(s) = samples.iter().find(|s| s.track >= tracks.len()) {
            return Err(Error::data(format!(
                "a sample is of track number {}, but there are {} tracks",
                s.track,
                tracks.len()
            )));
        }
        check_finite(&x, rows, frames)?;
        let prints = prints_of(&x, rows, frames);
        let size = rows * frames;
        let mut contents: Vec<Option<(usize, ContentId)>> = vec![None; tracks.len()];
        for (i, sample) in samples.iter().enumerate() {
            // The first segment, wherever it stands.
            let content = &mut contents[sample.track];
            if content.is_none_or(|(segment, _)| sample.segment < segment) {
                let id = ContentId::of_features(&x[i * size..(i + 1) * size]);
                *content = Some((sample.segment, id));
            }
        }
        // A track without a sample takes no part in anything.
        let nothing = ContentId::of_features(&[]);
        let contents = contents.iter().map(|c| c.map_or(nothing, |c| c.1));
        Ok(Self {
            contents: contents.collect(),
            anonymous: false,
            prints,
            group_by: GroupBy::default(),
            notes: Vec::new(),
            genres,
            tracks,
            samples,
            rows,
            frames,
            x,
            definition: None,
            source: Source::Memory,
            synthetic: false,
            skipped: Vec::new(),
            limit: None,
            cache: CacheReport::default(),
        })
    }

    /// Keeps only `tracks` (sorted indices) and their samples; the genres stay as they are.
    pub(super) fn keep_tracks(&mut self, tracks: &[usize]) {
        let mut new_index = vec![None; self.tracks.len()];
        for (new, &old) in tracks.iter().enumerate() {
            new_index[old] = Some(new);
        }
        let size = self.rows * self.frames;
        let mut kept = Vec::new();
        for (i, sample) in self.samples.iter().enumerate() {
            if let Some(track) = new_index[sample.track] {
                self.x
                    .copy_within(i * size..(i + 1) * size, kept.len() * size);
                self.prints[kept.len()] = self.prints[i];
                kept.push(Sample { track, ..*sample });
            }
        }
        self.x.truncate(kept.len() * size);
        self.prints.truncate(kept.len());
        self.samples = kept;
        self.tracks = tracks.iter().map(|&i| self.tracks[i].clone()).collect();
        self.contents = tracks.iter().map(|&i| self.contents[i]).collect();
    }

    /// What tracks that are missing may be missing by wish, behind a sentence that says they are.
    pub(super) fn left_out(&self) -> String {
        let left_out = |n| format!("; --limit {n} leaves out the others");
        self.limit.map_or_else(String::new, left_out)
    }

    /// An error unless `fewest` genres or more, one or two, have a track.
    pub(super) fn check_classes(&self, path: &Path, fewest: usize) -> Result<()> {
        let mut used: Vec<usize> = self.tracks.iter().map(|t| t.genre).collect();
        used.sort_unstable();
        used.dedup();
        if used.len() >= fewest {
            return Ok(());
        }
        let skipped = match self.skipped.as_slice() {
            [] => String::new(),
            [first, ..] => format!(
                "; {} skipped, the first: {first}",
                count(self.skipped.len(), "file was", "files were")
            ),
        };
        Err(Error::data(match used.first() {
            Some(&g) => format!(
                "{}: only one genre ({}) has usable tracks, and a classifier needs at least two{skipped}{}",
                path.display(),
                self.genres[g],
                self.left_out()
            ),
            None => format!("{}: no usable track{skipped}", path.display()),
        }))
    }
}

/// An error that names the first value of `x` that is NaN or infinite.
fn check_finite(x: &[f32], rows: usize, frames: usize) -> Result<()> {
    match x.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => {
            let (sample, place) = (i / (rows * frames), i % (rows * frames));
            Err(Error::data(format!(
                "sample {sample} of x is {} at row {}, frame {}: remove or repair it",
                x[i],
                place / frames,
                place % frames
            )))
        }
    }
}

/// `1 file was`, `3 files were`.
fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
