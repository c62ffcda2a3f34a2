//! Jazz: a swung ride cymbal with the hat on two and four, a bass that walks in quarter notes,
//! rootless seventh and ninth chords off the beat, and a horn or piano in swung eighths.

use super::{Song, hits, part, swung, tempo};
use crate::synth::dice::Dice;
use crate::synth::drums::{Drum, Kit};
use crate::synth::sounds::{Pluck, Tone};
use crate::synth::stage::Studio;
use crate::synth::theory::{
    Chord, DOMINANT7, DORIAN, MAJOR9, MINOR7, MINOR9, THIRTEENTH, scale_note,
};

const FORMS: [[Chord; 4]; 3] = [
    [
        Chord(2, MINOR9),
        Chord(7, THIRTEENTH),
        Chord(0, MAJOR9),
        Chord(9, DOMINANT7),
    ],
    [
        Chord(0, MAJOR9),
        Chord(9, MINOR7),
        Chord(2, MINOR9),
        Chord(7, THIRTEENTH),
    ],
    [
        Chord(0, MINOR9),
        Chord(0, MINOR9),
        Chord(5, MINOR9),
        Chord(1, DOMINANT7),
    ],
];

pub(super) fn song(dice: &mut Dice) -> Song {
    let beat = tempo(dice, 104.0..220.0);
    let key = dice.below(12) as i32;
    let form = dice.pick(&FORMS);
    let kit = Kit::new(dice);
    let drums = part(dice, 0.85);
    let walking = dice.gain_db(-5.0..3.0);
    let comping = part(dice, 0.8);
    let solo = part(dice, 0.9);
    let bass = Pluck {
        brightness: dice.range(0.05..0.35),
        sustain: dice.range(0.8..1.6),
        release: 0.08,
    };
    let keys = match dice.chance(0.3) {
        true => Tone::electric_piano(dice),
        false => Tone::piano(dice),
    };
    let lead = match dice.below(4) {
        0 => Tone::piano(dice),
        1 => Tone::flute(dice),
        _ => Tone::horn(dice),
    };
    let swing = dice.range(0.6..0.68);

    Song {
        beat,
        beats_per_bar: 4,
        looseness: 0.012,
        studio: Studio::new(0.35, dice),
        bar: Box::new(move |bar, stage, dice| {
            let chord = form[bar % 4];
            let (root, next) = (chord.root(key, 36), form[(bar + 1) % 4].root(key, 36));
            let voicing = chord.voicing(key, 57);
            for i in 0..4 {
                let note = match i {
                    0 => root,
                    // The last note leads to the next root by a semitone.
                    3 => next + dice.pick(&[-1, 1]),
                    _ => root + dice.pick(chord.1) % 12,
                };
                let s = bass.play(f64::from(note), 0.85 * stage.beat, 0.0, dice);
                stage.add(f64::from(i), 1.2 * walking, &s, dice);
            }
            if let Some(level) = comping {
                for at in dice.pick(&[
                    [swing, 2.0 + swing],
                    [0.0, 1.0 + swing],
                    [1.0 + swing, 3.0],
                    [0.0, 2.0 + swing],
                ]) {
                    let length = dice.pick(&[0.15, 0.3, 0.8]);
                    for &note in &voicing {
                        let s = keys.play(f64::from(note), length * stage.beat, 0.0, dice);
                        stage.add(at, 0.5 * level, &s, dice);
                    }
                }
            }
            if let Some(level) = solo {
                let mut place = 3 + dice.below(8) as i32;
                for at in swung(1.0, swing, 4.0) {
                    if dice.chance(0.25) {
                        place += dice.pick(&[-3, 3]);
                        continue;
                    }
                    place = (place + dice.pick(&[-1, -1, 1, 1, 2, -2])).clamp(0, 13);
                    let chromatic = f64::from(dice.pick(&[0, 0, 0, 0, 1, -1]));
                    let note = f64::from(scale_note(58 + key, DORIAN, place)) + chromatic;
                    let s = lead.play(
                        note,
                        stage.beat * dice.pick(&[0.3, 0.4, 0.9]),
                        dice.pick(&[0.0, -0.6]),
                        dice,
                    );
                    stage.add(at, 0.8 * level, &s, dice);
                }
            }
            if let Some(level) = drums {
                hits(
                    &kit,
                    Drum::Ride,
                    &[0.0, 1.0, 1.0 + swing, 2.0, 3.0, 3.0 + swing],
                    level,
                    stage,
                    dice,
                );
                hits(&kit, Drum::ClosedHat, &[1.0, 3.0], level, stage, dice);
                if dice.chance(0.4) {
                    hits(
                        &kit,
                        Drum::Brush,
                        &[dice_beat(dice, swing)],
                        level,
                        stage,
                        dice,
                    );
                }
            }
        }),
    }
}

/// A beat for a comment of the snare.
fn dice_beat(dice: &mut Dice, swing: f64) -> f64 {
    dice.below(4) as f64 + dice.pick(&[0.0, swing])
}
