//! Which tracks train, which validate, which test.
//!
//! A split is made of *tracks*, before any segment is cut: ten segments of one recording are so
//! alike that a classifier which has seen nine of them knows the tenth.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Dataset;
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
fn finish(dataset: &Dataset, mut split: Split, what: &str) -> Result<Split> {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Train,
    Validation,
    Test,
}

/// One track of a list, and where it stands.
struct Line {
    side: Side,
    track: String,
    place: String,
}

fn push_list(lines: &mut Vec<Line>, side: Side, file: &str, text: &str) {
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

fn read_lists(dir: &Path) -> Result<Vec<Line>> {
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

fn read_file(path: &Path) -> Result<Vec<Line>> {
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
fn by_name(dataset: &Dataset, lines: &[Line], what: &str) -> Result<Split> {
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
