//! Which files of one folder are pieces or copies of one recording, by their names.
//!
//! A name says so by a mark at its end, and what is left without the mark is the name of the recording:
//!
//! | mark | for example | counts when |
//! |---|---|---|
//! | a piece by word | `track_01_seg2`, `song-part2`, `Song (Part 1)`, `take_003of010` | always, unless the rest is a general word (`track`, the genre) that begins every name of the folder |
//! | a copy | `song copy`, `song - Copy (2)`, `Copy of song` | always |
//! | a number in brackets | `song (1)` | there is a `song`, or several such numbers of it, and not the whole folder is named so, as a batch of renamed files is |
//! | a range of time | `song-0-29`, `song-30-59` | all ranges of the recording are equally long and lie side by side |
//! | a number behind a number | `blues.00000.0` | the first number has three digits or more; or those behind it count up from 0 or 1, and not the whole folder is named so. Never after a year, a date, or a word like `cd`, `vol`, `op` |
//! | a number behind a title | `Some Title_0` | they count up from 0 for at least two titles of the folder |
//!
//! A single number at the end is a track's own and no mark: `blues.00000` and `blues.00001` are two recordings, and so are
//! `01 - Song` and `02 - Song`, `Track 1` and `Track 2`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Words for a piece of a recording.
const PIECES: &[&str] = &[
    "segment", "seg", "part", "pt", "piece", "clip", "chunk", "slice", "split", "fragment", "frag",
    "section", "excerpt", "snippet", "frame", "window", "teil", "parte", "partie",
];
/// Words that name no recording.
const GENERAL: &[&str] = &[
    "audio",
    "track",
    "tracks",
    "song",
    "songs",
    "music",
    "file",
    "sample",
    "sound",
    "rec",
    "data",
    "recording",
    "untitled",
    "unknown",
    "output",
    "out",
    "test",
    "train",
    "wav",
    "mp3",
    "au",
];
/// Words before a number that is followed by the number of a track or a movement, not of a piece.
const VOLUMES: &[&str] = &[
    "cd", "disc", "disk", "dvd", "lp", "vol", "volume", "album", "side", "op", "opus", "no", "nr",
    "bwv", "kv", "k", "hwv", "rv", "d", "symphony", "sonata", "concerto", "quartet", "suite",
    "act", "book", "set", "season",
];
const BETWEEN: &[char] = &[' ', '.', '_', '-'];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Copy,
    Piece,
    Bracket,
    Range { from: u32, to: u32 },
    Number { value: u32, padded: bool },
}

impl Mark {
    /// Only marks of one kind are compared.
    fn kind(self) -> u8 {
        match self {
            Self::Copy => 0,
            Self::Piece => 1,
            Self::Bracket => 2,
            Self::Range { .. } => 3,
            Self::Number { .. } => 4,
        }
    }
}

/// For each of `stems`, names of files of one folder without their endings, the name of its recording: the stem itself
/// where nothing says otherwise. `genre` is the folder's genre; in a folder below the genre's (`nested`) a name that is
/// nothing but a mark, `part1`, is a piece of what the folder is named after (the empty name).
pub(super) fn recordings<'a>(stems: &[&'a str], genre: &str, nested: bool) -> Vec<&'a str> {
    let mut names: Vec<&str> = stems.to_vec();
    // A copy of a piece has two marks; nobody's names have more than a few.
    for _ in 0..4 {
        let marked: Vec<Vec<(&str, Mark)>> = names.iter().map(|n| marks_of(n, nested)).collect();
        let mut families: BTreeMap<(&str, u8), (usize, BTreeSet<Mark>)> = BTreeMap::new();
        for &(base, mark) in marked.iter().flatten() {
            let (size, marks) = families.entry((base, mark.kind())).or_default();
            *size += 1;
            marks.insert(mark);
        }
        let present: HashSet<&str> = names.iter().copied().collect();
        let titles = families
            .iter()
            .filter(|((base, _), (_, marks))| numbered(base).is_none() && counts_as_a_tool(marks))
            .count();
        let mut changed = false;
        for (name, marked) in names.iter_mut().zip(marked) {
            let counting = marked.into_iter().find(|&(base, mark)| {
                let (size, marks) = &families[&(base, mark.kind())];
                let family = Family {
                    base,
                    marks,
                    whole_folder: size * 10 >= stems.len() * 9,
                    bare: present.contains(base),
                    titles,
                };
                family.counts(mark, genre)
            });
            if let Some((base, _)) = counting {
                *name = base;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    names
}

/// The names of a folder that differ in their marks of one kind alone.
struct Family<'a> {
    base: &'a str,
    marks: &'a BTreeSet<Mark>,
    /// (Nearly) every name of the folder is one of them.
    whole_folder: bool,
    /// The base is there too, without a mark.
    bare: bool,
    /// Titles in the folder that are numbered from 0.
    titles: usize,
}

impl Family<'_> {
    fn counts(&self, mark: Mark, genre: &str) -> bool {
        match mark {
            Mark::Copy => true,
            Mark::Piece => !(self.whole_folder && general(self.base, genre)),
            Mark::Bracket => self.bare || !self.whole_folder,
            Mark::Range { .. } => self.marks.len() > 1 && side_by_side(self.marks),
            Mark::Number { .. } => match numbered(self.base) {
                Some(Numbered::Never) => false,
                Some(Numbered::Identified) => true,
                Some(Numbered::Plain) => !self.whole_folder && counts_up(self.marks, 1),
                None => {
                    let words = self.base.split(|c: char| !c.is_alphabetic());
                    let words = words.filter(|w| w.len() > 1 && !general(w, genre)).count();
                    words > 1 && self.titles > 1 && counts_as_a_tool(self.marks)
                }
            },
        }
    }
}

