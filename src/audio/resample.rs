//! Sample-rate conversion to [`SAMPLE_RATE`] with rubato's windowed sinc, applied by FFT.

use std::path::Path;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

use super::SAMPLE_RATE;
use crate::error::{Error, Result};

/// Filter length in samples of the slower of the two rates. With this window it puts the -6 dB point near 0.957 of the
/// lower Nyquist frequency and silence from there on: `librosa.load`'s soxr_hq, flat up to 0.913, has the same.
const FILTER_LEN: u32 = 312;

/// Converts mono `samples` at `rate` Hz to [`SAMPLE_RATE`]; the length is `ceil(n * SAMPLE_RATE / rate)` as librosa's.
///
/// The filter is as long as an FFT block, which must hold whole periods of the ratio. Between rates that have little in
/// common (44,101 Hz, say) it is therefore longer than wanted, and its edge only steeper.
pub(super) fn resample(path: &Path, samples: Vec<f32>, rate: u32) -> Result<Vec<f32>> {
    if rate == SAMPLE_RATE || samples.is_empty() {
        return Ok(samples);
    }
    let failed = |e: &dyn std::fmt::Display| {
        Error::file(
            path,
            format!("can't convert it from {rate} to {SAMPLE_RATE} Hz ({e})"),
        )
    };
    let common = gcd(rate, SAMPLE_RATE);
    let (period_in, period_out) = (rate / common, SAMPLE_RATE / common);
    // An even number of periods: the filter's delay, half a block, is then a whole number of samples on both sides.
    let shorter = period_in.min(period_out);
    let periods = 2 * ((FILTER_LEN + shorter) / (2 * shorter)).max(1);
    let mut resampler = Fft::<f32>::new_custom(
        rate as usize,
        SAMPLE_RATE as usize,
        (periods * period_in) as usize,
        1,
        1,
        WindowFunction::BlackmanHarris2,
        FixedSync::Both,
    )
    .map_err(|e| failed(&e))?;
    let n = samples.len();
    let input = InterleavedSlice::new(&samples, 1, n).map_err(|e| failed(&e))?;
    let output = resampler
        .process_all(&input, n, None)
        .map_err(|e| failed(&e))?;
    Ok(output.take_data())
}

/// Greatest common divisor (Euclid).
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
