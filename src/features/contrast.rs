//! Spectral contrast: how far the peaks of a frequency band stand above its valleys (Jiang et al., "Music type
//! classification by spectral contrast feature", ICME 2002), as `librosa.feature.spectral_contrast` computes it.

use super::CONTRASTS;
use super::stft::{BINS, N_FFT};
use crate::audio::SAMPLE_RATE;

/// The bins of each band and how many of its smallest and largest magnitudes are averaged.
pub(super) struct Contrast {
    bands: Vec<Band>,
}

struct Band {
    bins: std::ops::Range<usize>,
    quantile: usize,
}

impl Contrast {
    /// Upper edge of the lowest band; each further band is an octave.
    const MIN_HZ: f64 = 200.0;
    const QUANTILE: f64 = 0.02;

    pub fn new() -> Self {
        let hz = |bin: usize| bin as f64 * f64::from(SAMPLE_RATE) / N_FFT as f64;
        let bands = (0..CONTRASTS).map(|k| {
            let low = if k == 0 {
                0.0
            } else {
                Self::MIN_HZ * (k as f64 - 1.0).exp2()
            };
            let high = Self::MIN_HZ * (k as f64).exp2();
            // A band begins one bin under its lower edge, so that neighbours touch; the last reaches to Nyquist.
            let inside = |&b: &usize| hz(b) >= low && hz(b) <= high;
            let first = (0..BINS)
                .find(inside)
                .unwrap_or(0)
                .saturating_sub(usize::from(k > 0));
            let last_band = k == CONTRASTS - 1;
            let end = if last_band {
                BINS
            } else {
                (0..BINS).rfind(inside).map_or(BINS, |b| b + 1)
            };
            // The quantile is of the bins counted so; then all bands but the last drop their top bin.
            let quantile = (Self::QUANTILE * (end - first) as f64)
                .round_ties_even()
                .max(1.0) as usize;
            Band {
                bins: first..end - usize::from(!last_band),
                quantile,
            }
        });
        Self {
            bands: bands.collect(),
        }
    }

    /// Mean of the largest and of the smallest magnitudes of each band (CONTRASTS values each) of one power spectrum.
    pub fn peaks_and_valleys(&self, power: &[f32], peaks: &mut [f64], valleys: &mut [f64]) {
        for ((band, peak), valley) in self.bands.iter().zip(peaks).zip(valleys) {
            let (mut largest, mut smallest) = (Chosen::default(), Chosen::default());
            let k = band.quantile.min(MAX_QUANTILE);
            // Music gets quieter towards high frequencies: in these directions most offers are refused.
            let powers = &power[band.bins.clone()];
            powers.chunks(LANES).for_each(|p| largest.offer(p, -1.0, k));
            powers
                .rchunks(LANES)
                .for_each(|p| smallest.offer(p, 1.0, k));
            // Order statistics of the power are those of the magnitude, so only the chosen few need a square root.
            *peak = largest.mean_magnitude(k);
            *valley = smallest.mean_magnitude(k);
        }
    }
}

/// Room for the most values that any band averages (nine, of 432).
const MAX_QUANTILE: usize = 16;

/// Values that are compared at once.
const LANES: usize = 16;

/// The `k` smallest of the keys offered so far, ascending.
struct Chosen([f32; MAX_QUANTILE]);

impl Default for Chosen {
    fn default() -> Self {
        Self([f32::INFINITY; MAX_QUANTILE])
    }
}

impl Chosen {
    /// Takes up those of `sign * values` that are among the `k` smallest, which soon becomes rare.
    #[inline]
    fn offer(&mut self, values: &[f32], sign: f32, k: usize) {
        // Without a branch per value, so that the compiler compares all at once.
        let limit = self.0[k - 1];
        if !values.iter().fold(false, |any, v| any | (sign * v < limit)) {
            return;
        }
        for key in values.iter().map(|v| sign * v) {
            if key < self.0[k - 1] {
                let mut at = k - 1;
                while at > 0 && self.0[at - 1] > key {
                    self.0[at] = self.0[at - 1];
                    at -= 1;
                }
                self.0[at] = key;
            }
        }
    }

    /// Mean of the square roots of the keys' absolute values.
    fn mean_magnitude(&self, k: usize) -> f64 {
        self.0[..k]
            .iter()
            .map(|&p| f64::from(p.abs()).sqrt())
            .sum::<f64>()
            / k as f64
    }
}
