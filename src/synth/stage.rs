//! Where sounds come together, and what the studio does to them.

use std::f64::consts::TAU;

use super::RATE;
use super::dice::Dice;

/// The track so far, and the bar that is being played.
pub(super) struct Stage {
    samples: Vec<f32>,
    /// Start of the current bar in s; may be negative, since an excerpt starts anywhere.
    origin: f64,
    /// Length of a beat in s.
    pub beat: f64,
    /// How far players are off the beat, in s.
    looseness: f64,
}

impl Stage {
    pub(super) fn new(seconds: f64, beat: f64, looseness: f64) -> Self {
        Self {
            samples: vec![0.0; (seconds * RATE).round() as usize],
            origin: 0.0,
            beat,
            looseness,
        }
    }

    pub(super) fn start_bar(&mut self, origin: f64) {
        self.origin = origin;
    }

    /// Mixes `sound` in at `at` beats of the bar.
    pub(super) fn add(&mut self, at: f64, gain: f32, sound: &[f32], dice: &mut Dice) {
        // Drawn even for a sound that is not heard, so that the others do not depend on it.
        let off = self.looseness * f64::from(dice.noise());
        let touch = gain * dice.range(0.85..1.15) as f32;
        let start = ((self.origin + at * self.beat + off) * RATE).round() as i64;
        let (skip, start) = if start < 0 {
            ((-start) as usize, 0)
        } else {
            (0, start as usize)
        };
        if skip >= sound.len() || start >= self.samples.len() {
            return;
        }
        for (out, s) in self.samples[start..].iter_mut().zip(&sound[skip..]) {
            *out += touch * s;
        }
    }

    pub(super) fn into_samples(self) -> Vec<f32> {
        self.samples
    }
}

/// The recording chain of one song. Each is different, as recordings are, so that the average
/// spectrum says little about the genre.
pub(super) struct Studio {
    /// Gain of each peaking filter, in dB, by centre frequency.
    equaliser: Vec<(f64, f64)>,
    /// Slope of the whole spectrum: gain of a high shelf in dB.
    tilt: f64,
    /// Where the recording's bandwidth ends, in Hz.
    bandwidth: (f64, f64),
    echo: (f64, f32, f32),
    room: f32,
    /// Level of the noise of tape and room, and how dark it is from 0 to 1.
    noise: (f32, f32),
    gain: f32,
}

impl Studio {
    /// `room` is how much reverberation suits the music, 0 to 1.
    pub(super) fn new(room: f64, dice: &mut Dice) -> Self {
        // Third-octave bands: fewer, and a linear classifier could undo them all.
        let centres = (0..23).map(|band| 50.0 * 2f64.powf(f64::from(band) / 3.0));
        Self {
            equaliser: centres
                .map(|hz| (hz * dice.range(0.9..1.1), dice.range(-4.0..4.0)))
                .collect(),
            tilt: dice.range(-7.0..5.0),
            bandwidth: (dice.range(15.0..120.0), dice.range(4000.0..10_500.0)),
            echo: (0.0, 0.0, 0.0),
            room: (room * dice.range(0.4..1.0)) as f32,
            noise: (dice.gain_db(-75.0..-35.0), dice.range(0.0..0.99) as f32),
            gain: dice.gain_db(-8.0..2.0),
        }
    }

    /// A tape echo of `seconds` at the level `wet`.
    pub(super) fn with_echo(mut self, seconds: f64, wet: f32) -> Self {
        self.echo = (seconds, wet, 0.45);
        self
    }

