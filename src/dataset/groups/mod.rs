//! Which tracks belong together, so that a split puts none of them on two sides.

mod names;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::Dataset;
use super::sides::Split;

/// What a split keeps together. Tracks of the same content stay together always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// Files that their names make pieces or copies of one recording, as `blues.00000.0` and `blues.00000.1`.
    #[default]
    Recording,
    /// Also all files below one folder of a genre: an album, or an artist with all albums.
    Folder,
    /// No names count: each file is a recording of its own.
    File,
}

impl std::fmt::Display for GroupBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Recording => "recording",
            Self::Folder => "folder",
            Self::File => "file",
        })
    }
}

impl std::str::FromStr for GroupBy {
    type Err = crate::error::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "recording" => Ok(Self::Recording),
            "folder" => Ok(Self::Folder),
            "file" => Ok(Self::File),
            _ => Err(crate::error::Error::usage("give recording, folder or file")),
        }
    }
}

/// The tracks of a [`Dataset`] in groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// The group of each track; groups are numbered in the order of their first tracks.
    pub of: Vec<usize>,
    /// Pieces and copies of one recording by their names, two tracks or more each.
    pub named: Vec<Vec<usize>>,
    /// Tracks that hold the same sound or the same sample.
    pub identical: Vec<Vec<usize>>,
    /// Tracks of one folder below a genre; empty unless grouped by folder.
    pub folders: Vec<Vec<usize>>,
}

impl Groups {
    /// Finds what belongs together in `dataset`.
    pub fn of(dataset: &Dataset) -> Self {
        let n = dataset.tracks.len();
        let named = match dataset.group_by {
            GroupBy::File => Sets::new(n),
            _ => by_name(dataset),
        };
        let folders = match dataset.group_by {
            GroupBy::Folder => by_folder(dataset),
            _ => Sets::new(n),
        };
        let identical = by_content(dataset);
        let mut all = Sets::new(n);
        for part in [&named, &folders, &identical] {
            for track in 0..n {
                all.join(track, part.root(track));
            }
        }
        let mut number = HashMap::new();
        let of = (0..n)
            .map(|track| {
                let next = number.len();
                *number.entry(all.root(track)).or_insert(next)
            })
            .collect();
        Self {
            of,
            named: named.several(),
            identical: identical.several(),
            folders: folders.several(),
        }
    }

    /// Lines for people about what was grouped, and what of it `split`, made from written lists, puts on two sides.
    pub fn notes(&self, dataset: &Dataset, split: &Split) -> Vec<String> {
        let name = |t: usize| dataset.tracks[t].name.as_str();
        let mut notes = Vec::new();
        if let Some(first) = self.named.first() {
            notes.push(format!(
                "grouped by name: {} files are pieces or copies of {} ({}); the files of a recording stay on one side (--group-by file if each is a recording of its own)",
                self.named.iter().map(Vec::len).sum::<usize>(),
                count(self.named.len(), "recording"),
                listed(first.iter().map(|&t| name(t)), ", ", FILES),
            ));
        }
        if dataset.group_by == GroupBy::Folder {
            notes.push(match self.folders.first() {
                Some(first) => format!(
                    "grouped by folder: {} files of {}, the first {}; the files of a folder stay on one side",
                    self.folders.iter().map(Vec::len).sum::<usize>(),
                    count(self.folders.len(), "folder"),
                    first.first().and_then(|&t| folder_of(name(t))).unwrap_or_default(),
                ),
                None => "--group-by folder: no two files lie in one folder below their genre, so there is nothing to group".into(),
            });
        }
        let (across, within): (Vec<_>, Vec<_>) = self.identical.iter().partition(|set| {
            set.iter()
                .any(|&t| dataset.tracks[t].genre != dataset.tracks[set[0]].genre)
        });
        // Copies that their names give away were told already.
        let within: Vec<_> = within
            .into_iter()
            .filter(|set| !self.named.iter().any(|n| set.iter().all(|t| n.contains(t))))
            .collect();
        let equal = |set: &&Vec<usize>| listed(set.iter().map(|&t| name(t)), " = ", FILES);
        if !within.is_empty() {
            notes.push(format!(
                "identical content, kept on one side: {}",
                listed(within.iter().map(equal), "; ", SETS)
            ));
        }
        if !across.is_empty() {
            notes.push(format!(
                "warning: the same content in two genres, where only one can be right: {}",
                listed(across.iter().map(equal), "; ", SETS)
            ));
        }
        if !split.apart.is_empty() {
            notes.push(format!(
                "warning: the split's lists put {} beside an identical one on another side: left out of validation and test ({})",
                count(split.apart.len(), "track"),
                listed(split.apart.iter().map(|&t| name(t)), ", ", FILES)
            ));
        }
        let torn: Vec<&Vec<usize>> = self
            .named
            .iter()
            .chain(&self.folders)
            .filter(|set| split.tears(set))
            .collect();
        if let Some(first) = torn.first() {
            notes.push(format!(
                "warning: the split's lists put pieces of {} on different sides, so that validation is too easy: {}",
                count(torn.len(), "group"),
                listed(first.iter().map(|&t| name(t)), ", ", FILES)
            ));
        }
        notes
    }
}

