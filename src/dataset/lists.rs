//! Splits that are written down: text files with one track a line.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::sides::{Side, Split};
use super::{ContentId, Dataset};
use crate::error::{Error, Result};
use crate::lfs;
use crate::text::printable;

/// One track of a list, and where it stands.
pub(super) struct Line {
    side: Side,
    track: String,
    /// What the track is known by, if the list says so: `train blues/a #0123456789abcdef`.
    content: Option<ContentId>,
    place: String,
}

impl Line {
    fn new(side: Side, entry: &str, place: String) -> Self {
        let content = entry
            .rsplit_once(" #")
            .and_then(|(track, id)| Some((track.trim_end(), id.parse().ok()?)));
        let (track, content) = content.map_or((entry, None), |(t, id)| (t, Some(id)));
        Self {
            side,
            track: track.to_string(),
            content,
            place,
        }
    }
}

pub(super) fn push_list(lines: &mut Vec<Line>, side: Side, file: &str, text: &str) {
    for (number, line) in content_lines(text) {
        lines.push(Line::new(side, line, format!("{file}:{number}")));
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
    let text = fs::read_to_string(path)
        .map_err(|e| Error::file(path, format!("can't be read as a split: {e}")))?;
    lfs::refuse(path, text.as_bytes(), "the split")?;
    // Windows' editors begin a file with a mark.
    Ok(text.trim_start_matches('\u{feff}').to_owned())
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
        let place = format!("{}:{number}", path.display());
        lines.push(Line::new(side, track.trim(), place));
    }
    Ok(lines)
}

/// What a path in a list may mean: (folders, stem) with the ending that it has and without one. Lists say `.wav` where the
/// files may be `.au`, and the other way round; the `.00012` of a GTZAN name is no ending, and the `.Song` of `Mr.Song`
/// may be one.
fn readings(entry: &str) -> Vec<(Vec<&str>, &str)> {
    let mut folders: Vec<&str> = entry.split(['/', '\\']).filter(|p| !p.is_empty()).collect();
    let file = folders.pop().unwrap_or_default();
    let mut readings = vec![(folders.clone(), file)];
    if let Some((stem, ending)) = file.rsplit_once('.')
        && !stem.is_empty()
        && ending.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        readings.push((folders, stem));
    }
    readings
}

/// The tracks of a data set by all that a list may call them.
struct Names<'a> {
    /// `genre/folder/stem`.
    full: HashMap<&'a str, usize>,
    /// (genre, stem), whatever folders are between; `None`: several tracks.
    in_genre: HashMap<(&'a str, &'a str), Option<usize>>,
    bare: HashMap<&'a str, Option<usize>>,
    contents: HashMap<ContentId, Vec<usize>>,
}

impl<'a> Names<'a> {
    fn of(dataset: &'a Dataset) -> Self {
        let mut names = Self {
            full: HashMap::new(),
            in_genre: HashMap::new(),
            bare: HashMap::new(),
            contents: HashMap::new(),
        };
        for (index, track) in dataset.tracks.iter().enumerate() {
            let (genre, rest) = track.name.split_once('/').unwrap_or(("", &track.name));
            let stem = rest.rsplit_once('/').map_or(rest, |(_, stem)| stem);
            names.full.insert(&track.name, index);
            let in_genre = names.in_genre.entry((genre, stem));
            in_genre.and_modify(|t| *t = None).or_insert(Some(index));
            let bare = names.bare.entry(stem);
            bare.and_modify(|t| *t = None).or_insert(Some(index));
        }
        for (index, id) in dataset.contents().iter().enumerate() {
            names.contents.entry(*id).or_default().push(index);
        }
        names
    }

    /// The track that a line means, if the data set has it.
    fn find(&self, line: &Line) -> Result<Option<usize>> {
        if let Some(id) = line.content
            && let Some(tracks) = self.contents.get(&id)
        {
            // Of copies, the one of that name.
            let named = tracks
                .iter()
                .find(|&t| self.full.get(line.track.as_str()) == Some(t));
            return Ok(named.or(tracks.first()).copied());
        }
        let readings = readings(&line.track);
        for (folders, stem) in &readings {
            // The folders above the data set are nothing to it.
            let full = (0..=folders.len()).find_map(|from| {
                let name = [&folders[from..], &[*stem]].concat().join("/");
                self.full.get(name.as_str()).copied()
            });
            if full.is_some() {
                return Ok(full);
            }
        }
        for (folders, stem) in &readings {
            let found = match folders.last() {
                Some(genre) => self.in_genre.get(&(*genre, *stem)),
                None => self.bare.get(*stem),
            };
            match found {
                Some(Some(track)) => return Ok(Some(*track)),
                Some(None) => {
                    let (several, with) = match folders.last() {
                        Some(genre) => ("folders", format!("{genre}/folder/{stem}")),
                        None => ("genres", format!("genre/{stem}")),
                    };
                    return Err(Error::data(format!(
                        "{}: {stem} is a track of several {several}: write {with}",
                        line.place
                    )));
                }
                None => {}
            }
        }
        Ok(None)
    }
}

/// Looks up each listed track in the data set.
pub(super) fn by_name(dataset: &Dataset, lines: &[Line], what: &str) -> Result<Split> {
    let names = Names::of(dataset);
    let listed: HashSet<ContentId> = lines.iter().filter_map(|l| l.content).collect();
    let mut split = Split::default();
    let mut placed: HashMap<usize, &Line> = HashMap::new();
    for line in lines {
        // A file that has taken another's name is not the track that was meant.
        let other = |t: usize| {
            let id = dataset.contents().get(t);
            id.is_some_and(|id| line.content.is_some_and(|own| own != *id) && listed.contains(id))
        };
        let Some(track) = names.find(line)?.filter(|&t| !other(t)) else {
            split.missing += 1;
            split
                .first_missing
                .get_or_insert_with(|| printable(&line.track));
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
    Ok(split)
}