/// The marks that may stand at the end of a name, each with what is left without it; the surest first.
fn marks_of(name: &str, nested: bool) -> Vec<(&str, Mark)> {
    [
        copy(name).map(|base| (base, Mark::Copy)),
        piece(name).map(|base| (base, Mark::Piece)),
        bracket(name).map(|base| (base, Mark::Bracket)),
        range(name),
        number(name),
    ]
    .into_iter()
    .flatten()
    .filter(|(base, mark)| !base.is_empty() || nested && *mark == Mark::Piece)
    .collect()
}

/// `song copy`, `song copy 2`, `song - Copy (2)`, `song (copy)`, `Copy of song`.
fn copy(name: &str) -> Option<&str> {
    if let Some(rest) = strip_word(name, "copy of ", true) {
        return Some(rest);
    }
    let counted = bracket(name).or_else(|| {
        let (rest, _) = digits(name)?;
        rest.strip_suffix(' ')
    });
    let name = counted.unwrap_or(name);
    let (inner, bracketed) = match name.strip_suffix(')') {
        Some(inner) => (inner, true),
        None => (name, false),
    };
    let rest = ["copy", "kopie"]
        .iter()
        .find_map(|word| strip_word(inner, word, false))?;
    let rest = if bracketed {
        rest.strip_suffix('(')?
    } else {
        rest
    };
    let base = rest.trim_end_matches(BETWEEN);
    (bracketed || base.len() < rest.len()).then_some(base)
}

/// `track_01_seg2`, `song-part2`, `Song (Part 1)`, `songPart1`, `song_003of010`, `song part 1 of 3`.
fn piece(name: &str) -> Option<&str> {
    let (inner, bracketed) = match name.strip_suffix([')', ']']) {
        Some(inner) => (inner, true),
        None => (name, false),
    };
    let (rest, last) = digits(inner)?;
    let (mut rest, mut of) = (rest, false);
    if let Some(before) = strip_word(rest.trim_end_matches(BETWEEN), "of", false)
        && let Some((before, first)) = digits(before.trim_end_matches(BETWEEN))
        && first <= last
    {
        (rest, of) = (before, true);
    }
    let trimmed = rest.trim_end_matches(BETWEEN).trim_end_matches('#');
    let trimmed = trimmed.trim_end_matches(BETWEEN);
    let open = |base: &str| base.ends_with(['(', '[']);
    let by_word = PIECES.iter().find_map(|word| {
        let base = strip_word(trimmed, word, false)?;
        let before = base.chars().next_back();
        let camel = trimmed[base.len()..].starts_with(|c: char| c.is_ascii_uppercase())
            && before.is_some_and(char::is_lowercase);
        (camel || before.is_none_or(|c| !c.is_alphabetic())).then_some(base)
    });
    let base = match by_word {
        Some(base) => base,
        // The number itself must stand apart.
        None if of && (rest.is_empty() || rest.ends_with(BETWEEN) || open(rest)) => rest,
        None => return None,
    };
    if bracketed && !open(base) {
        return None;
    }
    Some(base.trim_end_matches(['(', '[']).trim_end_matches(BETWEEN))
}

/// `song (1)`; not `song (1999)`.
fn bracket(name: &str) -> Option<&str> {
    let (rest, value) = digits(name.strip_suffix(')')?)?;
    let base = rest.strip_suffix('(')?.trim_end_matches(BETWEEN);
    (value < 1000).then_some(base)
}