/// At most `shown` of the parts, and how many more there are.
fn listed<T: std::fmt::Display>(
    parts: impl ExactSizeIterator<Item = T>,
    between: &str,
    shown: usize,
) -> String {
    let left = parts.len().saturating_sub(shown);
    let text: Vec<String> = parts.take(shown).map(|p| p.to_string()).collect();
    match left {
        0 => text.join(between),
        n => format!("{}{between}{n} more", text.join(between)),
    }
}

/// Tracks of one group that a line names.
const FILES: usize = 5;
/// Groups that a line names.
const SETS: usize = 40;

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `genre/folder` of `genre/folder/.../track`.
fn folder_of(name: &str) -> Option<&str> {
    let mut slashes = name.match_indices('/').map(|(at, _)| at).skip(1);
    slashes.next().map(|at| &name[..at])
}

fn by_folder(dataset: &Dataset) -> Sets {
    let mut sets = Sets::new(dataset.tracks.len());
    let mut first = HashMap::new();
    for (t, track) in dataset.tracks.iter().enumerate() {
        if let Some(folder) = folder_of(&track.name) {
            sets.join(t, *first.entry((track.genre, folder)).or_insert(t));
        }
    }
    sets
}

fn by_name(dataset: &Dataset) -> Sets {
    let mut folders: BTreeMap<(usize, &str), Vec<(usize, &str)>> = BTreeMap::new();
    for (t, track) in dataset.tracks.iter().enumerate() {
        let (folder, stem) = track.name.rsplit_once('/').unwrap_or(("", &track.name));
        let files = folders.entry((track.genre, folder)).or_default();
        files.push((t, stem));
    }
    let mut sets = Sets::new(dataset.tracks.len());
    for ((genre, folder), files) in folders {
        let stems: Vec<&str> = files.iter().map(|f| f.1).collect();
        let genre = dataset.genres.get(genre).map_or("", String::as_str);
        let recordings = names::recordings(&stems, genre, folder.contains('/'));
        // Names that are equal without a mark say nothing: an array file may name its samples by their genre.
        let mut of: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut marked: HashMap<&str, bool> = HashMap::new();
        for (&(t, stem), &recording) in files.iter().zip(&recordings) {
            of.entry(recording).or_default().push(t);
            *marked.entry(recording).or_default() |= stem != recording;
        }
        for (recording, tracks) in of {
            if marked[recording] {
                tracks.iter().for_each(|&t| sets.join(t, tracks[0]));
            }
        }
    }
    sets
}

fn by_content(dataset: &Dataset) -> Sets {
    let mut sets = Sets::new(dataset.tracks.len());
    let mut telling = vec![false; dataset.tracks.len()];
    let mut prints = HashMap::new();
    for (sample, print) in dataset.samples.iter().zip(&dataset.prints) {
        if let (Some(print), Some(telling)) = (print, telling.get_mut(sample.track)) {
            *telling = true;
            sets.join(sample.track, *prints.entry(*print).or_insert(sample.track));
        }
    }
    let mut sounds = HashMap::new();
    for (track, sound) in dataset.contents.iter().enumerate() {
        if telling.get(track) == Some(&true) {
            sets.join(track, *sounds.entry(sound).or_insert(track));
        }
    }
    sets
}

/// Disjoint sets of tracks; the root of a set is its first track.
struct Sets(Vec<usize>);

impl Sets {
    fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    fn root(&self, mut track: usize) -> usize {
        while self.0[track] != track {
            track = self.0[track];
        }
        track
    }

    fn join(&mut self, a: usize, b: usize) {
        let (root_a, root_b) = (self.root(a), self.root(b));
        let root = root_a.min(root_b);
        // The tracks themselves too, so that the ways stay short.
        for track in [a, b, root_a, root_b] {
            self.0[track] = root;
        }
    }

    /// The sets of two tracks or more, in order.
    fn several(&self) -> Vec<Vec<usize>> {
        let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for track in 0..self.0.len() {
            sets.entry(self.root(track)).or_default().push(track);
        }
        sets.into_values().filter(|set| set.len() > 1).collect()
    }
}
