//! Rock: ringing, overdriven chords in driving eighths, a bass that stays on the root, a live
//! kit with a backbeat, and a bent guitar lead or a rough voice.

use super::{Song, every, hits, part, tempo};
use crate::synth::dice::Dice;
use crate::synth::drums::{Drum, Kit};
use crate::synth::sounds::{Pluck, Tone, amplify, together};
use crate::synth::stage::Studio;
use crate::synth::theory::{Chord, MAJOR, MINOR, MINOR_PENTATONIC, scale_note};

const FORMS: [[Chord; 4]; 3] = [
    [
        Chord(0, MAJOR),
        Chord(10, MAJOR),
        Chord(5, MAJOR),
        Chord(0, MAJOR),
    ],
    [
        Chord(0, MINOR),
        Chord(8, MAJOR),
        Chord(3, MAJOR),
        Chord(10, MAJOR),
    ],
    [
        Chord(0, MAJOR),
        Chord(5, MAJOR),
        Chord(7, MAJOR),
        Chord(5, MAJOR),
    ],
];

pub(super) fn song(dice: &mut Dice) -> Song {
    let beat = tempo(dice, 98.0..152.0);
    let key = dice.below(12) as i32;
    let form = dice.pick(&FORMS);
    let kit = Kit::new(dice);
    let drums = dice.gain_db(-4.0..3.0);
    let rhythm = dice.gain_db(-4.0..3.0);
    let bass = part(dice, 0.9);
    let lead = part(dice, 0.5);
    let voice = part(dice, 0.55);
    let guitar = Pluck {
        brightness: dice.range(0.5..0.85),
        sustain: dice.range(2.0..4.0),
        release: 0.08,
    };
    let (drive, cabinet) = (dice.range(2.5..7.0) as f32, dice.range(2500.0..5000.0));
    let low = Tone::bass(dice);
    let (cymbal, held) = (
        dice.pick(&[Drum::ClosedHat, Drum::OpenHat, Drum::Ride]),
        dice.chance(0.3),
    );

    Song {
        beat,
        beats_per_bar: 4,
        looseness: 0.008,
        studio: Studio::new(0.25, dice),
        bar: Box::new(move |bar, stage, dice| {
            let chord = form[bar % 4];
            let root = chord.root(key, 40);
            let mut notes = vec![root, root + 7, root + 12];
            notes.push(root + 12 + chord.1[1]);
            // The strings ring on: eighths that are not damped, or one long chord.
            let strokes = if held {
                every(2.0, 4.0)
            } else {
                every(0.5, 4.0)
            };
            let length = stage.beat * if held { 1.9 } else { 0.55 };
            for at in strokes {
                let mut s = together(&notes, |n| guitar.play(n, length, 0.0, dice));
                amplify(&mut s, drive, cabinet);
                stage.add(at, 1.2 * rhythm, &s, dice);
            }
            if let Some(level) = bass {
                for at in every(0.5, 4.0) {
                    let s = low.play(f64::from(root - 12), 0.45 * stage.beat, 0.0, dice);
                    stage.add(at, 0.9 * level, &s, dice);
                }
            }
            if let Some(level) = lead {
                let mut place = 4 + dice.below(5) as i32;
                for at in every(0.5, 4.0) {
                    if dice.chance(0.4) {
                        continue;
                    }
                    place = (place + dice.pick(&[-2, -1, 1, 2])).clamp(0, 11);
                    let note = f64::from(scale_note(60 + key, MINOR_PENTATONIC, place));
                    let mut s = guitar.play(note, stage.beat * dice.range(0.4..1.2), 0.0, dice);
                    amplify(&mut s, 2.0 * drive, cabinet);
                    stage.add(at, 0.8 * level, &s, dice);
                }
            }
            if let Some(level) = voice {
                let mut at = dice.pick(&[0.0, 1.0]);
                while at < 4.0 {
                    let length = dice.pick(&[0.5, 1.0, 2.0]);
                    let place = 2 + dice.below(5) as i32;
                    let note = f64::from(scale_note(57 + key, MINOR_PENTATONIC, place));
                    let singer = Tone {
                        breath: 0.25,
                        ..Tone::voice(dice, note)
                    };
                    let mut s = singer.play(note, 0.9 * length * stage.beat, -1.5, dice);
                    amplify(&mut s, 3.0, 4500.0);
                    stage.add(at, level, &s, dice);
                    at += length;
                }
            }
            hits(
                &kit,
                Drum::Kick,
                dice.pick(&[&[0.0, 2.0, 2.5][..], &[0.0, 1.5, 2.0], &[0.0, 2.0]]),
                drums,
                stage,
                dice,
            );
            hits(&kit, Drum::Snare, &[1.0, 3.0], drums, stage, dice);
            hits(&kit, cymbal, &every(0.5, 4.0), 0.6 * drums, stage, dice);
            if bar % 4 == 3 && dice.chance(0.6) {
                hits(&kit, Drum::Tom, &[3.0, 3.25, 3.5, 3.75], drums, stage, dice);
            }
            if bar % 4 == 0 {
                hits(&kit, Drum::Crash, &[0.0], drums, stage, dice);
            }
        }),
    }
}
