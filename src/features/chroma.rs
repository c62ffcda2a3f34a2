//! Chroma: how much power falls on each of the twelve pitch classes, after an estimate of the recording's tuning.

use super::stft::{BINS, N_FFT};
use super::{CHROMAS, dot};
use crate::audio::SAMPLE_RATE;

/// Hz between bins.
const BIN_HZ: f64 = SAMPLE_RATE as f64 / N_FFT as f64;

/// A0 = 440 Hz / 16, from which octaves are counted.
const OCTAVE_ZERO_HZ: f64 = 440.0 / 16.0;

/// Collects spectral peaks frame by frame (`librosa.piptrack`) and estimates the tuning from them
/// (`librosa.estimate_tuning`).
///
/// The estimate is the fullest of a hundred histogram bins, so a single pitch that rounds to the other side of an edge
/// can tip it. Intermediate results are therefore rounded to f32 where librosa's are.
pub(super) struct PitchTracker {
    /// Pitch in Hz and interpolated peak height.
    peaks: Vec<(f32, f32)>,
}

impl PitchTracker {
    /// Pitches are looked for from here to [`Self::MAX_HZ`].
    const MIN_HZ: f64 = 150.0;
    const MAX_HZ: f64 = 4000.0;
    /// A peak is at least this part of the frame's maximum.
    const THRESHOLD: f32 = 0.1;
    /// Histogram bins per semitone.
    const RESOLUTION: usize = 100;

    pub fn new() -> Self {
        Self { peaks: Vec::new() }
    }

    /// Adds the peaks of one power spectrum (BINS values). `chroma_stft` tracks pitches in the power spectrum, not in
    /// the magnitude.
    pub fn add_frame(&mut self, power: &[f32]) {
        let threshold = Self::THRESHOLD * maximum(power);
        let first = (Self::MIN_HZ / BIN_HZ).ceil() as usize;
        let last = (Self::MAX_HZ / BIN_HZ).ceil() as usize - 1;
        for bin in first..=last {
            let [left, here, right] = [power[bin - 1], power[bin], power[bin + 1]];
            if !(here > threshold && here > left && here >= right) {
                continue;
            }
            // Vertex of the parabola through the three.
            let curvature = f64::from(right + left) - 2.0 * f64::from(here);
            let slope = f64::from(right - left) / 2.0;
            let shift = if slope.abs() >= curvature.abs() {
                0.0
            } else {
                (-slope / curvature) as f32
            };
            let pitch = (bin as f64 + f64::from(shift)) * f64::from(SAMPLE_RATE) / N_FFT as f64;
            let height = here + 0.5 * ((right - left) / 2.0) * shift;
            self.peaks.push((pitch as f32, height));
        }
    }

    /// Deviation from A440 in semitones, one of -0.5, -0.49, ... 0.49; 0 when there was no peak.
    pub fn tuning(mut self) -> f64 {
        if self.peaks.is_empty() {
            return 0.0;
        }
        // Only peaks of at least the median height count.
        let (n, middle) = (self.peaks.len(), self.peaks.len() / 2);
        let (below, &mut (_, upper), _) = self
            .peaks
            .select_nth_unstable_by(middle, |a, b| a.1.total_cmp(&b.1));
        let median = if n % 2 == 1 {
            upper
        } else {
            let lower = below.iter().map(|p| p.1).fold(f32::NEG_INFINITY, f32::max);
            (lower + upper) / 2.0
        };
        let mut counts = [0u32; Self::RESOLUTION];
        for &(pitch, height) in &self.peaks {
            if height < median {
                continue;
            }
            let octaves = f64::from(pitch / OCTAVE_ZERO_HZ as f32).log2() as f32;
            let semitones = CHROMAS as f32 * octaves;
            let mut residual = semitones - semitones.floor();
            if residual >= 0.5 {
                residual -= 1.0;
            }
            counts[Self::histogram_bin(f64::from(residual))] += 1;
        }
        let fullest = counts.iter().copied().max().unwrap_or(0);
        let bin = counts.iter().position(|&c| c == fullest).unwrap_or(0);
        Self::edge(bin)
    }