/// `song-30-59`.
fn range(name: &str) -> Option<(&str, Mark)> {
    let (rest, to) = digits(name.strip_suffix('s').unwrap_or(name))?;
    let (rest, from) = digits(rest.strip_suffix(['-', '_'])?)?;
    let base = rest.strip_suffix(['-', '_'])?;
    (from < to && to - from > 1).then_some((base, Mark::Range { from, to }))
}

/// `blues.00000.0`, `Some Title_0`. A number behind a space is a title's own, and no recording has 10,000 pieces.
fn number(name: &str) -> Option<(&str, Mark)> {
    let (rest, value) = digits(name)?;
    let base = rest.strip_suffix(['.', '_', '-'])?;
    let length = name.len() - rest.len();
    let padded = length > 1 && name[rest.len()..].starts_with('0');
    (length < 5 && !base.ends_with(' ')).then_some((base, Mark::Number { value, padded }))
}

/// The number at the end of a text, at most six digits, and what stands before it.
fn digits(text: &str) -> Option<(&str, u32)> {
    let rest = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &text[rest.len()..];
    if digits.len() > 6 {
        return None;
    }
    Some((rest, digits.parse().ok()?))
}

/// `text` without `word` at its end, or its start; in any case of the letters.
fn strip_word<'a>(text: &'a str, word: &str, at_start: bool) -> Option<&'a str> {
    let cut = if at_start {
        word.len()
    } else {
        text.len().checked_sub(word.len())?
    };
    let (head, tail) = text.split_at_checked(cut)?;
    let (found, rest) = if at_start { (head, tail) } else { (tail, head) };
    found.eq_ignore_ascii_case(word).then_some(rest)
}

/// What the number at the end of a base is.
enum Numbered {
    /// Three digits or more: one of many recordings.
    Identified,
    Plain,
    /// A year, a date, a volume: the number behind it is not a piece's.
    Never,
}

fn numbered(base: &str) -> Option<Numbered> {
    let rest = base.trim_end_matches(|c: char| c.is_ascii_digit());
    let length = base.len() - rest.len();
    if length == 0 {
        return None;
    }
    // 1999, 19991231.
    let is_year = |text: &str| {
        let digits = &text[text.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
        [4, 8].contains(&digits.len()) && (digits.starts_with("19") || digits.starts_with("20"))
    };
    let before = rest.trim_end_matches(BETWEEN);
    let word = &before[before.trim_end_matches(char::is_alphabetic).len()..];
    let volume = VOLUMES.contains(&word.to_ascii_lowercase().as_str());
    let in_letters = base.chars().any(char::is_alphabetic);
    Some(
        if is_year(base) || is_year(before) || volume || !in_letters && length < 3 {
            Numbered::Never
        } else if length >= 3 {
            Numbered::Identified
        } else {
            Numbered::Plain
        },
    )
}

/// Whether the numbers count up from at most `start`, with no more gaps than numbers.
fn counts_up(marks: &BTreeSet<Mark>, start: u32) -> bool {
    let value = |mark: &Mark| match mark {
        Mark::Number { value, .. } => Some(*value),
        _ => None,
    };
    let values: BTreeSet<u32> = marks.iter().filter_map(value).collect();
    match (values.first(), values.last()) {
        (Some(&first), Some(&last)) => {
            values.len() > 1 && first <= start && (last as usize) < 2 * values.len()
        }
        _ => false,
    }
}

/// Whether the numbers are those of a program that cuts: from 0, without leading zeros, and no more than a song has pieces.
fn counts_as_a_tool(marks: &BTreeSet<Mark>) -> bool {
    let plain = |mark: &Mark| matches!(mark, Mark::Number { padded: false, value } if *value < 128);
    counts_up(marks, 0) && marks.iter().all(plain)
}

/// Whether the ranges are pieces of one length: 0-29 and 30-59, or 0-30 and 30-60.
fn side_by_side(marks: &BTreeSet<Mark>) -> bool {
    (0..=1).any(|inclusive| {
        let mut lengths = marks.iter().map(|mark| match mark {
            Mark::Range { from, to } => {
                let length = to - from + inclusive;
                (from % length == 0).then_some(length)
            }
            _ => None,
        });
        let first = lengths.next().flatten();
        first.is_some() && lengths.all(|length| length == first)
    })
}

/// Whether a base is only general words or the genre's name, without a number.
fn general(base: &str, genre: &str) -> bool {
    let mut words = base
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty());
    let is_general = |word: &str| {
        let word = word.to_lowercase();
        GENERAL.contains(&word.as_str()) || genre.to_lowercase().split(' ').any(|g| g == word)
    };
    !base.is_empty() && words.all(is_general)
}
