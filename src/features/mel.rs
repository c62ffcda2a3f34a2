//! Mel filters and the discrete cosine transform of the MFCC.

use super::stft::{BINS, N_FFT};
use super::{MELS, MFCCS};
use crate::audio::SAMPLE_RATE;

/// `librosa.filters.mel(sr=22050, n_fft=2048, n_mels=128)`: triangles on the Slaney mel scale, each of unit area
/// (`norm="slaney"`). Kept as the few non-zero weights of each.
pub(super) struct MelFilters {
    bands: Vec<Band>,
}

struct Band {
    first_bin: usize,
    weights: Vec<f32>,
}

impl MelFilters {
    pub fn new() -> Self {
        let nyquist = f64::from(SAMPLE_RATE) / 2.0;
        let step = hz_to_mel(nyquist) / (MELS + 1) as f64;
        let edges: Vec<f64> = (0..MELS + 2).map(|i| mel_to_hz(step * i as f64)).collect();
        let bands = edges.windows(3).map(|edge| {
            let [low, centre, high] = [edge[0], edge[1], edge[2]];
            let area = 2.0 / (high - low);
            let weight = |bin: usize| {
                let f = bin as f64 * f64::from(SAMPLE_RATE) / N_FFT as f64;
                let triangle = ((f - low) / (centre - low))
                    .min((high - f) / (high - centre))
                    .max(0.0);
                // librosa rounds to f32 before and after scaling.
                (f64::from(triangle as f32) * area) as f32
            };
            let first_bin = (0..BINS).find(|&b| weight(b) > 0.0).unwrap_or(BINS);
            let weights = (first_bin..BINS)
                .map(weight)
                .take_while(|&w| w > 0.0)
                .collect();
            Band { first_bin, weights }
        });
        Self {
            bands: bands.collect(),
        }
    }

    /// Mel power (MELS values) of one power spectrum (BINS values).
    pub fn apply(&self, power: &[f32], mel: &mut [f64]) {
        for (out, band) in mel.iter_mut().zip(&self.bands) {
            *out = f64::from(super::dot::<4>(&band.weights, &power[band.first_bin..]));
        }
    }
}

/// Where the Slaney scale turns from linear to logarithmic.
const BREAK_HZ: f64 = 1000.0;
/// Hz per mel below the break.
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// Mels per e-fold above the break: 27 mels from 1 to 6.4 kHz.
fn mels_per_log() -> f64 {
    27.0 / 6.4f64.ln()
}

/// Slaney's mel scale (Auditory Toolbox), `librosa.hz_to_mel(htk=False)`.
fn hz_to_mel(hz: f64) -> f64 {
    if hz < BREAK_HZ {
        hz / HZ_PER_MEL
    } else {
        BREAK_HZ / HZ_PER_MEL + (hz / BREAK_HZ).ln() * mels_per_log()
    }
}

/// Inverse of [`hz_to_mel`].
fn mel_to_hz(mel: f64) -> f64 {
    let knee = BREAK_HZ / HZ_PER_MEL;
    if mel < knee {
        mel * HZ_PER_MEL
    } else {
        BREAK_HZ * ((mel - knee) / mels_per_log()).exp()
    }
}

/// The first [`MFCCS`] rows of the orthonormal DCT-II (`scipy.fftpack.dct(type=2, norm="ortho")`).
pub(super) struct Dct {
    /// (MFCCS, MELS)
    basis: Vec<[f32; MELS]>,
}

impl Dct {
    pub fn new() -> Self {
        let n = MELS as f64;
        let row = |k: usize| {
            let scale = if k == 0 {
                (1.0 / n).sqrt()
            } else {
                (2.0 / n).sqrt()
            };
            std::array::from_fn(|i| {
                (scale * (std::f64::consts::PI * k as f64 * (i as f64 + 0.5) / n).cos()) as f32
            })
        };
        Self {
            basis: (0..MFCCS).map(row).collect(),
        }
    }

    /// MFCC of one frame of log-mel decibels.
    pub fn apply(&self, log_mel: &[f32; MELS]) -> [f32; MFCCS] {
        std::array::from_fn(|k| super::dot::<16>(&self.basis[k], log_mel))
    }
}
