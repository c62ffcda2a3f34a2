//! Pitched instruments: each renders one note as samples.

use std::f64::consts::TAU;

use super::RATE;
use super::dice::Dice;
use super::theory::hz;

/// Size of a single-cycle wave table.
const TABLE: usize = 1024;
/// Samples between two updates of pitch and envelope.
const CONTROL: usize = 16;

/// A subtractive voice: a spectrum that dulls over time, an amplitude envelope and a vibrato.
#[derive(Debug, Clone)]
pub(super) struct Tone {
    /// Amplitudes of the harmonics from the fundamental up.
    pub harmonics: Vec<f32>,
    /// How fast the brightness dies, in s; infinite for an even sound.
    pub dulling: f64,
    pub attack: f64,
    /// Time in which the note falls to 1/e, in s.
    pub decay: f64,
    pub release: f64,
    /// Vibrato in semitones and in Hz.
    pub vibrato: (f64, f64),
    /// A second, mistuned copy: by how many semitones.
    pub detune: f64,
    /// Share of breath or bow noise.
    pub breath: f32,
}

impl Tone {
    fn new(harmonics: Vec<f32>) -> Self {
        Self {
            harmonics,
            dulling: f64::INFINITY,
            attack: 0.01,
            decay: f64::INFINITY,
            release: 0.05,
            vibrato: (0.0, 5.0),
            detune: 0.0,
            breath: 0.0,
        }
    }

    /// Harmonics falling as `1 / k^slope`, only the odd ones if `odd`.
    fn falling(slope: f64, odd: bool) -> Self {
        let amplitude = |k: i32| match odd && k % 2 == 0 {
            true => 0.0,
            false => f64::from(k).powf(-slope) as f32,
        };
        Self::new((1..=40).map(amplitude).collect())
    }

    pub(super) fn bowed_strings(dice: &mut Dice) -> Self {
        Self {
            attack: dice.range(0.04..0.15),
            release: 0.18,
            vibrato: (dice.range(0.1..0.3), dice.range(4.8..6.5)),
            detune: dice.range(0.04..0.12),
            breath: 0.03,
            ..Self::falling(dice.range(1.2..1.7), false)
        }
    }

    pub(super) fn flute(dice: &mut Dice) -> Self {
        Self {
            attack: 0.06,
            vibrato: (dice.range(0.1..0.25), 5.2),
            breath: 0.08,
            ..Self::falling(2.2, false)
        }
    }

    /// Trumpet or saxophone: strong middle harmonics, a bright start.
    pub(super) fn horn(dice: &mut Dice) -> Self {
        let peak = dice.range(2.0..5.0);
        let amplitude = |k: i32| (-((f64::from(k) - peak) / 4.0).powi(2)).exp() as f32 + 0.02;
        Self {
            attack: dice.range(0.02..0.05),
            dulling: 0.5,
            vibrato: (dice.range(0.05..0.3), dice.range(4.5..6.0)),
            breath: 0.04,
            ..Self::new((1..=24).map(amplitude).collect())
        }
    }

    pub(super) fn piano(dice: &mut Dice) -> Self {
        Self {
            attack: 0.003,
            decay: dice.range(0.5..1.4),
            dulling: dice.range(0.15..0.4),
            release: 0.1,
            detune: 0.02,
            ..Self::falling(dice.range(1.1..1.8), false)
        }
    }

    pub(super) fn electric_piano(dice: &mut Dice) -> Self {
        Self {
            attack: 0.004,
            decay: dice.range(0.6..1.2),
            dulling: 0.12,
            vibrato: (0.02, 5.5),
            ..Self::new(vec![
                1.0, 0.08, 0.12, 0.02, 0.0, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.06,
            ])
        }
    }

    /// Drawbars, with a rotating speaker's slow beat.
    pub(super) fn organ(dice: &mut Dice) -> Self {
        let mut bars = vec![0.0; 16];
        for k in [1, 2, 3, 4, 6, 8, 16] {
            bars[k - 1] = dice.range(0.1..1.0) as f32;
        }
        Self {
            attack: 0.006,
            vibrato: (dice.range(0.03..0.15), 6.3),
            release: 0.02,
            ..Self::new(bars)
        }
    }

