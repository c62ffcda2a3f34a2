//! The low-pass filter behind [`super::resample`]: the one that `librosa.load` uses by default (soxr's "HQ"), designed here
//! from its figures.
//!
//! soxr chains a sharp windowed sinc with, between rates that are no whole multiples, a short gentle one. Both are Kaiser
//! windows, and their parameters follow simple laws, found from soxr's responses to impulses at some forty rates: flat to
//! 0.9137 of the lower Nyquist frequency, 126 dB down from there to 1, more where stages add their errors. Only the product
//! of the two matters, and that is computed here. Features that look at the last octave (spectral contrast) see the
//! difference of a filter with the same edges and another window.

/// -6 dB point of the sharp stage, as a fraction of the lower Nyquist frequency. Its stop band begins at 1.
const CUTOFF: f64 = 0.956_87;

/// Transition of the sharp stage, from the pass band's end to the stop band, in the same unit.
const TRANSITION: f64 = 2.0 * (1.0 - CUTOFF);

/// Rejection of one stage: 21 bits.
const REJECTION_DB: f64 = 126.43;

/// Points of the table per sample of the lower rate. Cubic interpolation between them is exact to 1e-9 of the peak.
const DENSITY: usize = 256;

/// Distance of the gentle stage's taps in points of the table. Its response repeats far above its own stop band.
const GENTLE_STEP: usize = DENSITY / 4;

/// An even impulse response over continuous time, with area 1; time is in samples of the lower of two rates.
pub(super) struct Filter {
    /// From time 0 on, [`DENSITY`] per sample, with zeros behind the end.
    table: Vec<f64>,
    reach: f64,
    /// The two stages and the rate between them in multiples of the lower rate, where there are two and no others before.
    stages: Option<(Kaiser, Kaiser, f64)>,
}

impl Filter {
    /// For conversion from `rate` to `target` Hz, both more than 0.
    pub fn between(rate: u32, target: u32) -> Self {
        let stages = Stages::between(rate, target);
        let sharp = Kaiser::sharp(&stages);
        let gentle = match stages.exact {
            true => vec![1.0],
            false => Kaiser::gentle(stages.ratio).taps(),
        };
        let reach = sharp.half + (gentle.len() - 1) as f64 * GENTLE_STEP as f64 / DENSITY as f64;
        let points = (reach * DENSITY as f64).ceil() as usize;
        let alone: Vec<f64> = (0..=points)
            .map(|i| sharp.at(i as f64 / DENSITY as f64))
            .collect();
        let get = |i: usize| alone.get(i).copied().unwrap_or(0.0);
        let mut table: Vec<f64> = (0..=points)
            .map(|i| {
                let around = |(k, w): (usize, &f64)| {
                    let by = k * GENTLE_STEP;
                    match k {
                        0 => w * get(i),
                        _ => w * (get(i + by) + get(i.abs_diff(by))),
                    }
                };
                gentle.iter().enumerate().map(around).sum()
            })
            .collect();
        // What interpolation reads behind the last point.
        table.extend([0.0; 3]);
        Self {
            table,
            reach,
            stages: (stages.alone && !stages.exact).then(|| {
                let gentle = Kaiser::gentle_alone(stages.ratio);
                (sharp, gentle, stages.ratio)
            }),
        }
    }

    /// What the first outputs would have more if the sharp stage's output before time 0 went into the gentle one: none beyond the
    /// end. `unit` is the distance of `samples`, `step` that of the outputs, in samples of the lower rate.
    pub fn lost(&self, samples: &[f32], unit: f64, step: f64) -> Vec<f64> {
        let Some((sharp, gentle, ratio)) = &self.stages else {
            return Vec::new();
        };
        let times = (1..).map(|m| -f64::from(m) / ratio);
        let before: Vec<(f64, f64)> = times
            .take_while(|t| -t <= gentle.half)
            .map(|t| {
                let within = ((sharp.half + t) / unit).max(0.0) as usize + 1;
                let heard = samples.iter().take(within).enumerate();
                let sum = heard.map(|(j, x)| f64::from(*x) * sharp.at(j as f64 * unit - t));
                (t, unit * sum.sum::<f64>())
            })
            .collect();
        let outputs = (0..).map(|k| f64::from(k) * step);
        outputs
            .take_while(|at| *at < gentle.half)
            .map(|at| {
                before
                    .iter()
                    .map(|(t, u)| u * gentle.at(at - t))
                    .sum::<f64>()
                    / ratio
            })
            .collect()
    }

    /// Nothing is farther from time 0 than this.
    pub fn reach(&self) -> f64 {
        self.reach
    }

