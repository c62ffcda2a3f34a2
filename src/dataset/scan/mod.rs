//! Reads `DIR/<genre>/**/<track>.<ending>`.

mod hint;

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
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

/// Folders that systems and archivers leave behind, which nobody put music in.
const LITTER: &[&str] = &[
    "__MACOSX",
    "@eaDir",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
];

/// Folders below a genre at most; music lies two or three deep.
const MAX_DEPTH: usize = 16;

/// A track before any file of it is opened.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// [`Track::path`] is the first of its files.
    pub track: Track,
    /// Files of the same name with another ending: the same recording as `x.au` and `x.wav` would be two tracks, and a
    /// split could put one on each side. They count if the first can't be decoded.
    pub others: Vec<PathBuf>,
}

/// The genres and tracks of a folder, before any file is opened.
pub(super) struct Scan {
    /// Sorted names of the folders that hold audio.
    pub genres: Vec<String>,
    /// Sorted by genre; in a genre and every folder below it the files by name, then the folders.
    pub tracks: Vec<Found>,
    pub skipped: Vec<Skipped>,
}

/// Lists the audio files in the folders of `dir`, at any depth. Hidden files and files that are no audio are passed over;
/// what looks like audio and can't be used is in [`Scan::skipped`].
///
/// # Errors
/// If `dir` can't be read, holds no genre folder with audio, or looks like the folder above a data set, or above several.
pub(super) fn scan(dir: &Path) -> Result<Scan> {
    let mut scan = Scan {
        genres: Vec::new(),
        tracks: Vec::new(),
        skipped: Vec::new(),
    };
    let (mut loose_audio, mut unsupported) = (Vec::new(), Vec::new());
    for path in entries(dir).map_err(|e| Error::file(dir, format!("can't be listed: {e}")))? {
        match Kind::of(&path) {
            Kind::Folder => scan.genre(dir, path),
            Kind::File if ending_is(&path, AUDIO) => loose_audio.push(path),
            Kind::File if ending_is(&path, UNSUPPORTED) => unsupported.push(path),
            _ => {}
        }
    }
    hint::check(dir, &scan, loose_audio.first().map(PathBuf::as_path))?;
    for path in loose_audio.into_iter().chain(unsupported) {
        scan.skip(
            path,
            "lies beside the genres' folders, so that it has no genre",
        );
    }
    Ok(scan)
}

impl Scan {
    fn genre(&mut self, dir: &Path, folder: PathBuf) {
        let genre = folder.file_name().map(text_of).unwrap_or_default();
        let before = (self.tracks.len(), self.skipped.len());
        let mut seen = [dir, &folder]
            .into_iter()
            .flat_map(fs::canonicalize)
            .collect();
        self.folder(&folder, &genre, 0, &mut seen);
        if self.tracks.len() > before.0 {
            self.genres.push(genre);
        } else if !(before.1..self.skipped.len()).any(|i| self.skipped[i].path == folder) {
            self.skip(folder, "no audio file in this folder");
        }
    }

