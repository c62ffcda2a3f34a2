//! Hip-hop: a sparse, heavy beat with swung or rolling hats, a long gliding sub-bass, a short
//! looped phrase, and a voice that speaks in sixteenths rather than sings.

use super::{Song, hits, part, swung, tempo};
use crate::synth::dice::Dice;
use crate::synth::drums::{Drum, Kit};
use crate::synth::sounds::{Pluck, Tone, amplify};
use crate::synth::stage::Studio;
use crate::synth::theory::{MINOR_SCALE, scale_note};

const KICKS: [&[f64]; 4] = [
    &[0.0, 0.75, 2.5],
    &[0.0, 1.75, 2.25],
    &[0.0, 2.5, 2.75],
    &[0.0, 1.5, 2.0, 3.75],
];

pub(super) fn song(dice: &mut Dice) -> Song {
    let beat = tempo(dice, 72.0..104.0);
    let key = dice.below(12) as i32;
    let kit = Kit::new(dice).deep(dice);
    let kicks = dice.pick(&KICKS);
    let drums = dice.gain_db(-3.0..4.0);
    let (rolls, swing) = (dice.chance(0.5), dice.range(0.5..0.64));
    let sub = part(dice, 0.85);
    let sample = part(dice, 0.8);
    let rap = part(dice, 0.85);
    let backbeat = dice.pick(&[Drum::Snare, Drum::Clap]);
    let voice_note = dice.range(43.0..57.0);
    let lead = match dice.below(3) {
        0 => Some(Tone::electric_piano(dice)),
        1 => Some(Tone::piano(dice)),
        _ => None,
    };
    let pluck = Pluck {
        brightness: 0.5,
        sustain: 1.0,
        release: 0.1,
    };
    let lo_fi = dice.range(1200.0..5000.0);
    // The loop is fixed for the whole song: that is what makes it a loop.
    let phrase: Vec<(f64, i32)> = (0..6)
        .map(|i| (0.5 * (i + dice.below(3)) as f64, dice.below(9) as i32))
        .collect();
    let bass = Tone {
        dulling: 0.05,
        decay: 1.2,
        release: 0.1,
        ..Tone::bass(dice)
    };

    Song {
        beat,
        beats_per_bar: 4,
        looseness: 0.003,
        studio: Studio::new(0.12, dice),
        bar: Box::new(move |_, stage, dice| {
            hits(&kit, Drum::Kick, kicks, 1.2 * drums, stage, dice);
            hits(&kit, backbeat, &[1.0, 3.0], drums, stage, dice);
            hits(
                &kit,
                Drum::ClosedHat,
                &swung(0.5, swing, 4.0),
                0.6 * drums,
                stage,
                dice,
            );
            if rolls {
                let start = dice.pick(&[0.5, 1.5, 2.5, 3.5]);
                let roll: Vec<f64> = (0..6).map(|i| start + f64::from(i) / 12.0).collect();
                hits(&kit, Drum::ClosedHat, &roll, 0.6 * drums, stage, dice);
            }
            if let Some(level) = sub {
                for &at in kicks {
                    let note = f64::from(28 + key % 12) + f64::from(dice.pick(&[0, 0, 0, 3, -2]));
                    let s = bass.play(
                        note,
                        stage.beat * dice.range(0.5..1.2),
                        dice.pick(&[0.0, 3.0, -3.0]),
                        dice,
                    );
                    stage.add(at, 1.3 * level, &s, dice);
                }
            }
            if let Some(level) = sample {
                for &(at, step) in &phrase {
                    let note = f64::from(scale_note(60 + key, MINOR_SCALE, step));
                    let mut s = match &lead {
                        Some(tone) => tone.play(note, 0.5 * stage.beat, 0.0, dice),
                        None => pluck.play(note, 0.5 * stage.beat, 0.0, dice),
                    };
                    amplify(&mut s, 1.5, lo_fi);
                    stage.add(at, 1.2 * level, &s, dice);
                }
            }
            if let Some(level) = rap {
                for at in swung(0.5, swing, 4.0) {
                    if dice.chance(0.25) {
                        continue;
                    }
                    // Speech: a new vowel each syllable, a falling pitch, a consonant in front.
                    let note = voice_note + dice.range(-2.0..2.5);
                    let voice = Tone {
                        attack: 0.015,
                        release: 0.02,
                        vibrato: (0.0, 5.0),
                        breath: 0.12,
                        ..Tone::voice(dice, note)
                    };
                    let s = voice.play(note, 0.17 * stage.beat, dice.range(0.5..3.0), dice);
                    stage.add(at, 1.1 * level, &s, dice);
                    let consonant = kit.hit(Drum::Shaker, dice);
                    stage.add(at - 0.04, 0.25 * level, &consonant, dice);
                }
            }
        }),
    }
}
