//! Collects decoded interleaved samples as one mono channel and stops when enough has been read.

use std::path::Path;

use crate::error::{Error, Result};

/// Sample rates that real recordings have. Anything outside is a damaged header: resampling from 1 Hz would turn a
/// short file into hours, and a rate of 10 MHz belongs to no sound.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// More channels than this is a damaged header, not a recording.
const MAX_CHANNELS: u32 = 64;

/// Seconds of `seconds` that `parts` don't have yet; None for all.
pub(super) fn wanted(parts: &[Mono], seconds: Option<f64>) -> Option<f64> {
    let left = seconds? - parts.iter().map(Mono::seconds).sum::<f64>();
    // Less than a sample of any rate is none.
    Some(if left < 1e-6 { 0.0 } else { left })
}

/// Mono samples at the file's own rate.
pub(super) struct Mono {
    rate: u32,
    channels: usize,
    /// Most frames wanted, `usize::MAX` for all.
    limit: usize,
    samples: Vec<f32>,
}

impl Mono {
    /// For a stream of `channels` at `rate` Hz of which the first `seconds` are wanted (all when None).
    ///
    /// Fails when rate or channel count can only come from a damaged header.
    pub fn new(path: &Path, rate: u32, channels: u32, seconds: Option<f64>) -> Result<Self> {
        if !RATES.contains(&rate) {
            return Err(Error::file(
                path,
                format!(
                    "a sample rate of {rate} Hz is outside {} to {} Hz, so the header is damaged; encode the file again",
                    RATES.start(),
                    RATES.end()
                ),
            ));
        }
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(Error::file(
                path,
                format!(
                    "{channels} channels (1 to {MAX_CHANNELS} can be read), so the header is damaged; encode the file again"
                ),
            ));
        }
        // As librosa.load does: int(duration * rate) frames at the file's rate, before any resampling.
        let limit = seconds.map_or(usize::MAX, |s| (s * f64::from(rate)) as usize);
        Ok(Self {
            rate,
            channels: channels as usize,
            limit,
            samples: Vec::new(),
        })
    }

    /// Frames still wanted.
    pub fn missing(&self) -> usize {
        self.limit - self.samples.len()
    }

    /// Samples per second of the recording.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How long what was collected is.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// Appends whole frames of interleaved samples, averaging the channels; frames beyond the limit are dropped.
    pub fn push(&mut self, interleaved: &[f32]) {
        self.push_frames(self.channels, interleaved);
    }

    /// [`Mono::push`] of frames with their own number of `channels`, for streams that change it.
    pub fn push_frames(&mut self, channels: usize, interleaved: &[f32]) {
        let missing = self.missing();
        if channels == 1 {
            self.samples.extend(interleaved.iter().take(missing));
        } else if channels > 1 {
            let n = channels as f32;
            let frames = interleaved.chunks_exact(channels).take(missing);
            self.samples
                .extend(frames.map(|frame| frame.iter().sum::<f32>() / n));
        }
    }

    /// Whether nothing was collected.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The rate in Hz and the samples; fails when there are none, or one is NaN or infinite.
    pub fn finish(self, path: &Path) -> Result<(u32, Vec<f32>)> {
        if self.samples.is_empty() && self.limit > 0 {
            return Err(Error::file(
                path,
                "no audio in the file: it ends after its header; replace or remove it",
            ));
        }
        if let Some(at) = self.samples.iter().position(|s| !s.is_finite()) {
            let seconds = at as f64 / f64::from(self.rate);
            return Err(Error::file(
                path,
                format!(
                    "sample {at} (at {seconds:.3} s) is {}, not a finite number; encode the file again",
                    self.samples[at]
                ),
            ));
        }
        Ok((self.rate, self.samples))
    }
}
