//! Which tracks train, which validate, which test.
//!
//! A split is made of *tracks*, before any segment is cut: ten segments of one recording are so
//! alike that a classifier which has seen nine of them knows the tenth. Tracks that belong together
//! (see [`Groups`]) count as one: a drawn split never puts them on two sides, and of a written one
//! what is identical to a track of another side is left out.

use std::path::{Path, PathBuf};

use super::deal::{folds, stratified};
use super::lists::{by_name, push_list, read_file, read_lists};
use super::sides::{Side, Split, finish};
use super::{Dataset, Groups};
use crate::error::{Error, Result};

/// How tracks are divided.
#[derive(Debug, Clone, PartialEq)]
pub enum SplitRule {
    /// The same fraction of each genre (at least one track) validates, drawn with a seed.
    Stratified { fraction: f64, seed: u64 },
    /// Every track trains and none validates: for a model to be used, once it is known how good its like are.
    All,
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
    /// What `--split` knows by name; all else is a path.
    pub const BUILT_IN: [&str; 2] = ["stratified", "fault-filtered"];

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

/// Divides the tracks of `dataset`.
///
/// # Errors
/// If a genre has too few tracks to be on both sides, a list can't be read, names a track on two
/// sides, or leaves a genre without a training track or the whole without validation.
pub fn split(dataset: &Dataset, rule: &SplitRule) -> Result<Split> {
    split_grouped(dataset, &Groups::of(dataset), rule)
}

/// [`split`] with the groups at hand.
///
/// # Errors
/// As [`split`].
pub fn split_grouped(dataset: &Dataset, groups: &Groups, rule: &SplitRule) -> Result<Split> {
    let written = match rule {
        SplitRule::Stratified { fraction, seed } => {
            return stratified(dataset, groups, *fraction, *seed);
        }
        SplitRule::All => {
            return Ok(Split {
                train: (0..dataset.tracks.len()).collect(),
                ..Split::default()
            });
        }
        SplitRule::Folds { k, i, seed } => return folds(dataset, groups, *k, *i, *seed),
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
    };
    let mut split = written?;
    let what = match rule {
        SplitRule::Lists(path) | SplitRule::File(path) => path.display().to_string(),
        _ => "the fault-filtered split".to_owned(),
    };
    keep_copies_apart(&mut split, groups);
    finish(dataset, split, &what)
}

/// Takes from validation and test what is identical to a track of a side before them.
fn keep_copies_apart(split: &mut Split, groups: &Groups) {
    for set in &groups.identical {
        let on = |side: &[usize]| set.iter().any(|t| side.contains(t));
        let (trains, validates) = (on(&split.train), on(&split.validation));
        let mut leave = |side: &mut Vec<usize>, taken: bool| {
            side.retain(|t| {
                let out = taken && set.contains(t);
                if out {
                    split.apart.push(*t);
                }
                !out
            });
        };
        leave(&mut split.validation, trains);
        leave(&mut split.test, trains || validates);
    }
    split.apart.sort_unstable();
}
