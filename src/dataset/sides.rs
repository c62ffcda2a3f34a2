//! The sides of a split, however it came about.

use super::Dataset;
use crate::error::{Error, Result};

/// A side of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    Train,
    Validation,
    Test,
}

impl Side {
    /// As [`Split::to_text`] writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Indices into [`Dataset::tracks`], sorted; no track is in two of the lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    /// Only list rules have one.
    pub test: Vec<usize>,
    /// Tracks that the lists name and the data set does not have.
    pub missing: usize,
    /// The first of them, as it is written.
    pub first_missing: Option<String>,
    /// Tracks that a list puts on another side than an identical one (train before validation
    /// before test): on no side.
    pub apart: Vec<usize>,
}

impl Split {
    /// Tracks of the data set that are on no side.
    pub fn unused(&self, dataset: &Dataset) -> usize {
        dataset.tracks.len() - self.train.len() - self.validation.len() - self.test.len()
    }

    /// What there is to say of lists that don't cover the data, or go beyond it.
    pub fn notes(&self, dataset: &Dataset) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(first) = &self.first_missing {
            let on_a_side = dataset.tracks.len() - self.unused(dataset);
            notes.push(format!(
                "of {} tracks in the split's lists {} are not in the data, the first of them {first}",
                on_a_side + self.apart.len() + self.missing,
                self.missing
            ));
        }
        let unused = self.unused(dataset) - self.apart.len();
        if unused > 0 {
            notes.push(format!(
                "{unused} of {} tracks are on no side of the split: they take no part",
                dataset.tracks.len()
            ));
        }
        notes
    }

    /// Whether the tracks of `set` are on more than one side.
    pub(super) fn tears(&self, set: &[usize]) -> bool {
        let sides = [&self.train, &self.validation, &self.test];
        let touched = sides
            .iter()
            .filter(|side| set.iter().any(|t| side.binary_search(t).is_ok()));
        touched.count() > 1
    }

    /// The split as the text that [`SplitRule::File`](super::SplitRule::File) reads: a line for each track, with its
    /// [`ContentId`](super::ContentId), by which it is found under any name.
    pub fn to_text(&self, dataset: &Dataset) -> String {
        let sides = [
            (Side::Train, &self.train),
            (Side::Validation, &self.validation),
            (Side::Test, &self.test),
        ];
        let line = |(side, t): (&Side, usize)| {
            let name = dataset.tracks[t].name.replace(['\n', '\r'], " ");
            let id = dataset.contents().get(t);
            let id = id.map_or(String::new(), |id| format!(" #{id}"));
            format!("{} {name}{id}\n", side.name())
        };
        sides
            .iter()
            .flat_map(|(side, tracks)| tracks.iter().map(move |&t| (side, t)))
            .map(line)
            .collect()
    }
}

/// Sorts the sides and checks that there is enough on them.
pub(super) fn finish(dataset: &Dataset, mut split: Split, what: &str) -> Result<Split> {
    for side in [&mut split.train, &mut split.validation, &mut split.test] {
        side.sort_unstable();
    }
    let on_side = |side: &[usize], genre| side.iter().any(|&t| dataset.tracks[t].genre == genre);
    let untrained: Vec<&str> = (0..dataset.genres.len())
        .filter(|&g| dataset.tracks.iter().any(|t| t.genre == g) && !on_side(&split.train, g))
        .map(|g| dataset.genres[g].as_str())
        .collect();
    let found = if split.missing > 0 {
        format!(
            " ({} of the tracks it names are not in the data set)",
            split.missing
        )
    } else {
        String::new()
    };
    if !untrained.is_empty() {
        return Err(Error::data(format!(
            "{what} leaves no training track of {}{found}{}",
            untrained.join(", "),
            dataset.left_out()
        )));
    }
    if split.validation.is_empty() {
        return Err(Error::data(format!(
            "{what} leaves no validation track{found}{}",
            dataset.left_out()
        )));
    }
    Ok(split)
}