    pub(super) fn synth_pad(dice: &mut Dice) -> Self {
        Self {
            attack: dice.range(0.1..0.3),
            release: 0.2,
            detune: dice.range(0.08..0.2),
            ..Self::falling(dice.range(1.0..1.6), dice.chance(0.3))
        }
    }

    pub(super) fn synth_stab(dice: &mut Dice) -> Self {
        Self {
            attack: 0.004,
            decay: dice.range(0.15..0.5),
            dulling: dice.range(0.08..0.25),
            detune: dice.range(0.05..0.15),
            ..Self::falling(dice.range(0.9..1.3), dice.chance(0.4))
        }
    }

    pub(super) fn bass(dice: &mut Dice) -> Self {
        Self {
            attack: 0.006,
            decay: dice.range(0.4..1.0),
            dulling: dice.range(0.08..0.3),
            release: 0.04,
            ..Self::falling(dice.range(1.3..2.2), false)
        }
    }

    /// A singing voice: harmonics under the two formants of a vowel.
    pub(super) fn voice(dice: &mut Dice, note: f64) -> Self {
        let (f1, f2) = dice.pick(&[
            (730.0, 1090.0),
            (530.0, 1840.0),
            (390.0, 1990.0),
            (570.0, 840.0),
        ]);
        let f0 = hz(note);
        let amplitude = |k: i32| {
            let f = f64::from(k) * f0;
            let formant = |centre: f64, width: f64| (-((f - centre) / width).powi(2)).exp();
            (formant(f1, 180.0) + 0.6 * formant(f2, 240.0) + 0.15 * formant(2900.0, 400.0) + 0.02)
                as f32
        };
        Self {
            attack: dice.range(0.02..0.07),
            vibrato: (dice.range(0.15..0.45), dice.range(4.8..6.2)),
            breath: 0.05,
            ..Self::new((1..=40).map(amplitude).collect())
        }
    }

    /// One note of `seconds`, starting `bend` semitones off and gliding to pitch.
    pub(super) fn play(&self, note: f64, seconds: f64, bend: f64, dice: &mut Dice) -> Vec<f32> {
        let f0 = hz(note);
        let (bright, dull) = self.tables(f0);
        let length = ((seconds + 2.0 * self.release) * RATE) as usize;
        let (mut phase, mut second_phase) = (dice.range(0.0..1.0), dice.range(0.0..1.0));
        let second = 2f64.powf(self.detune / 12.0);
        let vibrato_phase = dice.range(0.0..TAU);
        let mut sound = Vec::with_capacity(length);
        // Pitch and envelopes change slowly: once in 16 samples is often enough.
        for block in 0..length.div_ceil(CONTROL) {
            let t = (block * CONTROL) as f64 / RATE;
            // A vibrato sets in after the attack, as a player's does.
            let depth = self.vibrato.0 * (t * 4.0).min(1.0);
            let vibrato = depth * (TAU * self.vibrato.1 * t + vibrato_phase).sin();
            let semitones = vibrato + bend * (-t / 0.06).exp();
            let step = f0 * 2f64.powf(semitones / 12.0) / RATE;
            let brightness = (-t / self.dulling).exp() as f32;
            let (from, to) = (
                self.envelope(t, seconds),
                self.envelope(t + CONTROL as f64 / RATE, seconds),
            );
            for i in 0..CONTROL.min(length - sound.len()) {
                let read = |p: f64| {
                    let at = (p * TABLE as f64) as usize % TABLE;
                    dull[at] + brightness * (bright[at] - dull[at])
                };
                phase = (phase + step).fract();
                let mut y = read(phase);
                if self.detune != 0.0 {
                    second_phase = (second_phase + step * second).fract();
                    y = 0.6 * (y + read(second_phase));
                }
                if self.breath > 0.0 {
                    y += self.breath * dice.noise();
                }
                sound.push(y * (from + (to - from) * i as f32 / CONTROL as f32));
            }
        }
        sound
    }

    /// Loudness at time `t` of a note held for `seconds`.
    fn envelope(&self, t: f64, seconds: f64) -> f32 {
        let release = match t > seconds {
            true => (-(t - seconds) / (0.4 * self.release)).exp(),
            false => 1.0,
        };
        ((t / self.attack).min(1.0) * (-t / self.decay).exp() * release) as f32
    }

