//! Blues: a slow shuffle over the twelve-bar form in dominant sevenths; a boogie of fifths and
//! sixths, and a bent, singing lead in the blues scale. Some songs are one guitar alone.

use super::{Song, hits, part, swung, tempo};
use crate::synth::dice::Dice;
use crate::synth::drums::{Drum, Kit};
use crate::synth::sounds::{Pluck, Tone, amplify};
use crate::synth::stage::Studio;
use crate::synth::theory::{BLUES_SCALE, Chord, DOMINANT7, scale_note};

const FORM: [i32; 12] = [0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7];

pub(super) fn song(dice: &mut Dice) -> Song {
    let beat = tempo(dice, 62.0..118.0);
    let key = 40 + dice.below(12) as i32;
    let first_bar = dice.below(12);
    let kit = Kit::new(dice);
    let drums = part(dice, 0.7);
    let bass = part(dice, 0.8);
    let boogie = dice.gain_db(-6.0..3.0);
    let piano = part(dice, 0.3);
    let lead = part(dice, 0.85);
    let guitar = Pluck {
        brightness: dice.range(0.3..0.8),
        sustain: dice.range(1.0..3.0),
        release: 0.05,
    };
    let (drive, sings) = (dice.range(1.0..5.0) as f32, dice.chance(0.4));
    let (keys, low, harp) = (Tone::piano(dice), Tone::bass(dice), Tone::horn(dice));
    let swing = dice.range(0.62..0.7);

    Song {
        beat,
        beats_per_bar: 4,
        looseness: 0.012,
        studio: Studio::new(0.3, dice),
        bar: Box::new(move |bar, stage, dice| {
            let chord = Chord(FORM[(first_bar + bar) % 12], DOMINANT7);
            let root = chord.root(key, 40);
            // Root with fifth, then root with sixth: the shuffle riff.
            for (i, at) in swung(1.0, swing, 4.0).into_iter().enumerate() {
                let top = [7, 7, 9, 9, 10, 9, 7, 9][i % 8];
                for note in [root, root + top] {
                    let mut s = guitar.play(f64::from(note), 0.3 * stage.beat, 0.0, dice);
                    amplify(&mut s, drive, 3500.0);
                    stage.add(at, 0.6 * boogie, &s, dice);
                }
            }
            if let Some(level) = piano {
                for at in [swing, 1.0 + swing, 2.0 + swing, 3.0 + swing] {
                    for note in chord.voicing(key, 60) {
                        let s = keys.play(f64::from(note), 0.2, 0.0, dice);
                        stage.add(at, 0.4 * level, &s, dice);
                    }
                }
            }
            if let Some(level) = bass {
                for (i, at) in [0.0, 1.0, 2.0, 3.0].into_iter().enumerate() {
                    let s = low.play(
                        f64::from(root - 12 + [0, 4, 7, 9][i]),
                        0.8 * stage.beat,
                        0.0,
                        dice,
                    );
                    stage.add(at, level, &s, dice);
                }
            }
            if let Some(level) = lead {
                let mut step = dice.below(8) as i32;
                for at in swung(1.0, swing, 4.0) {
                    if dice.chance(0.45) {
                        continue;
                    }
                    step = (step + dice.pick(&[-2, -1, -1, 1, 1, 2])).clamp(-2, 11);
                    let note = f64::from(scale_note(key + 24, BLUES_SCALE, step));
                    let (length, bend) = (
                        stage.beat * dice.range(0.4..1.4),
                        dice.pick(&[0.0, -1.0, -2.0]),
                    );
                    let s = if sings {
                        harp.play(note, length, bend, dice)
                    } else {
                        let mut s = guitar.play(note, length, 0.0, dice);
                        amplify(&mut s, 2.0 * drive, 3000.0);
                        s
                    };
                    stage.add(at, 0.7 * level, &s, dice);
                }
            }
            if let Some(level) = drums {
                hits(
                    &kit,
                    Drum::Ride,
                    &swung(1.0, swing, 4.0),
                    level,
                    stage,
                    dice,
                );
                hits(&kit, Drum::Snare, &[1.0, 3.0], level, stage, dice);
                hits(&kit, Drum::Kick, &[0.0, 2.0], level, stage, dice);
            }
        }),
    }
}
