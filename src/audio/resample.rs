//! Sample-rate conversion to [`SAMPLE_RATE`] with rubato's windowed sinc.

use std::path::Path;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

use super::SAMPLE_RATE;
use crate::error::{Error, Result};

/// Filter length in samples of the slower of the two rates.
const SINC_LEN: usize = 256;

/// Where the filter is 6 dB down, as a fraction of the lower Nyquist frequency. `librosa.load` resamples with soxr's
/// "HQ", flat up to 0.913 of it and silent from 1.0 on: the middle of that transition.
const CUTOFF: f32 = 0.9567;

/// Up to this many filter phases the conversion is an exact polyphase filter.
const MAX_PHASES: usize = 882;

/// Converts mono `samples` at `rate` Hz to [`SAMPLE_RATE`]; the length is `ceil(n * SAMPLE_RATE / rate)` as librosa's.
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
    let ratio = f64::from(SAMPLE_RATE) / f64::from(rate);
    let phases = (SAMPLE_RATE / gcd(SAMPLE_RATE, rate)) as usize;
    let sinc_len = (SINC_LEN as f64 / ratio.min(1.0)).ceil() as usize;
    // Output samples fall on `phases` positions between input samples. When these are few, the filter is tabulated at
    // exactly those and needs no interpolation.
    let (oversampling, interpolation) = match phases {
        1..=MAX_PHASES => (phases, SincInterpolationType::Nearest),
        _ => (256, SincInterpolationType::Cubic),
    };
    let parameters = SincInterpolationParameters::new(sinc_len, WindowFunction::BlackmanHarris2)
        .f_cutoff(CUTOFF)
        .oversampling_factor(oversampling)
        .interpolation(interpolation);
    let mut resampler = Async::<f32>::new_sinc(ratio, 1.0, &parameters, 1024, 1, FixedAsync::Input)
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