    /// One cycle with every harmonic below Nyquist, and a dull one; both of the same loudness scale.
    fn tables(&self, f0: f64) -> (Vec<f32>, Vec<f32>) {
        let audible = ((0.45 * RATE / f0) as usize).clamp(1, self.harmonics.len());
        let harmonics = &self.harmonics[..audible];
        let energy: f32 = harmonics.iter().map(|a| a * a).sum();
        let scale = 0.5 / energy.sqrt().max(1e-3);
        let (mut bright, mut dull) = (vec![0.0; TABLE], vec![0.0; TABLE]);
        let sine: Vec<f32> = (0..TABLE)
            .map(|i| (TAU * i as f64 / TABLE as f64).sin() as f32)
            .collect();
        for (k, amplitude) in harmonics.iter().enumerate() {
            let a = amplitude * scale;
            let d = a * (-0.35 * k as f32).exp();
            for i in 0..TABLE {
                let s = sine[i * (k + 1) % TABLE];
                bright[i] += a * s;
                dull[i] += d * s;
            }
        }
        (bright, dull)
    }
}

/// A plucked string: Karplus and Strong, "Digital Synthesis of Plucked-String and Drum Timbres"
/// (1983), with an all-pass for the fraction of a sample in the period (Jaffe and Smith, 1983).
#[derive(Debug, Clone, Copy)]
pub(super) struct Pluck {
    /// 0 (soft thumb) to 1 (steel and plectrum).
    pub brightness: f64,
    /// Seconds in which the string loses most of its energy.
    pub sustain: f64,
    /// Seconds in which a damped string dies after its note.
    pub release: f64,
}

impl Pluck {
    pub(super) fn play(&self, note: f64, seconds: f64, bend: f64, dice: &mut Dice) -> Vec<f32> {
        let f0 = hz(note + bend);
        let period = RATE / f0 - 0.5;
        let n = (period as usize).max(2);
        let fraction = (period - n as f64).clamp(0.05, 0.95) as f32;
        let allpass = (1.0 - fraction) / (1.0 + fraction);
        let loss = 10f64.powf(-3.0 / (f0 * self.sustain)) as f32;
        let mut string: Vec<f32> = (0..n).map(|_| dice.noise()).collect();
        let smoothing = (1.0 - self.brightness) as f32;
        for _ in 0..2 {
            let mut last = string[n - 1];
            for v in &mut string {
                *v += smoothing * (last - *v) * 0.9;
                last = *v;
            }
        }
        let peak = string.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
        let (mut before, mut x1, mut y1) = (0.0, 0.0, 0.0);
        let length = ((seconds + 3.0 * self.release) * RATE) as usize;
        (0..length)
            .map(|i| {
                let at = i % n;
                let out = string[at];
                let averaged = loss * 0.5 * (out + before);
                before = out;
                let tuned = allpass * (averaged - y1) + x1;
                (x1, y1) = (averaged, tuned);
                string[at] = tuned;
                let t = i as f64 / RATE;
                let release = if t > seconds {
                    (-(t - seconds) / self.release).exp()
                } else {
                    1.0
                };
                out / peak * 0.6 * release as f32
            })
            .collect()
    }
}

/// An amplifier: soft clipping, then a cabinet that cuts above `cutoff` Hz.
pub(super) fn amplify(sound: &mut [f32], drive: f32, cutoff: f64) {
    let a = (1.0 - (-TAU * cutoff / RATE).exp()) as f32;
    let (mut low1, mut low2) = (0.0, 0.0);
    for v in sound {
        let clipped = (*v * drive).tanh();
        low1 += a * (clipped - low1);
        low2 += a * (low1 - low2);
        *v = 0.5 * low2;
    }
}

/// Several notes at once, mixed into one sound.
pub(super) fn together(notes: &[i32], mut play: impl FnMut(f64) -> Vec<f32>) -> Vec<f32> {
    let mut mix: Vec<f32> = Vec::new();
    let scale = 1.0 / (notes.len().max(1) as f32).sqrt();
    for &note in notes {
        let sound = play(f64::from(note));
        mix.resize(mix.len().max(sound.len()), 0.0);
        for (m, s) in mix.iter_mut().zip(&sound) {
            *m += scale * s;
        }
    }
    mix
}