    /// The response at time `t`, by the cubic through the four points around it.
    pub fn at(&self, t: f64) -> f64 {
        let position = t.abs() * DENSITY as f64;
        let i = position as usize;
        let Some(&[b, c, d]) = self.table.get(i..i + 3).and_then(|p| p.first_chunk()) else {
            return 0.0;
        };
        let a = self.table[if i == 0 { 1 } else { i - 1 }];
        let x = position - i as f64;
        // Lagrange's polynomial through (-1, a), (0, b), (1, c), (2, d).
        let (y, z, w) = (x + 1.0, x - 1.0, x - 2.0);
        y * z * w / 2.0 * b - x * y * w / 2.0 * c + x * z * (y * d - w * a) / 6.0
    }
}

/// How soxr gets from one rate to another.
struct Stages {
    /// Rate at which the sharp stage runs, in multiples of the lower rate: 2 to 4.
    ratio: f64,
    /// Whether octaves and a whole factor are enough, so that no gentle stage is needed.
    exact: bool,
    /// Whether no others come before these two. (From rates of 4 times the target on, octaves are taken off first; between 1.5 and
    /// 2 times, soxr goes another way, whose start this does not match.)
    alone: bool,
    /// By how much the error of one stage must be smaller for all to keep the whole's.
    count: f64,
}

impl Stages {
    fn between(rate: u32, target: u32) -> Self {
        let (low, high) = (f64::from(rate.min(target)), f64::from(rate.max(target)));
        let octaves = (high / low).log2().floor().max(1.0);
        let (mut ratio, exact) = if rate < target {
            (2.0, rate != 0 && target.is_multiple_of(rate))
        } else {
            let mut ratio = high / low;
            while ratio >= 4.0 {
                ratio /= 2.0;
            }
            (ratio, ratio.fract() == 0.0)
        };
        if ratio < 1.5 {
            ratio *= 2.0;
        }
        Self {
            ratio: ratio.max(2.0),
            exact,
            alone: octaves == 1.0 && ratio >= 2.0,
            count: octaves * if exact { 1.0 } else { 2.0 },
        }
    }
}

/// A sinc under Kaiser's window (Kaiser 1974).
struct Kaiser {
    /// -6 dB point as a fraction of the lower Nyquist frequency.
    cutoff: f64,
    beta: f64,
    /// Half the window's length in samples of the lower rate.
    half: f64,
}

impl Kaiser {
    /// The window's parameter for a rejection in dB, near Kaiser's 0.1102 (dB - 8.7).
    fn beta(rejection: f64) -> f64 {
        0.111_46 * (rejection - 9.44)
    }

    fn sharp(stages: &Stages) -> Self {
        let rejection = REJECTION_DB + 20.0 * stages.count.log10();
        // Kaiser's estimate of the length, (dB - 7.95) / (2.285 times the transition in radians), a little longer; then the
        // next of the form 4 n + 1.
        let length = (rejection - 7.95) / (2.27 * TRANSITION * std::f64::consts::PI);
        let taps = 4.0 * (length * stages.ratio / 4.0).ceil() + 1.0;
        Self {
            cutoff: CUTOFF,
            beta: Self::beta(rejection),
            half: taps / 2.0 / stages.ratio,
        }
    }

    /// As short as it can be while it takes 0.01 dB at most from the pass band and ends before the first image of it: what the
    /// product of the stages has of it wherever there is sound.
    fn gentle(ratio: f64) -> Self {
        let cutoff = 0.921 * ratio;
        Self {
            cutoff,
            beta: Self::beta(REJECTION_DB),
            half: 3.3 / (cutoff - 0.9),
        }
    }

    /// The gentle stage by itself, as what is lost at the start shows it.
    fn gentle_alone(ratio: f64) -> Self {
        let cutoff = 0.8565 * ratio + 0.1048;
        Self {
            cutoff,
            beta: 14.1,
            half: 3.44 / (cutoff - 0.9),
        }
    }

    fn at(&self, t: f64) -> f64 {
        let inside = 1.0 - (t / self.half).powi(2);
        if inside < 0.0 {
            return 0.0;
        }
        let window = bessel_i0(self.beta * inside.sqrt()) / bessel_i0(self.beta);
        let angle = std::f64::consts::PI * self.cutoff * t;
        let sinc = if angle == 0.0 {
            1.0
        } else {
            angle.sin() / angle
        };
        self.cutoff * sinc * window
    }

    /// The middle one and those on one side, [`GENTLE_STEP`] apart, with sum 1 over both sides.
    fn taps(&self) -> Vec<f64> {
        let step = GENTLE_STEP as f64 / DENSITY as f64;
        let mut taps: Vec<f64> = (0..=(self.half / step) as usize)
            .map(|k| self.at(k as f64 * step))
            .collect();
        let sum = 2.0 * taps.iter().sum::<f64>() - taps[0];
        taps.iter_mut().for_each(|t| *t /= sum);
        taps
    }
}

/// Modified Bessel function of the first kind and order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * f64::EPSILON / 4.0 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}
