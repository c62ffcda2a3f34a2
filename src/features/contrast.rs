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
        let mut selected = [0f32; BINS];
        for ((band, peak), valley) in self.bands.iter().zip(peaks).zip(valleys) {
            let values = &mut selected[..band.bins.len()];
            values.copy_from_slice(&power[band.bins.clone()]);
            // Order statistics of the power are those of the magnitude, so only the chosen few need a square root.
            let (n, k) = (values.len(), band.quantile);
            let mean = |chosen: &[f32]| {
                chosen.iter().map(|&p| f64::from(p).sqrt()).sum::<f64>() / k as f64
            };
            values.select_nth_unstable_by(k - 1, f32::total_cmp);
            *valley = mean(&values[..k]);
            values.select_nth_unstable_by(n - k, f32::total_cmp);
            *peak = mean(&values[n - k..]);
        }
    }
}
