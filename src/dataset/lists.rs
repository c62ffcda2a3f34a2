//! Splits that are written down: text files with one track a line.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Dataset;
use super::split::{Split, finish};
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Train,
    Validation,
    Test,
}

/// One track of a list, and where it stands.
pub(super) struct Line {
    side: Side,
    track: String,
    place: String,
}

pub(super) fn push_list(lines: &mut Vec<Line>, side: Side, file: &str, text: &str) {
    for (number, line) in content_lines(text) {
        lines.push(Line {
            side,
            track: line.to_string(),
            place: format!("{file}:{number}"),
        });
    }
}

/// Lines with their numbers, without comments (`#`) and empty ones.
fn content_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .map_err(|e| Error::file(path, format!("can't be read as a split: {e}")))
}

pub(super) fn read_lists(dir: &Path) -> Result<Vec<Line>> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(|e| Error::file(dir, format!("can't be listed: {e}")))?;
    files.sort();
    let mut lines = Vec::new();
    for (side, prefix, needed) in [
        (Side::Train, "train", true),
        (Side::Validation, "valid", true),
        (Side::Test, "test", false),
    ] {
        let mut matching = files.iter().filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(prefix) && name.ends_with(".txt")
        });
        match (matching.next(), matching.next()) {
            (Some(a), Some(b)) => {
                let message = format!(
                    "{} and {} both match {prefix}*.txt: keep one",
                    a.display(),
                    b.display()
                );
                return Err(Error::file(dir, message));
            }
            (Some(file), None) => {
                push_list(
                    &mut lines,
                    side,
                    &file.display().to_string(),
                    &read_text(file)?,
                );
            }
            (None, _) if needed => {
                return Err(Error::file(
                    dir,
                    format!(
                        "no {prefix}*.txt in it (a split folder has train*.txt, valid*.txt and, if wanted, test*.txt)"
                    ),
                ));
            }
            (None, _) => {}
        }
    }
    Ok(lines)
}

pub(super) fn read_file(path: &Path) -> Result<Vec<Line>> {
    let text = read_text(path)?;
    let mut lines = Vec::new();
    for (number, line) in content_lines(&text) {
        let (side, track) = line
            .split_once(|c: char| c.is_whitespace() || c == ',')
            .unwrap_or((line, ""));
        let side = match side {
            "train" => Side::Train,
            "validation" | "valid" | "val" => Side::Validation,
            "test" => Side::Test,
            _ => {
                return Err(Error::file(
                    path,
                    format!(
                        "line {number} is \"{line}\"; a line is train, validation or test, then a track such as blues/blues.00012"
                    ),
                ));
            }
        };
        lines.push(Line {
            side,
            track: track.trim().to_string(),
            place: format!("{}:{number}", path.display()),
        });
    }
    Ok(lines)
}

/// `genre/stem` of a path in a list: `a/blues/blues.00012.wav` gives (`blues`, `blues.00012`).
/// Lists say `.wav` where the files may be `.au`, and the other way round; a name without either
/// stays whole, since the `.00012` of a GTZAN name is no ending.
fn genre_and_stem(entry: &str) -> (Option<String>, String) {
    let mut parts = entry.rsplit(['/', '\\']).filter(|p| !p.is_empty());
    let file = parts.next().unwrap_or_default();
    let stem = match file.rsplit_once('.') {
        Some((stem, ending))
            if !stem.is_empty() && ending.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            stem
        }
        _ => file,
    };
    (parts.next().map(str::to_string), stem.to_string())
}

/// Looks up each listed track in the data set.
pub(super) fn by_name(dataset: &Dataset, lines: &[Line], what: &str) -> Result<Split> {
    let mut full: HashMap<(&str, &str), usize> = HashMap::new();
    let mut bare: HashMap<&str, Option<usize>> = HashMap::new(); // None: in two genres
    for (index, track) in dataset.tracks.iter().enumerate() {
        let (genre, stem) = track.name.split_once('/').unwrap_or(("", &track.name));
        full.insert((genre, stem), index);
        bare.entry(stem)
            .and_modify(|t| *t = None)
            .or_insert(Some(index));
    }
    let mut split = Split::default();
    let mut placed: HashMap<usize, &Line> = HashMap::new();
    for line in lines {
        let (genre, stem) = genre_and_stem(&line.track);
        let found = match &genre {
            Some(genre) => full.get(&(genre.as_str(), stem.as_str())).copied(),
            None => match bare.get(stem.as_str()) {
                Some(None) => {
                    return Err(Error::data(format!(
                        "{}: {stem} is a track of several genres: write genre/{stem}",
                        line.place
                    )));
                }
                other => other.copied().flatten(),
            },
        };
        let Some(track) = found else {
            split.missing += 1;
            continue;
        };
        match placed.insert(track, line) {
            None => {}
            Some(before) if before.side == line.side => continue,
            Some(before) => {
                return Err(Error::data(format!(
                    "{} is on two sides of the split ({} and {}): a track may be on one only",
                    dataset.tracks[track].name, before.place, line.place
                )));
            }
        }
        match line.side {
            Side::Train => split.train.push(track),
            Side::Validation => split.validation.push(track),
            Side::Test => split.test.push(track),
        }
    }
    if placed.is_empty() {
        return Err(Error::data(format!(
            "none of the {} tracks of {what} is in the data set (they are named like {})",
            lines.len(),
            lines.first().map_or("genre/track", |l| &l.track)
        )));
    }
    finish(dataset, split, what)
}
