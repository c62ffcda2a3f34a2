//! Reads `DIR/<genre>/<track>.<ending>`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Skipped, Track};
use crate::error::{Error, Result};

/// Endings that are opened as audio.
const AUDIO: &[&str] = &["au", "snd", "wav", "wave", "mp3", "flac", "ogg", "oga"];

/// Endings of audio that can't be decoded: worth a word, while a README or a picture is not.
const UNSUPPORTED: &[&str] = &[
    "aac", "aif", "aiff", "ape", "caf", "m4a", "m4b", "mid", "midi", "mp4", "opus", "wma", "wv",
];

/// The genres and tracks of a folder, before any file is opened.
pub(super) struct Scan {
    /// Sorted names of the folders that hold audio.
    pub genres: Vec<String>,
    /// Sorted by genre, then by file name; [`Track::path`] is always set.
    pub tracks: Vec<Track>,
    pub skipped: Vec<Skipped>,
}

/// Lists the audio files in the folders of `dir`. Hidden files and files that are no audio are
/// passed over; what looks like audio and can't be used is in [`Scan::skipped`].
///
/// # Errors
/// If `dir` can't be read or holds no genre folder with audio.
pub(super) fn scan(dir: &Path) -> Result<Scan> {
    let mut scan = Scan {
        genres: Vec::new(),
        tracks: Vec::new(),
        skipped: Vec::new(),
    };
    let mut loose_audio = None;
    for folder in entries(dir)? {
        if !folder.is_dir() {
            if ending_is(&folder, AUDIO) {
                loose_audio.get_or_insert(folder);
            }
            continue;
        }
        let genre = name_of(&folder);
        let before = scan.tracks.len();
        scan_genre(&folder, &genre, &mut scan)?;
        if scan.tracks.len() == before {
            skip(&mut scan.skipped, folder, "no audio file in this folder");
        } else {
            scan.genres.push(genre);
        }
    }
    if scan.genres.is_empty() {
        return Err(nothing_found(dir, loose_audio.as_deref()));
    }
    Ok(scan)
}

fn scan_genre(folder: &Path, genre: &str, scan: &mut Scan) -> Result<()> {
    // The same recording as `x.au` and `x.wav` would be two tracks, and a split could put one on
    // each side: the first of them is the track.
    let mut seen: HashMap<String, String> = HashMap::new();
    for path in entries(folder)? {
        if ending_is(&path, UNSUPPORTED) && path.is_file() {
            let ending = path.extension().unwrap_or_default().to_string_lossy();
            let reason = format!(
                ".{ending} files can't be read: convert it to one of {}",
                AUDIO.join(", ")
            );
            skip(&mut scan.skipped, path, reason);
            continue;
        }
        if !ending_is(&path, AUDIO) {
            continue;
        }
        if path.is_dir() {
            skip(&mut scan.skipped, path, "a folder, not an audio file");
            continue;
        }
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let Some(first) = seen.get(&stem) {
            let reason = format!("the same track as {first}");
            skip(&mut scan.skipped, path, reason);
            continue;
        }
        seen.insert(stem.clone(), name_of(&path));
        scan.tracks.push(Track {
            name: format!("{genre}/{stem}"),
            genre: scan.genres.len(),
            path: Some(path),
        });
    }
    Ok(())
}

fn skip(skipped: &mut Vec<Skipped>, path: PathBuf, reason: impl Into<String>) {
    skipped.push(Skipped {
        path,
        reason: reason.into(),
    });
}

/// The error for a folder without genre folders; looks around for what may have been meant.
fn nothing_found(dir: &Path, loose_audio: Option<&Path>) -> Error {
    let layout = "a data set is a folder with one folder of audio files per genre";
    if let Some(file) = loose_audio {
        let name = name_of(file);
        return Error::file(
            dir,
            format!("{name} lies in it directly, but {layout} (genre/{name})"),
        );
    }
    let inner = entries(dir).unwrap_or_default().into_iter().find(|folder| {
        folder.is_dir() && scan_quietly(folder).is_some_and(|genres| genres.len() >= 2)
    });
    match inner {
        Some(inner) => Error::file(
            dir,
            format!(
                "no genre folder in it; {} looks like one: give that path",
                inner.display()
            ),
        ),
        None => Error::file(dir, format!("no audio found: {layout}")),
    }
}

/// Names of the folders of `dir` that hold audio, one level only.
fn scan_quietly(dir: &Path) -> Option<Vec<String>> {
    let holds_audio = |folder: &PathBuf| {
        folder.is_dir()
            && entries(folder)
                .unwrap_or_default()
                .iter()
                .any(|p| ending_is(p, AUDIO) && p.is_file())
    };
    let folders = entries(dir).ok()?;
    Some(
        folders
            .iter()
            .filter(|f| holds_audio(f))
            .map(|f| name_of(f))
            .collect(),
    )
}

/// The entries of a folder that are not hidden, sorted by name.
fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let listing = fs::read_dir(dir).and_then(|entries| {
        entries
            .map(|entry| entry.map(|e| e.path()))
            .collect::<std::io::Result<Vec<_>>>()
    });
    let mut paths = listing.map_err(|e| Error::file(dir, format!("can't be listed: {e}")))?;
    paths.retain(|p| !name_of(p).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn ending_is(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|e| {
        let e = e.to_string_lossy().to_ascii_lowercase();
        endings.contains(&e.as_str())
    })
}

/// Which tracks to keep under a limit: taken from the genres in turn, the first ones of each, so
/// that every genre keeps as many as it can. Sorted indices.
pub(super) fn balanced(genre_of_track: &[usize], limit: usize) -> Vec<usize> {
    // Rank within the genre first: all first tracks, then all second tracks, ...
    let mut seen: HashMap<usize, usize> = HashMap::new();
    let mut order: Vec<(usize, usize, usize)> = genre_of_track
        .iter()
        .enumerate()
        .map(|(track, &genre)| {
            let rank = seen.entry(genre).or_default();
            *rank += 1;
            (*rank, genre, track)
        })
        .collect();
    order.sort_unstable();
    let mut kept: Vec<usize> = order.into_iter().take(limit).map(|(_, _, t)| t).collect();
    kept.sort_unstable();
    kept
}
