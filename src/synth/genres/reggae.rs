//! Reggae: the chord falls between the beats (the skank), short and dry; kick and rim meet on
//! three (the one drop); a round, melodic bass with rests, an organ bubble, a tape echo.

use super::{Song, hits, part, swung, tempo};
use crate::synth::dice::Dice;
use crate::synth::drums::{Drum, Kit};
use crate::synth::sounds::{Pluck, Tone, amplify};
use crate::synth::stage::Studio;
use crate::synth::theory::{Chord, MAJOR, MINOR, MINOR_PENTATONIC, scale_note};

const FORMS: [[Chord; 4]; 3] = [
    [
        Chord(0, MINOR),
        Chord(0, MINOR),
        Chord(5, MINOR),
        Chord(5, MINOR),
    ],
    [
        Chord(0, MAJOR),
        Chord(5, MAJOR),
        Chord(0, MAJOR),
        Chord(7, MAJOR),
    ],
    [
        Chord(0, MINOR),
        Chord(10, MAJOR),
        Chord(0, MINOR),
        Chord(10, MAJOR),
    ],
];
/// Bass lines as (beat, semitones above the root, length in beats).
const LINES: [&[(f64, i32, f64)]; 4] = [
    &[(0.0, 0, 0.9), (1.0, 7, 0.4), (1.5, 12, 0.4), (2.5, 7, 0.9)],
    &[
        (0.5, 0, 0.4),
        (1.0, 0, 0.4),
        (1.5, 3, 0.9),
        (3.0, 7, 0.4),
        (3.5, 5, 0.4),
    ],
    &[(0.0, 0, 0.4), (0.5, 0, 0.4), (2.0, 5, 0.4), (2.5, 7, 0.9)],
    &[(1.0, 7, 0.4), (1.5, 5, 0.4), (2.0, 0, 1.4)],
];

pub(super) fn song(dice: &mut Dice) -> Song {
    let beat = tempo(dice, 124.0..172.0); // counted double: the skank falls on two and four
    let key = dice.below(12) as i32;
    let form = dice.pick(&FORMS);
    let line = dice.pick(&LINES);
    let kit = Kit::new(dice);
    let drums = dice.gain_db(-6.0..2.0);
    let bass = dice.gain_db(-4.0..4.0);
    let skank = dice.gain_db(-3.0..4.0);
    let bubble = part(dice, 0.6);
    let melody = part(dice, 0.6);
    let with_organ = dice.chance(0.5);
    let guitar = Pluck {
        brightness: 0.75,
        sustain: 0.6,
        release: 0.015,
    };
    let (organ, low) = (
        Tone::organ(dice),
        Tone {
            dulling: 0.06,
            ..Tone::bass(dice)
        },
    );
    let lead = match dice.chance(0.5) {
        true => Some(Tone::horn(dice)),
        false => None,
    };
    let (steppers, double) = (dice.chance(0.25), dice.chance(0.4));

    Song {
        beat,
        beats_per_bar: 4,
        looseness: 0.009,
        studio: Studio::new(0.2, dice).with_echo(1.5 * beat, dice.range(0.2..0.5) as f32),
        bar: Box::new(move |bar, stage, dice| {
            let chord = form[bar % 4];
            let root = chord.root(key, 31);
            let chops: &[f64] = if double {
                &[1.0, 1.5, 3.0, 3.5]
            } else {
                &[1.0, 3.0]
            };
            for &at in chops {
                for note in chord.voicing(key, 58) {
                    let note = f64::from(note);
                    let s = match with_organ {
                        true => organ.play(note, 0.07, 0.0, dice),
                        false => guitar.play(note, 0.05, 0.0, dice),
                    };
                    stage.add(at, 0.8 * skank, &s, dice);
                }
            }
            for &(at, step, length) in line {
                let s = low.play(f64::from(root + step), length * stage.beat, 0.0, dice);
                stage.add(at, 1.4 * bass, &s, dice);
            }
            if let Some(level) = bubble {
                for at in [0.5, 1.5, 2.5, 3.5] {
                    for note in chord.voicing(key, 52) {
                        let s = organ.play(f64::from(note), 0.12, 0.0, dice);
                        stage.add(at, 0.4 * level, &s, dice);
                    }
                }
            }
            if let Some(level) = melody {
                let mut place = 2 + dice.below(5) as i32;
                let mut at = dice.pick(&[0.0, 1.0, 2.0]);
                while at < 4.0 {
                    let length = dice.pick(&[1.0, 2.0]);
                    place = (place + dice.pick(&[-1, 1, 2, -2])).clamp(0, 8);
                    let note = f64::from(scale_note(60 + key, MINOR_PENTATONIC, place));
                    let s = match &lead {
                        Some(horn) => horn.play(note, 0.8 * length * stage.beat, -0.5, dice),
                        None => {
                            let singer = Tone::voice(dice, note);
                            let mut s = singer.play(note, 0.85 * length * stage.beat, -1.0, dice);
                            amplify(&mut s, 1.2, 4000.0);
                            s
                        }
                    };
                    stage.add(at, 0.7 * level, &s, dice);
                    at += length;
                }
            }
            hits(&kit, Drum::Rim, &[2.0], 1.2 * drums, stage, dice);
            hits(
                &kit,
                Drum::Kick,
                if steppers {
                    &[0.0, 1.0, 2.0, 3.0]
                } else {
                    &[2.0]
                },
                drums,
                stage,
                dice,
            );
            hits(
                &kit,
                Drum::ClosedHat,
                &swung(1.0, 0.58, 4.0),
                0.7 * drums,
                stage,
                dice,
            );
        }),
    }
}
