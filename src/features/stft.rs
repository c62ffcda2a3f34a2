//! The short-time Fourier transform that all features share.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Samples per frame.
pub(super) const N_FFT: usize = 2048;
/// Samples between frames.
pub(super) const HOP: usize = 512;
/// Frequency bins, 0 Hz to Nyquist.
pub(super) const BINS: usize = N_FFT / 2 + 1;

/// Window and transform. f64 throughout: the spectral contrast looks at the quietest bins, which the rounding noise of
/// an f32 transform would reach.
pub(super) struct Stft {
    window: Vec<f64>,
    fft: Arc<dyn RealToComplex<f64>>,
}

/// Working memory of one thread.
pub(super) struct Scratch {
    frame: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    fft: Vec<Complex<f64>>,
}

impl Stft {
    pub fn new() -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(N_FFT);
        // The periodic Hann window, as scipy's get_window(..., fftbins=True) has it.
        let turn = std::f64::consts::TAU / N_FFT as f64;
        let window = (0..N_FFT)
            .map(|i| 0.5 - 0.5 * (turn * i as f64).cos())
            .collect();
        Self { window, fft }
    }

    pub fn scratch(&self) -> Scratch {
        Scratch {
            frame: self.fft.make_input_vec(),
            spectrum: self.fft.make_output_vec(),
            fft: self.fft.make_scratch_vec(),
        }
    }

    /// Writes |STFT|^2 of the frame centred at sample `frame * HOP` to `power` (BINS values); samples before the start
    /// and after the end are zeros (`center=True`, `pad_mode="constant"`).
    pub fn power(&self, samples: &[f32], frame: usize, scratch: &mut Scratch, power: &mut [f32]) {
        let start = (frame * HOP) as isize - (N_FFT / 2) as isize;
        let lead = ((-start).max(0) as usize).min(N_FFT);
        let from = (start.max(0) as usize).min(samples.len());
        let inside = &samples[from..(from + N_FFT - lead).min(samples.len())];
        scratch.frame.fill(0.0);
        let windowed = scratch.frame[lead..].iter_mut().zip(&self.window[lead..]);
        windowed
            .zip(inside)
            .for_each(|((out, w), &s)| *out = w * f64::from(s));
        // Fails only for buffers of a wrong length, and these came from the plan itself.
        let done = self.fft.process_with_scratch(
            &mut scratch.frame,
            &mut scratch.spectrum,
            &mut scratch.fft,
        );
        debug_assert!(done.is_ok());
        power
            .iter_mut()
            .zip(&scratch.spectrum)
            .for_each(|(p, z)| *p = z.norm_sqr() as f32);
    }
}