    /// Takes the audio of `folder` and of the folders in it. `name` is what its tracks' names begin with, `seen` the folders
    /// of this genre that were read: a link may lead back to one, or around in a circle.
    fn folder(&mut self, folder: &Path, name: &str, depth: usize, seen: &mut HashSet<PathBuf>) {
        let paths = match entries(folder) {
            Ok(paths) => paths,
            Err(e) => return self.skip(folder.to_path_buf(), format!("can't be listed: {e}")),
        };
        // By the bytes of the name: two that are no text may look the same as text.
        let mut by_stem: HashMap<OsString, usize> = HashMap::new();
        let mut folders = Vec::new();
        for path in paths {
            let audio = ending_is(&path, AUDIO);
            match Kind::of(&path) {
                Kind::Folder => folders.push(path),
                Kind::File if ending_is(&path, UNSUPPORTED) => {
                    let ending = path.extension().map(text_of).unwrap_or_default();
                    let reason = format!(
                        ".{ending} files can't be read: convert it to one of {}",
                        AUDIO.join(", ")
                    );
                    self.skip(path, reason);
                }
                Kind::Other if audio => self.skip(path, "a pipe or a device, not a file"),
                // What can't be reached (a broken link) fails when it is opened, with the system's reason.
                Kind::File | Kind::Unreachable if audio => {
                    let stem = path.file_stem().unwrap_or_default();
                    if let Some(&first) = by_stem.get(stem) {
                        self.tracks[first].others.push(path);
                        continue;
                    }
                    by_stem.insert(stem.to_owned(), self.tracks.len());
                    self.tracks.push(Found {
                        track: Track {
                            name: format!("{name}/{}", text_of(stem)),
                            genre: self.genres.len(),
                            path: Some(path),
                        },
                        others: Vec::new(),
                    });
                }
                _ => {}
            }
        }
        for path in folders {
            if !fs::canonicalize(&path).is_ok_and(|real| seen.insert(real)) {
                continue;
            }
            if depth == MAX_DEPTH {
                self.skip(path, format!("more than {MAX_DEPTH} folders deep"));
                continue;
            }
            let before = self.tracks.len();
            let inner = path.file_name().map(text_of).unwrap_or_default();
            self.folder(&path, &format!("{name}/{inner}"), depth + 1, seen);
            if self.tracks.len() == before && ending_is(&path, AUDIO) {
                self.skip(path, "a folder, not an audio file");
            }
        }
    }

    fn skip(&mut self, path: PathBuf, reason: impl Into<String>) {
        self.skipped.push(Skipped {
            path,
            reason: reason.into(),
        });
    }
}

/// What a path leads to, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
    /// A pipe, a device, a socket: opening it may wait for ever.
    Other,
    Unreachable,
}

impl Kind {
    fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(m) if m.is_dir() => Self::Folder,
            Ok(m) if m.is_file() => Self::File,
            Ok(_) => Self::Other,
            Err(_) => Self::Unreachable,
        }
    }
}

/// The entries of a folder that are neither hidden nor litter, sorted by name.
fn entries(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(dir)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|p| {
        let name = p.file_name().unwrap_or_default();
        !name.as_encoded_bytes().starts_with(b".") && !LITTER.iter().any(|l| name == *l)
    });
    paths.sort();
    Ok(paths)
}

/// A name as text; bytes that are no UTF-8 as `\xff`, so that two names stay two.
fn text_of(name: &OsStr) -> String {
    let mut text = String::new();
    for part in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(part.valid());
        for byte in part.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
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

/// Removes genres that no track is of; returns their names.
pub(super) fn drop_empty_genres<'a>(
    genres: &mut Vec<String>,
    tracks: impl Iterator<Item = &'a mut Track>,
) -> Vec<String> {
    let tracks: Vec<&mut Track> = tracks.collect();
    let mut used = vec![false; genres.len()];
    tracks.iter().for_each(|t| used[t.genre] = true);
    let before = |genre: usize| used[..genre].iter().filter(|u| **u).count();
    for track in tracks {
        track.genre = before(track.genre);
    }
    let (kept, dropped): (Vec<_>, Vec<_>) = genres.drain(..).zip(used).partition(|g| g.1);
    *genres = kept.into_iter().map(|g| g.0).collect();
    dropped.into_iter().map(|g| g.0).collect()
}

/// Where the tracks lie, if any lies deeper than in its genre's folder: `120 files lie in the folders of the genres, 30 one
/// folder deeper`.
pub(super) fn depths(tracks: &[Track]) -> Option<String> {
    let mut at: Vec<usize> = Vec::new();
    for track in tracks {
        let depth = track.name.matches('/').count().saturating_sub(1);
        at.resize(at.len().max(depth + 1), 0);
        at[depth] += 1;
    }
    if at.len() < 2 {
        return None;
    }
    let parts: Vec<String> = at
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(depth, n)| {
            let files = if *n == 1 { "file" } else { "files" };
            match depth {
                0 => format!("{n} {files} in the genres' folders"),
                1 => format!("{n} {files} one folder below"),
                _ => format!("{n} {files} {depth} folders below"),
            }
        })
        .collect();
    Some(format!("depth: {}", parts.join(", ")))
}
