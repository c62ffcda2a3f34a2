//! Sample-rate conversion to [`SAMPLE_RATE`]: one windowed sinc, evaluated where the output's samples lie.

use super::SAMPLE_RATE;
use super::filter::Filter;

/// Converts mono `samples` at `rate` Hz (more than 0) to [`SAMPLE_RATE`] like `librosa.load`: features differ by less than
/// 0.01 dB in mel and 0.1 in contrast wherever there is sound; from rates of 88.2 kHz on, and between 33 and 44 kHz, but for
/// the first two frames of a sound that begins at full level ([`Filter::lost`]). The length is `ceil(n * SAMPLE_RATE / rate)`;
/// when the exact length is nearer to one sample less, the last is zero, as librosa pads it.
///
/// Output k is the sum of the input around it, weighted by the filter: `y[k] = sum_j x[j] h(j - k * rate / SAMPLE_RATE)`.
/// Outputs at equal distances from the input's grid share their weights, so each such phase is done as a whole and only one
/// row of weights is held, whatever the two rates have in common. Sums are in f64 and in a fixed order.
pub(super) fn resample(samples: Vec<f32>, rate: u32) -> Vec<f32> {
    if rate == SAMPLE_RATE || samples.is_empty() {
        return samples;
    }
    let common = gcd(rate, SAMPLE_RATE);
    let (step, phases) = ((rate / common) as usize, (SAMPLE_RATE / common) as usize);
    let filter = Filter::between(rate, SAMPLE_RATE);
    // Samples of the lower rate per sample of the input.
    let unit = f64::from(rate.min(SAMPLE_RATE)) / f64::from(rate);
    let reach = (filter.reach() / unit).ceil() as usize;
    let mut padded = vec![0.0f32; reach];
    padded.extend_from_slice(&samples);
    padded.resize(samples.len() + 2 * reach + 1, 0.0);

    let exact = samples.len() as u64 * phases as u64;
    let mut output = vec![0.0f32; exact.div_ceil(step as u64) as usize];
    let rounded = ((2 * exact + step as u64) / (2 * step as u64)) as usize;
    let wanted = rounded.min(output.len());
    let mut row = vec![0.0f64; 2 * reach + 1];
    for first in 0..phases.min(wanted) {
        let (whole, part) = (first * step / phases, first * step % phases);
        let offset = part as f64 / phases as f64 + reach as f64;
        for (j, weight) in row.iter_mut().enumerate() {
            *weight = unit * filter.at((j as f64 - offset) * unit);
        }
        let starts = (whole..).step_by(step);
        for (y, start) in output[..wanted][first..]
            .iter_mut()
            .step_by(phases)
            .zip(starts)
        {
            *y = dot(&row, &padded[start..start + row.len()]) as f32;
        }
    }
    let step = f64::from(rate.min(SAMPLE_RATE)) / f64::from(SAMPLE_RATE);
    let lost = filter.lost(&samples, unit, step);
    for (y, lost) in output[..wanted].iter_mut().zip(lost) {
        *y = (f64::from(*y) - lost) as f32;
    }
    output
}

/// Sum of products, in eight partial sums that the compiler keeps in vector registers.
fn dot(weights: &[f64], samples: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0f64; LANES];
    let (w, x) = (weights.chunks_exact(LANES), samples.chunks_exact(LANES));
    let rest = w.remainder().iter().zip(x.remainder());
    let rest: f64 = rest.map(|(w, x)| w * f64::from(*x)).sum();
    for (w, x) in w.zip(x) {
        for lane in 0..LANES {
            sums[lane] += w[lane] * f64::from(x[lane]);
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Greatest common divisor (Euclid).
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
