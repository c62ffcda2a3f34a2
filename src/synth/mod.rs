//! A synthetic genre set: ten genres composed by rules, for a demo and for tests without data.
//!
//! The rules are those of the genres themselves (see [`GENRES`] and the files in `genres/`):
//! rhythm, harmony, instruments and tempo differ the way they do in music, while every track has
//! its own key, tempo, line-up, mix and equalisation. The average spectrum alone therefore does not
//! give the genre away; a classifier has to hear how the sound moves. It is not real music, and
//! accuracies on it say nothing about real music: it is labelled synthetic wherever it shows.
//!
//! Everything is a function of (seed, genre, index). The first seconds of a track do not depend
//! on its length, and samples are rounded to 16 bits, so composing 3 s in memory gives the same
//! numbers as reading the first 3 s of a written file.

mod dice;
mod drums;
mod genres;
mod sounds;
mod stage;
mod theory;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde_json::{Value, json};

use crate::audio::{SAMPLE_RATE, au};
use crate::error::{Error, Result};
use crate::fsutil::{atomic_write, create_dir};
use dice::Dice;
use stage::Stage;

/// Called after each file with (files done, files in all); may be called from several threads.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// The genres, sorted, named like GTZAN's.
pub const GENRES: [&str; 10] = [
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
];

/// Sample rate in Hz.
const RATE: f64 = SAMPLE_RATE as f64;

/// The file that marks a folder as synthetic.
const MARKER: &str = "synthetic.json";

/// Composes the first `seconds` of track `index` of genre number `genre`: mono, 22,050 Hz, in
/// -1..1, on the grid of 16-bit samples.
///
/// # Panics
/// If `genre` is not below 10.
pub fn compose(seed: u64, genre: usize, index: usize, seconds: f64) -> Vec<f32> {
    let mut dice = Dice::new(seed, genre, index, 0);
    let song = genres::song(genre, &mut dice);
    let bar_seconds = song.beat * song.beats_per_bar as f64;
    // An excerpt starts anywhere in a song.
    let lead_in = dice.range(0.0..1.0) * bar_seconds;
    let mut stage = Stage::new(seconds, song.beat, song.looseness);
    for bar in 0.. {
        let origin = bar as f64 * bar_seconds - lead_in;
        if origin - 0.1 > seconds {
            break;
        }
        stage.start_bar(origin);
        (song.bar)(bar, &mut stage, &mut Dice::new(seed, genre, index, bar + 1));
    }
    let mut samples = stage.into_samples();
    song.studio.record(&mut samples, &mut dice);
    for s in &mut samples {
        *s = (*s * 32767.0).round() / 32768.0;
    }
    samples
}

/// `blues/blues.00012`.
pub fn track_name(genre: usize, index: usize) -> String {
    format!("{0}/{0}.{index:05}", GENRES[genre])
}

/// The most tracks per genre: their names count to 99999.
pub const MOST_TRACKS: usize = 100_000;

/// Writes the set as `DIR/<genre>/<genre>.NNNNN.au`, `tracks` per genre of `seconds` each, and
/// `DIR/synthetic.json`, which marks the folder as synthetic for whoever opens it.
///
/// # Errors
/// If `seconds` or `tracks` is not positive, `dir` holds anything but this very set, or a file can't be written.
pub fn write_folder(
    dir: &Path,
    seed: u64,
    tracks: usize,
    seconds: f64,
    progress: Progress,
) -> Result<()> {
    if !(1..=MOST_TRACKS).contains(&tracks) || !(0.1..=3600.0).contains(&seconds) {
        return Err(Error::usage(format!(
            "{tracks} tracks of {seconds:.3e} s: give 1 to {MOST_TRACKS} tracks per genre, of 0.1 to 3600 s"
        )));
    }
    let about = json!({
        "what": "synthetic music composed by gtzan-gpu: not real recordings",
        "version": env!("CARGO_PKG_VERSION"),
        "seed": seed,
        "tracks_per_genre": tracks,
        "seconds": seconds,
    });
    check_place(dir, &about)?;
    for genre in GENRES {
        create_dir(dir.join(genre))?;
    }
    let marker = dir.join(MARKER);
    atomic_write(&marker, format!("{about:#}\n").as_bytes())?;

    let total = tracks * GENRES.len();
    let done = AtomicUsize::new(0);
    (0..total).into_par_iter().try_for_each(|i| {
        let (genre, index) = (i / tracks, i % tracks);
        let samples = compose(seed, genre, index, seconds);
        let path = dir.join(track_name(genre, index) + ".au");
        let annotation = format!(
            "synthetic {}, composed by gtzan-gpu, seed {seed}",
            GENRES[genre]
        );
        au::write_pcm16_annotated(&path, &samples, SAMPLE_RATE, &annotation)?;
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        Ok(())
    })
}

/// Refuse a folder that holds anything but this very set: its files have GTZAN's names, and would replace real tracks.
fn check_place(dir: &Path, about: &Value) -> Result<()> {
    let listed = |e: io::Error| Error::file(dir, format!("can't be listed: {e}"));
    let mut entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(listed)?,
    };
    if !is_synthetic(dir) {
        return match entries.next().transpose().map_err(listed)? {
            None => Ok(()),
            Some(_) => Err(Error::file(
                dir,
                "holds files already, and the set's would be put among them or replace them; give a new folder",
            )),
        };
    }
    let marker = dir.join(MARKER);
    let there: Value = std::fs::read(&marker)
        .map_err(|e| e.to_string())
        .and_then(|text| serde_json::from_slice(&text).map_err(|e| e.to_string()))
        .map_err(|e| Error::file(&marker, format!("says nothing of the set beside it ({e})")))?;
    let same = |key: &str| there.get(key) == about.get(key);
    if ["seed", "tracks_per_genre", "seconds"]
        .iter()
        .all(|key| same(key))
    {
        return Ok(());
    }
    let of = |key: &str| there.get(key).map_or("?".to_owned(), Value::to_string);
    Err(Error::file(
        dir,
        format!(
            "holds another synthetic set (seed {}, {} tracks per genre of {} s), whose tracks would stay among the new; give a new folder, or remove it first",
            of("seed"),
            of("tracks_per_genre"),
            of("seconds")
        ),
    ))
}

/// Whether [`write_folder`] made this folder.
pub fn is_synthetic(dir: &Path) -> bool {
    dir.join(MARKER).is_file()
}
