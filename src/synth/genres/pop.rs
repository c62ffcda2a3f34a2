//! Pop: I-V-vi-IV and its rotations; a sung melody with vibrato, wide synthesizer chords, a
//! steady bass, and a clean machine beat with claps.

use super::{Song, every, hits, part, tempo};
use crate::synth::dice::Dice;
use crate::synth::drums::{Drum, Kit};
use crate::synth::sounds::{Pluck, Tone};
use crate::synth::stage::Studio;
use crate::synth::theory::{Chord, MAJOR, MAJOR_SCALE, MINOR, scale_note};

const FORM: [Chord; 4] = [
    Chord(0, MAJOR),
    Chord(7, MAJOR),
    Chord(9, MINOR),
    Chord(5, MAJOR),
];

pub(super) fn song(dice: &mut Dice) -> Song {
    let beat = tempo(dice, 88.0..132.0);
    let key = dice.below(12) as i32;
    let rotation = dice.below(4);
    let kit = Kit::new(dice);
    let drums = part(dice, 0.9);
    let pad = part(dice, 0.8);
    let arpeggio = part(dice, 0.6);
    let voice = dice.gain_db(-4.0..5.0);
    let bass = part(dice, 0.85);
    let four_on_floor = dice.chance(0.35);
    let (chords, stab, low) = (
        Tone::synth_pad(dice),
        Tone::synth_stab(dice),
        Tone::bass(dice),
    );
    let strummed = dice.chance(0.35);
    let guitar = Pluck {
        brightness: 0.8,
        sustain: 1.5,
        release: 0.06,
    };

    Song {
        beat,
        beats_per_bar: 4,
        looseness: 0.003,
        studio: Studio::new(0.35, dice),
        bar: Box::new(move |bar, stage, dice| {
            let chord = FORM[(rotation + bar) % 4];
            let voicing = chord.voicing(key, 57);
            if let Some(level) = pad {
                for &note in &voicing {
                    let s = chords.play(f64::from(note), 3.9 * stage.beat, 0.0, dice);
                    stage.add(0.0, 0.5 * level, &s, dice);
                }
            }
            if let Some(level) = arpeggio {
                for (i, at) in every(0.5, 4.0).into_iter().enumerate() {
                    let note = f64::from(voicing[i % 3] + 12 * (i as i32 / 3 % 2));
                    let s = match strummed {
                        true => guitar.play(note, 0.5 * stage.beat, 0.0, dice),
                        false => stab.play(note, 0.3 * stage.beat, 0.0, dice),
                    };
                    stage.add(at, 0.6 * level, &s, dice);
                }
            }
            if let Some(level) = bass {
                for at in every(0.5, 4.0) {
                    let s = low.play(f64::from(chord.root(key, 33)), 0.4 * stage.beat, 0.0, dice);
                    stage.add(at, level, &s, dice);
                }
            }
            let mut at = dice.pick(&[0.0, 0.5]);
            let mut place = 2 + dice.below(6) as i32;
            while at < 4.0 {
                let length = dice.pick(&[0.5, 0.5, 1.0, 1.5, 2.0]);
                place = (place + dice.pick(&[-2, -1, -1, 0, 1, 1, 2])).clamp(0, 10);
                let note = f64::from(scale_note(58 + key, MAJOR_SCALE, place));
                let singer = Tone::voice(dice, note);
                let s = singer.play(note, 0.92 * length * stage.beat, -0.7, dice);
                stage.add(at, voice, &s, dice);
                at += length;
            }
            if let Some(level) = drums {
                let kicks: &[f64] = if four_on_floor {
                    &[0.0, 1.0, 2.0, 3.0]
                } else {
                    &[0.0, 1.5, 2.0]
                };
                hits(&kit, Drum::Kick, kicks, level, stage, dice);
                hits(&kit, Drum::Clap, &[1.0, 3.0], 0.8 * level, stage, dice);
                hits(
                    &kit,
                    Drum::ClosedHat,
                    &every(0.5, 4.0),
                    0.6 * level,
                    stage,
                    dice,
                );
            }
        }),
    }
}
