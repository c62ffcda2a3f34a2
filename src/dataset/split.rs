//! Which tracks train, which validate, which test.
//!
//! A split is made of *tracks*, before any segment is cut: ten segments of one recording are so
//! alike that a classifier which has seen nine of them knows the tenth.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Dataset;
use super::lists::{Side, by_name, push_list, read_file, read_lists};
use crate::error::{Error, Result};

/// How tracks are divided.
#[derive(Debug, Clone, PartialEq)]
pub enum SplitRule {
    /// The same fraction of each genre (at least one track) validates, drawn with a seed.
    Stratified { fraction: f64, seed: u64 },
    /// The fault-filtered split of GTZAN, built in: 443 training, 197 validation and 290 test
    /// tracks without the set's repetitions, distortions and artists on two sides. From C. Kereliuk,
    /// B. L. Sturm, J. Larsen, "Deep Learning and Music Adversaries", IEEE Transactions on
    /// Multimedia 17 (2015); the faults are those of B. L. Sturm, "The GTZAN dataset" (2013).
    FaultFiltered,
    /// A folder with `train*.txt`, `valid*.txt` and, if wanted, `test*.txt`: one track a line.
    Lists(PathBuf),
    /// One file; each line is `train`, `validation` or `test`, then a track.
    File(PathBuf),
    /// Fold `i` (from 0) of `k` validates, the others train; each genre is dealt out evenly.
    Folds { k: usize, i: usize, seed: u64 },
}

impl SplitRule {
    /// A rule that lies in files, by what the user wrote: `fault-filtered`, a folder of lists, or
    /// one file.
    ///
    /// # Errors
    /// If it is none of the three.
    pub fn written(text: &str) -> Result<Self> {
        let path = Path::new(text);
        if text == "fault-filtered" {
            Ok(Self::FaultFiltered)
        } else if path.is_dir() {
            Ok(Self::Lists(path.to_path_buf()))
        } else if path.is_file() {
            Ok(Self::File(path.to_path_buf()))
        } else {
            Err(Error::usage(format!(
                "no split \"{text}\": give stratified, fault-filtered, a folder with train*.txt and valid*.txt, or a file with lines such as \"train blues/blues.00012\""
            )))
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
}

impl Split {
    /// Tracks of the data set that are on no side.
    pub fn unused(&self, dataset: &Dataset) -> usize {
        dataset.tracks.len() - self.train.len() - self.validation.len() - self.test.len()
    }

    /// The split as the text that [`SplitRule::File`] reads.
    pub fn to_text(&self, dataset: &Dataset) -> String {
        let sides = [
            ("train", &self.train),
            ("validation", &self.validation),
            ("test", &self.test),
        ];
        sides
            .iter()
            .flat_map(|(side, tracks)| tracks.iter().map(move |&t| (side, t)))
            .map(|(side, t)| format!("{side} {}\n", dataset.tracks[t].name))
            .collect()
    }
}

/// Divides the tracks of `dataset`.
///
/// # Errors
/// If a genre has too few tracks to be on both sides, a list can't be read, names a track on two
/// sides, or leaves a genre without a training track or the whole without validation.
pub fn split(dataset: &Dataset, rule: &SplitRule) -> Result<Split> {
    match rule {
        SplitRule::Stratified { fraction, seed } => stratified(dataset, *fraction, *seed),
        SplitRule::Folds { k, i, seed } => folds(dataset, *k, *i, *seed),
        SplitRule::FaultFiltered => {
            let mut lines = Vec::new();
            for (side, name, text) in [
                (
                    Side::Train,
                    "train_filtered.txt",
                    include_str!("splits/train_filtered.txt"),
                ),
                (
                    Side::Validation,
                    "valid_filtered.txt",
                    include_str!("splits/valid_filtered.txt"),
                ),
                (
                    Side::Test,
                    "test_filtered.txt",
                    include_str!("splits/test_filtered.txt"),
                ),
            ] {
                push_list(&mut lines, side, name, text);
            }
            by_name(dataset, &lines, "the fault-filtered split")
        }
        SplitRule::Lists(dir) => by_name(dataset, &read_lists(dir)?, &dir.display().to_string()),
        SplitRule::File(file) => by_name(dataset, &read_file(file)?, &file.display().to_string()),
    }
}

/// The tracks of each genre in random order; the generator of a genre depends on nothing else.
fn shuffled_genres(dataset: &Dataset, seed: u64) -> Vec<Vec<usize>> {
    let mut genres = vec![Vec::new(); dataset.genres.len()];
    for (track, t) in dataset.tracks.iter().enumerate() {
        genres[t.genre].push(track);
    }
    for (genre, tracks) in genres.iter_mut().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(genre as u64);
        tracks.shuffle(&mut rng);
    }
    genres
}

fn stratified(dataset: &Dataset, fraction: f64, seed: u64) -> Result<Split> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::usage(format!(
            "the validation fraction is {fraction}, it must be between 0 and 1 (0.2, say)"
        )));
    }
    let mut split = Split::default();
    for (genre, tracks) in shuffled_genres(dataset, seed).iter().enumerate() {
        match tracks.len() {
            0 => continue, // a class of an array file that no sample has
            1 => {
                return Err(too_few(
                    dataset,
                    genre,
                    1,
                    "two, one to train and one to validate",
                ));
            }
            n => {
                let held = ((n as f64 * fraction).round() as usize).clamp(1, n - 1);
                split.validation.extend(&tracks[..held]);
                split.train.extend(&tracks[held..]);
            }
        }
    }
    finish(dataset, split, "the split")
}

fn folds(dataset: &Dataset, k: usize, i: usize, seed: u64) -> Result<Split> {
    if k < 2 || i >= k {
        return Err(Error::usage(format!(
            "fold {i} of {k}: there must be at least 2 folds, and they count from 0 to folds - 1"
        )));
    }
    let mut split = Split::default();
    let mut dealt = 0; // goes on from genre to genre, so that the folds are of equal size
    for (genre, tracks) in shuffled_genres(dataset, seed).iter().enumerate() {
        if !tracks.is_empty() && tracks.len() < k {
            return Err(too_few(
                dataset,
                genre,
                tracks.len(),
                &format!("{k}, one for each fold"),
            ));
        }
        for &track in tracks {
            let side = if dealt % k == i {
                &mut split.validation
            } else {
                &mut split.train
            };
            side.push(track);
            dealt += 1;
        }
    }
    finish(dataset, split, "the split")
}

fn too_few(dataset: &Dataset, genre: usize, has: usize, needs: &str) -> Error {
    Error::data(format!(
        "genre {} has {has} usable {}, and the split needs at least {needs}: add tracks or remove the genre",
        dataset.genres[genre],
        if has == 1 { "track" } else { "tracks" },
    ))
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
            "{what} leaves no training track of {}{found}",
            untrained.join(", ")
        )));
    }
    if split.validation.is_empty() {
        return Err(Error::data(format!(
            "{what} leaves no validation track{found}"
        )));
    }
    Ok(split)
}
