//! Metal: distorted fifths, palm-muted in gallops and sixteenths, over rolling double kicks or
//! blast beats; phrygian and chromatic riffs, tremolo picking, and sometimes a scream.

use super::{Song, every, hits, part, tempo};
use crate::synth::dice::Dice;
use crate::synth::drums::{Drum, Kit};
use crate::synth::sounds::{Tone, amplify, together};
use crate::synth::stage::Studio;
use crate::synth::theory::{PHRYGIAN, scale_note};

/// Starts of the muted strokes in a beat.
const STROKES: [&[f64]; 4] = [
    &[0.0, 0.5, 0.75],       // gallop
    &[0.0, 0.25, 0.5, 0.75], // sixteenths
    &[0.0, 0.25, 0.5],       // reversed gallop
    &[0.0, 0.5],             // eighths
];

pub(super) fn song(dice: &mut Dice) -> Song {
    let beat = tempo(dice, 105.0..185.0);
    let key = 28 + dice.below(8) as i32;
    let kit = Kit::new(dice);
    let drums = dice.gain_db(-5.0..3.0);
    let rhythm = dice.gain_db(-4.0..3.0);
    let tremolo = part(dice, 0.45);
    let scream = part(dice, 0.4);
    let bass = part(dice, 0.8);
    let strokes = dice.pick(&STROKES);
    let blast = dice.chance(0.35);
    let (drive, cabinet) = (dice.range(8.0..25.0) as f32, dice.range(2200.0..5000.0));
    let saw = Tone {
        decay: 1.5,
        ..Tone::synth_pad(dice)
    };
    let string = Tone {
        attack: 0.003,
        detune: 0.03,
        ..saw
    };
    let riff: Vec<i32> = (0..8)
        .map(|_| dice.pick(&[0, 0, 0, 0, 1, 2, 3, 5]))
        .collect();
    let low = Tone::bass(dice);

    Song {
        beat,
        beats_per_bar: 4,
        looseness: 0.004,
        studio: Studio::new(0.15, dice),
        bar: Box::new(move |bar, stage, dice| {
            for at_beat in 0..4 {
                let root = scale_note(key + 12, PHRYGIAN, riff[(4 * bar + at_beat) % 8]);
                let accent = at_beat == 0 || dice.chance(0.2);
                for (i, stroke) in strokes.iter().enumerate() {
                    // An open chord on the accent, then the palm damps the strings.
                    let length = if accent && i == 0 {
                        0.3 * stage.beat
                    } else {
                        0.06
                    };
                    let mut s = together(&[root, root + 7, root + 12], |n| {
                        string.play(n, length, 0.0, dice)
                    });
                    amplify(&mut s, drive, cabinet);
                    stage.add(at_beat as f64 + stroke, 1.2 * rhythm, &s, dice);
                }
                if let Some(level) = bass {
                    for &stroke in strokes {
                        let s = low.play(f64::from(root - 12), 0.2 * stage.beat, 0.0, dice);
                        stage.add(at_beat as f64 + stroke, 0.7 * level, &s, dice);
                    }
                }
            }
            if let Some(level) = tremolo {
                let place = 7 + dice.below(6) as i32;
                for (i, at) in every(0.25, 4.0).into_iter().enumerate() {
                    let step = place + [0, 0, 1, 1][(i / 4) % 4];
                    let note = f64::from(scale_note(key + 12, PHRYGIAN, step + 5));
                    let mut s = string.play(note, 0.15 * stage.beat, 0.0, dice);
                    amplify(&mut s, drive, cabinet);
                    stage.add(at, 0.7 * level, &s, dice);
                }
            }
            if let Some(level) = scream
                && dice.chance(0.8)
            {
                let note = dice.range(55.0..66.0);
                let voice = Tone {
                    breath: 0.8,
                    vibrato: (0.8, 23.0),
                    ..Tone::voice(dice, note)
                };
                let mut s = voice.play(note, stage.beat * dice.range(1.0..2.5), 4.0, dice);
                amplify(&mut s, 6.0, 5000.0);
                stage.add(dice.pick(&[0.0, 1.0, 2.0]), 0.8 * level, &s, dice);
            }
            if blast {
                hits(&kit, Drum::Kick, &every(0.5, 4.0), drums, stage, dice);
                let off: Vec<f64> = every(0.5, 4.0).iter().map(|b| b + 0.25).collect();
                hits(&kit, Drum::Snare, &off, 0.8 * drums, stage, dice);
                hits(&kit, Drum::Ride, &every(0.5, 4.0), 0.6 * drums, stage, dice);
            } else {
                hits(
                    &kit,
                    Drum::Kick,
                    &every(0.25, 4.0),
                    0.9 * drums,
                    stage,
                    dice,
                );
                hits(&kit, Drum::Snare, &[1.0, 3.0], drums, stage, dice);
                hits(
                    &kit,
                    Drum::OpenHat,
                    &every(1.0, 4.0),
                    0.7 * drums,
                    stage,
                    dice,
                );
            }
            if bar % 4 == 0 {
                hits(&kit, Drum::Crash, &[0.0], drums, stage, dice);
            }
        }),
    }
}
