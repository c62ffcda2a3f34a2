//! Folders that are no data set, and what may have been meant.

use std::path::{Path, PathBuf};

use super::{AUDIO, Kind, Scan, ending_is, entries};
use crate::error::{Error, Result};

/// How many folders down a data set is looked for.
const LEVELS: usize = 3;
/// Folders looked at at most; more are not the neighbourhood of a wrong path.
const LOOKED_AT: usize = 2000;

/// An error if what was found in `dir` is no data set but lies around one.
pub(super) fn check(dir: &Path, scan: &Scan, loose_audio: Option<&Path>) -> Result<()> {
    let layout = "a data set is a folder with one folder of audio files per genre";
    if let (true, Some(file)) = (scan.genres.is_empty(), loose_audio) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        return Err(Error::file(
            dir,
            format!("{name} lies in it directly, but {layout} (genre/{name})"),
        ));
    }
    let all_deeper = scan
        .tracks
        .iter()
        .all(|t| t.track.name.matches('/').count() > 1);
    if !all_deeper {
        return Ok(());
    }
    if scan.genres.len() < 2 {
        return match look_inside(dir) {
            Some(inner) => Err(Error::file(
                dir,
                format!(
                    "no genre folder in it; {} looks like one: give that path",
                    inner.display()
                ),
            )),
            None if scan.genres.is_empty() => {
                Err(Error::file(dir, format!("no audio found: {layout}")))
            }
            None => Ok(()),
        };
    }
    several(dir, scan)
}

/// Names of the sides of a split that somebody made by folders.
const SIDES: &[&str] = &[
    "train",
    "training",
    "test",
    "testing",
    "val",
    "valid",
    "validation",
    "eval",
    "dev",
];

/// `train/blues` and `test/blues`: the folders are no genres but data sets.
fn several(dir: &Path, scan: &Scan) -> Result<()> {
    let is_side = |name: &String| SIDES.contains(&name.to_lowercase().as_str());
    if !scan.genres.iter().all(is_side) {
        return Ok(());
    }
    Err(Error::file(
        dir,
        format!(
            "its folders {} are named after the sides of a split, not after genres; give the path of one ({}), or put the genres' folders together and give a --split",
            scan.genres.join(", "),
            dir.join(&scan.genres[0]).display()
        ),
    ))
}

/// The nearest folder below `dir` in which two folders or more hold audio.
fn look_inside(dir: &Path) -> Option<PathBuf> {
    let mut level = folders(dir);
    let mut budget = LOOKED_AT;
    for _ in 0..LEVELS {
        let mut next = Vec::new();
        for folder in level {
            let inner = folders(&folder);
            let with_audio = inner.iter().filter(|f| holds_audio(f, 2, &mut budget));
            if with_audio.take(2).count() == 2 {
                return Some(folder);
            }
            next.extend(inner);
        }
        level = next;
    }
    None
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let mut found = entries(dir).unwrap_or_default();
    found.retain(|p| Kind::of(p) == Kind::Folder);
    found
}

/// Whether there is audio in `folder`, or at most `deeper` folders below it.
fn holds_audio(folder: &Path, deeper: usize, budget: &mut usize) -> bool {
    let Some(left) = budget.checked_sub(1) else {
        return false;
    };
    *budget = left;
    let paths = entries(folder).unwrap_or_default();
    paths.iter().any(|p| match Kind::of(p) {
        Kind::File => ending_is(p, AUDIO),
        Kind::Folder => deeper > 0 && holds_audio(p, deeper - 1, budget),
        _ => false,
    })
}
