//! Country: boom-chick. The bass alternates root and fifth on the beats, a bright guitar answers
//! between them; banjo rolls, a train beat of brushes, and a fiddle or gliding steel guitar.

use super::{Song, every, hits, part, tempo};
use crate::synth::dice::Dice;
use crate::synth::drums::{Drum, Kit};
use crate::synth::sounds::{Pluck, Tone};
use crate::synth::stage::Studio;
use crate::synth::theory::{Chord, MAJOR, MAJOR_PENTATONIC, MINOR, scale_note};

const FORMS: [[Chord; 4]; 3] = [
    [
        Chord(0, MAJOR),
        Chord(0, MAJOR),
        Chord(5, MAJOR),
        Chord(7, MAJOR),
    ],
    [
        Chord(0, MAJOR),
        Chord(5, MAJOR),
        Chord(0, MAJOR),
        Chord(7, MAJOR),
    ],
    [
        Chord(0, MAJOR),
        Chord(9, MINOR),
        Chord(5, MAJOR),
        Chord(7, MAJOR),
    ],
];

pub(super) fn song(dice: &mut Dice) -> Song {
    let beat = tempo(dice, 84.0..150.0);
    let key = dice.below(12) as i32;
    let form = dice.pick(&FORMS);
    let kit = Kit::new(dice);
    let bass = dice.gain_db(-6.0..2.0);
    let strum = dice.gain_db(-5.0..4.0);
    let banjo = part(dice, 0.6);
    let steel = part(dice, 0.7);
    let train = part(dice, 0.6);
    let guitar = Pluck {
        brightness: dice.range(0.75..0.98),
        sustain: dice.range(1.0..2.5),
        release: 0.03,
    };
    let thumb = Pluck {
        brightness: dice.range(0.1..0.4),
        sustain: 1.5,
        release: 0.05,
    };
    let roll = Pluck {
        brightness: 0.97,
        sustain: dice.range(0.25..0.5),
        release: 0.03,
    };
    let fiddle = dice.chance(0.5);
    let slide = match fiddle {
        true => Tone::bowed_strings(dice),
        false => Tone::horn(dice),
    };

    Song {
        beat,
        beats_per_bar: 4,
        looseness: 0.008,
        studio: Studio::new(0.25, dice),
        bar: Box::new(move |bar, stage, dice| {
            let chord = form[bar % 4];
            let root = chord.root(key, 40);
            for at in [0.0, 2.0] {
                let note = f64::from(root + if at == 0.0 { 0 } else { -5 });
                let s = thumb.play(note, 0.9 * stage.beat, 0.0, dice);
                stage.add(at, 1.2 * bass, &s, dice);
            }
            for at in [1.0f64, 1.5, 3.0, 3.5] {
                if at.fract() > 0.0 && dice.chance(0.5) {
                    continue;
                }
                for (string, note) in chord.voicing(key, 55).into_iter().enumerate() {
                    let s = guitar.play(f64::from(note), 0.4 * stage.beat, 0.0, dice);
                    stage.add(at + 0.02 * string as f64, 0.5 * strum, &s, dice);
                }
            }
            if let Some(level) = banjo {
                let notes = chord.voicing(key, 62);
                for (i, at) in every(0.25, 4.0).into_iter().enumerate() {
                    let note = f64::from(notes[[0, 1, 2, 0, 1, 2, 0, 2][i % 8]]);
                    let s = roll.play(note, 0.25 * stage.beat, 0.0, dice);
                    stage.add(at, 0.6 * level, &s, dice);
                }
            }
            if let Some(level) = steel {
                let mut at = dice.pick(&[0.0, 0.5, 1.0]);
                let mut place = 2 + dice.below(6) as i32;
                while at < 4.0 {
                    let length = dice.pick(&[0.5, 1.0, 1.5]);
                    place = (place + dice.pick(&[-2, -1, 1, 2])).clamp(0, 9);
                    let note = f64::from(scale_note(60 + key, MAJOR_PENTATONIC, place));
                    let bend = if fiddle { -0.3 } else { -2.0 };
                    let s = slide.play(note, 0.9 * length * stage.beat, bend, dice);
                    stage.add(at, 0.6 * level, &s, dice);
                    at += length;
                }
            }
            if let Some(level) = train {
                hits(
                    &kit,
                    Drum::Brush,
                    &every(0.25, 4.0),
                    0.6 * level,
                    stage,
                    dice,
                );
                hits(
                    &kit,
                    Drum::Brush,
                    &every(1.0, 4.0).iter().map(|b| b + 0.5).collect::<Vec<_>>(),
                    level,
                    stage,
                    dice,
                );
                hits(&kit, Drum::Kick, &[0.0, 2.0], level, stage, dice);
            }
        }),
    }
}