    /// Lower edge of a histogram bin, computed as `np.linspace(-0.5, 0.5, 101)` does.
    fn edge(bin: usize) -> f64 {
        bin as f64 * (1.0 / Self::RESOLUTION as f64) - 0.5
    }

    /// The bin whose edges, exactly as rounded, enclose `residual`.
    fn histogram_bin(residual: f64) -> usize {
        let guess = ((residual + 0.5) * Self::RESOLUTION as f64) as usize;
        let guess = guess.min(Self::RESOLUTION - 1);
        if residual < Self::edge(guess) {
            guess - 1
        } else if guess + 1 < Self::RESOLUTION && residual >= Self::edge(guess + 1) {
            guess + 1
        } else {
            guess
        }
    }
}

/// Largest of non-negative values, in sixteen lanes that the compiler turns into vectors.
fn maximum(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (blocks, rest) = values.as_chunks::<16>();
    let mut lanes = [0f32; 16];
    for block in blocks {
        for (lane, &v) in lanes.iter_mut().zip(block) {
            *lane = larger(*lane, v);
        }
    }
    lanes.iter().chain(rest).copied().fold(0.0, larger)
}

/// `librosa.filters.chroma(sr=22050, n_fft=2048, tuning=...)` and its use in `chroma_stft`.
pub(super) struct Chroma {
    /// (CHROMAS, BINS)
    filters: Vec<Vec<f32>>,
}

impl Chroma {
    /// Octave (above A0) that counts most, and the width of the Gaussian over octaves.
    const CENTRE_OCTAVE: f64 = 5.0;
    const OCTAVE_WIDTH: f64 = 2.0;

    /// Filters for a recording whose A is `tuning` semitones away from 440 Hz.
    pub fn new(tuning: f64) -> Self {
        let classes = CHROMAS as f64;
        let reference = OCTAVE_ZERO_HZ * (tuning / classes).exp2();
        // Position of each bin in semitones. 0 Hz has none: librosa puts it 1.5 octaves under bin 1.
        let mut position: Vec<f64> = (0..=BINS)
            .map(|b| classes * (b as f64 * BIN_HZ / reference).log2())
            .collect();
        position[0] = position[1] - 1.5 * classes;
        let mut filters = vec![vec![0.0; BINS]; CHROMAS];
        for bin in 0..BINS {
            let width = (position[bin + 1] - position[bin]).max(1.0);
            let bumps: [f64; CHROMAS] = std::array::from_fn(|class| {
                let turned = position[bin] - class as f64 + classes / 2.0;
                let distance = turned - classes * (turned / classes).floor() - classes / 2.0;
                (-0.5 * (2.0 * distance / width).powi(2)).exp()
            });
            let norm = bumps.iter().map(|b| b * b).sum::<f64>().sqrt();
            let octave = (position[bin] / classes - Self::CENTRE_OCTAVE) / Self::OCTAVE_WIDTH;
            let emphasis = (-0.5 * octave * octave).exp();
            for (class, bump) in bumps.iter().enumerate() {
                // Semitones count from A, chroma rows from C: three further.
                let row = (class + CHROMAS - 3) % CHROMAS;
                filters[row][bin] = (bump / norm * emphasis) as f32;
            }
        }
        Self { filters }
    }

    /// Chroma of one power spectrum (BINS values), scaled so that the largest is 1; all zeros for silence.
    pub fn apply(&self, power: &[f32]) -> [f32; CHROMAS] {
        let raw: [f32; CHROMAS] = std::array::from_fn(|row| dot::<16>(&self.filters[row], power));
        let largest = raw.iter().copied().fold(0.0, f32::max);
        if largest < f32::MIN_POSITIVE {
            raw
        } else {
            raw.map(|v| v / largest)
        }
    }
}
