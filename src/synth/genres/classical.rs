//! Classical: no drums. Bowed strings, piano or harpsichord and flute in functional harmony;
//! broken chords, long legato melodies, swells, a tempo that breathes, and a hall.

use super::{Song, every, part, tempo};
use crate::synth::dice::Dice;
use crate::synth::sounds::{Pluck, Tone};
use crate::synth::stage::Studio;
use crate::synth::theory::{Chord, MAJOR, MAJOR_SCALE, MINOR, MINOR_SCALE, scale_note};

const MAJOR_FORM: [Chord; 8] = [
    Chord(0, MAJOR),
    Chord(5, MAJOR),
    Chord(7, MAJOR),
    Chord(0, MAJOR),
    Chord(9, MINOR),
    Chord(2, MINOR),
    Chord(7, MAJOR),
    Chord(0, MAJOR),
];
const MINOR_FORM: [Chord; 8] = [
    Chord(0, MINOR),
    Chord(5, MINOR),
    Chord(7, MAJOR),
    Chord(0, MINOR),
    Chord(8, MAJOR),
    Chord(3, MAJOR),
    Chord(7, MAJOR),
    Chord(0, MINOR),
];

pub(super) fn song(dice: &mut Dice) -> Song {
    let beat = tempo(dice, 56.0..138.0);
    let key = dice.below(12) as i32;
    let (form, scale) = dice.pick(&[(MAJOR_FORM, MAJOR_SCALE), (MINOR_FORM, MINOR_SCALE)]);
    let first_bar = dice.below(8);
    let beats_per_bar = dice.pick(&[3, 4]);
    let strings = part(dice, 0.7);
    let broken = part(dice, if strings.is_some() { 0.6 } else { 1.0 });
    let melody = dice.gain_db(-6.0..4.0);
    let bass = part(dice, 0.6);
    let harpsichord = dice.chance(0.3);
    let jack = Pluck {
        brightness: 0.95,
        sustain: 1.2,
        release: 0.05,
    };
    let (piano, section, cello) = (
        Tone::piano(dice),
        Tone::bowed_strings(dice),
        Tone::bowed_strings(dice),
    );
    let solo = match dice.below(3) {
        0 => Tone::flute(dice),
        1 => Tone::bowed_strings(dice),
        _ => Tone::piano(dice),
    };
    let step = dice.pick(&[0.5, 0.5, 0.25]);

    Song {
        beat,
        beats_per_bar,
        looseness: 0.02,
        studio: Studio::new(0.8, dice),
        bar: Box::new(move |bar, stage, dice| {
            let chord = form[(first_bar + bar) % 8];
            let beats = beats_per_bar as f64;
            let swell = dice.gain_db(-8.0..2.0);
            if let Some(level) = strings {
                for note in chord.voicing(key, 55) {
                    let s = section.play(f64::from(note), beats * stage.beat, 0.0, dice);
                    stage.add(0.0, 0.6 * level * swell, &s, dice);
                }
            }
            if let Some(level) = broken {
                // Low, high, middle, high: Alberti's figure.
                let notes = chord.voicing(key, 57);
                for (i, at) in every(step, beats).into_iter().enumerate() {
                    let note = f64::from(notes[[0, 2, 1, 2][i % 4]]);
                    let s = if harpsichord {
                        jack.play(note, 1.5 * step * stage.beat, 0.0, dice)
                    } else {
                        piano.play(note, 1.5 * step * stage.beat, 0.0, dice)
                    };
                    stage.add(at, 0.6 * level * swell, &s, dice);
                }
            }
            if let Some(level) = bass {
                let root = f64::from(chord.root(key, 38));
                let s = cello.play(root, 0.95 * beats * stage.beat, 0.0, dice);
                stage.add(0.0, 0.7 * level, &s, dice);
            }
            let mut at = 0.0;
            let mut place = 3 + dice.below(7) as i32;
            while at < beats {
                let length = dice.pick(&[0.5, 0.5, 1.0, 1.0, 2.0]);
                place = (place + dice.pick(&[-2, -1, -1, 1, 1, 2])).clamp(0, 13);
                let note = f64::from(scale_note(60 + key, scale, place));
                let s = solo.play(note, 0.97 * length * stage.beat, 0.0, dice);
                stage.add(at, 0.8 * melody * swell, &s, dice);
                at += length;
            }
        }),
    }
}