    /// Everything here is causal, so the start of a track does not depend on its end.
    pub(super) fn record(&self, samples: &mut [f32], dice: &mut Dice) {
        if self.echo.1 > 0.0 {
            let delayed = comb(samples, self.echo.0, self.echo.2);
            samples
                .iter_mut()
                .zip(&delayed)
                .for_each(|(s, d)| *s += self.echo.1 * d);
        }
        if self.room > 0.0 {
            // Schroeder's reverberator without the all-passes: parallel combs, mutually prime delays.
            let mut wet = vec![0.0; samples.len()];
            for (delay, feedback) in [
                (0.0297, 0.77),
                (0.0371, 0.74),
                (0.0411, 0.72),
                (0.0437, 0.7),
            ] {
                let comb = comb(samples, delay, feedback);
                wet.iter_mut().zip(&comb).for_each(|(w, c)| *w += 0.25 * c);
            }
            samples
                .iter_mut()
                .zip(&wet)
                .for_each(|(s, w)| *s += self.room * w);
        }
        for &(hz, db) in &self.equaliser {
            Biquad::peak(hz, db).run(samples);
        }
        Biquad::high_shelf(1200.0, self.tilt).run(samples);
        let (low, high) = self.bandwidth;
        Biquad::cut(low, true).run(samples);
        Biquad::cut(high, false).run(samples);
        let (level, dark) = self.noise;
        let mut noise = 0.0;
        for s in samples {
            noise = dark * noise + (1.0 - dark * dark).sqrt() * dice.noise();
            *s = (0.5 * self.gain * (*s + level * noise)).tanh();
        }
    }
}

/// What comes back from a delay line with feedback (without the direct sound).
fn comb(samples: &[f32], seconds: f64, feedback: f32) -> Vec<f32> {
    let delay = ((seconds * RATE) as usize).max(1);
    let mut out = vec![0.0; samples.len()];
    for i in delay..samples.len() {
        out[i] = samples[i - delay] + feedback * out[i - delay];
    }
    out
}

/// A second-order filter, by R. Bristow-Johnson's "Cookbook formulae for audio EQ biquads".
struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
}

impl Biquad {
    fn peak(hz: f64, db: f64) -> Self {
        let (w, gain) = (TAU * hz / RATE, 10f64.powf(db / 40.0));
        let alpha = w.sin() / (2.0 * 3.0);
        Self::normalised(
            [1.0 + alpha * gain, -2.0 * w.cos(), 1.0 - alpha * gain],
            [1.0 + alpha / gain, -2.0 * w.cos(), 1.0 - alpha / gain],
        )
    }

    /// A Butterworth low-pass, or high-pass if `high`.
    fn cut(hz: f64, high: bool) -> Self {
        let w = TAU * hz / RATE;
        let alpha = w.sin() / 2f64.sqrt();
        let (edge, middle) = match high {
            true => ((1.0 + w.cos()) / 2.0, -(1.0 + w.cos())),
            false => ((1.0 - w.cos()) / 2.0, 1.0 - w.cos()),
        };
        Self::normalised(
            [edge, middle, edge],
            [1.0 + alpha, -2.0 * w.cos(), 1.0 - alpha],
        )
    }

    fn high_shelf(hz: f64, db: f64) -> Self {
        let (w, g) = (TAU * hz / RATE, 10f64.powf(db / 40.0));
        let (c, s) = (w.cos(), (2.0 * g).sqrt() * w.sin());
        Self::normalised(
            [
                g * ((g + 1.0) + (g - 1.0) * c + s),
                -2.0 * g * ((g - 1.0) + (g + 1.0) * c),
                g * ((g + 1.0) + (g - 1.0) * c - s),
            ],
            [
                (g + 1.0) - (g - 1.0) * c + s,
                2.0 * ((g - 1.0) - (g + 1.0) * c),
                (g + 1.0) - (g - 1.0) * c - s,
            ],
        )
    }

    fn normalised(b: [f64; 3], a: [f64; 3]) -> Self {
        Self {
            b: b.map(|v| (v / a[0]) as f32),
            a: [(a[1] / a[0]) as f32, (a[2] / a[0]) as f32],
        }
    }

    fn run(&self, samples: &mut [f32]) {
        let ([b0, b1, b2], [a1, a2]) = (self.b, self.a);
        let (mut s1, mut s2) = (0.0, 0.0);
        for v in samples {
            let y = b0 * *v + s1;
            s1 = b1 * *v - a1 * y + s2;
            s2 = b2 * *v - a2 * y;
            *v = y;
        }
    }
}
