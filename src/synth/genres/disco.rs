//! Disco: a kick on every beat, an open hat between the beats, a bass in octaves, sixteenths of
//! a scratched guitar, claps on two and four, and string runs over minor sevenths.

use super::{Song, every, hits, part, tempo};
use crate::synth::dice::Dice;
use crate::synth::drums::{Drum, Kit};
use crate::synth::sounds::{Pluck, Tone};
use crate::synth::stage::Studio;
use crate::synth::theory::{Chord, DOMINANT7, DORIAN, MAJOR7, MINOR7, scale_note};

const FORMS: [[Chord; 4]; 3] = [
    [
        Chord(0, MINOR7),
        Chord(0, MINOR7),
        Chord(5, DOMINANT7),
        Chord(5, DOMINANT7),
    ],
    [
        Chord(0, MINOR7),
        Chord(10, DOMINANT7),
        Chord(8, MAJOR7),
        Chord(7, MINOR7),
    ],
    [
        Chord(0, MINOR7),
        Chord(5, MINOR7),
        Chord(10, DOMINANT7),
        Chord(3, MAJOR7),
    ],
];

pub(super) fn song(dice: &mut Dice) -> Song {
    let beat = tempo(dice, 108.0..132.0);
    let key = dice.below(12) as i32;
    let form = dice.pick(&FORMS);
    let kit = Kit::new(dice).deep(dice);
    let drums = dice.gain_db(-4.0..4.0);
    let bass = dice.gain_db(-6.0..3.0);
    let scratch = part(dice, 0.7);
    let strings = part(dice, 0.75);
    let stabs = part(dice, 0.5);
    let guitar = Pluck {
        brightness: 0.9,
        sustain: 0.5,
        release: 0.012,
    };
    let (low, section, brass) = (
        Tone::bass(dice),
        Tone::bowed_strings(dice),
        Tone::horn(dice),
    );

    Song {
        beat,
        beats_per_bar: 4,
        looseness: 0.004,
        studio: Studio::new(0.35, dice),
        bar: Box::new(move |bar, stage, dice| {
            let chord = form[bar % 4];
            let root = chord.root(key, 33);
            hits(&kit, Drum::Kick, &every(1.0, 4.0), 1.1 * drums, stage, dice);
            hits(
                &kit,
                Drum::OpenHat,
                &[0.5, 1.5, 2.5, 3.5],
                drums,
                stage,
                dice,
            );
            hits(
                &kit,
                Drum::ClosedHat,
                &every(0.25, 4.0),
                0.5 * drums,
                stage,
                dice,
            );
            hits(&kit, Drum::Clap, &[1.0, 3.0], 0.8 * drums, stage, dice);
            for (i, at) in every(0.5, 4.0).into_iter().enumerate() {
                let s = low.play(
                    f64::from(root + 12 * (i as i32 % 2)),
                    0.35 * stage.beat,
                    0.0,
                    dice,
                );
                stage.add(at, 1.1 * bass, &s, dice);
            }
            if let Some(level) = scratch {
                for at in every(0.25, 4.0) {
                    if dice.chance(0.35) {
                        continue;
                    }
                    for note in chord.voicing(key, 64) {
                        let s = guitar.play(f64::from(note), 0.06, 0.0, dice);
                        stage.add(at, 0.35 * level, &s, dice);
                    }
                }
            }
            if let Some(level) = strings {
                let mut place = 4 + dice.below(6) as i32;
                let run = dice.chance(0.5);
                let (step, direction) = if run {
                    (0.25, dice.pick(&[-1, 1]))
                } else {
                    (1.0, 1)
                };
                for at in every(step, if run { 2.0 } else { 4.0 }) {
                    let note = f64::from(scale_note(60 + key, DORIAN, place));
                    for octave in [0.0, 12.0] {
                        let s = section.play(note + octave, 0.95 * step * stage.beat, 0.0, dice);
                        stage.add(at, 0.45 * level, &s, dice);
                    }
                    place = (place
                        + if run {
                            direction
                        } else {
                            dice.pick(&[-2, -1, 1, 2])
                        })
                    .clamp(0, 12);
                }
            }
            if let Some(level) = stabs {
                for at in dice.pick(&[[1.5, 3.5], [0.0, 0.75], [2.5, 3.25]]) {
                    for note in chord.voicing(key, 60) {
                        let s = brass.play(f64::from(note), 0.15, 0.0, dice);
                        stage.add(at, 0.45 * level, &s, dice);
                    }
                }
            }
        }),
    }
}
