//! The ten genres, one file each. Every file says in its first lines what makes the genre.
//!
//! A genre is a function from dice to a [`Song`]: it draws what stays the same through the song
//! (tempo, key, chords, instruments, which parts play at all) and returns how one bar is played.

mod blues;
mod classical;
mod country;
mod disco;
mod hiphop;
mod jazz;
mod metal;
mod pop;
mod reggae;
mod rock;

use super::dice::Dice;
use super::drums::{Drum, Kit};
use super::stage::{Stage, Studio};

/// Plays bar number n onto the stage.
pub(super) type Bar = Box<dyn Fn(usize, &mut Stage, &mut Dice)>;

/// A composition whose bars can be played.
pub(super) struct Song {
    /// Length of a beat in s.
    pub beat: f64,
    pub beats_per_bar: usize,
    /// How far players are off the beat, in s: a drum machine is exact.
    pub looseness: f64,
    pub studio: Studio,
    /// Plays one bar, counted from 0.
    pub bar: Bar,
}

/// The composer of genre number `genre` of [`super::GENRES`].
pub(super) fn song(genre: usize, dice: &mut Dice) -> Song {
    let composers = [
        blues::song,
        classical::song,
        country::song,
        disco::song,
        hiphop::song,
        jazz::song,
        metal::song,
        pop::song,
        reggae::song,
        rock::song,
    ];
    composers[genre](dice)
}

/// Seconds per beat at a tempo drawn from a range of beats per minute.
fn tempo(dice: &mut Dice, bpm: std::ops::Range<f64>) -> f64 {
    60.0 / dice.range(bpm)
}

/// A part's level in the mix, or `None` if it does not play in this song.
fn part(dice: &mut Dice, probability: f64) -> Option<f32> {
    let level = dice.gain_db(-9.0..3.0);
    dice.chance(probability).then_some(level)
}

/// Hits of one drum at the given beats, each with a probability of 0.95.
fn hits(kit: &Kit, drum: Drum, beats: &[f64], level: f32, stage: &mut Stage, dice: &mut Dice) {
    for &at in beats {
        if dice.chance(0.95) {
            let sound = kit.hit(drum, dice);
            stage.add(at, level, &sound, dice);
        }
    }
}

/// Multiples of `step` from 0 up to `end` beats.
fn every(step: f64, end: f64) -> Vec<f64> {
    (0..(end / step).round() as usize)
        .map(|i| i as f64 * step)
        .collect()
}

/// The same as [`every`] in pairs of long and short: `ratio` is 0.5 for straight, 2/3 for swung.
fn swung(pair: f64, ratio: f64, end: f64) -> Vec<f64> {
    every(pair, end)
        .iter()
        .flat_map(|&at| [at, at + pair * ratio])
        .collect()
}
