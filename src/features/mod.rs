//! Samples to features: the (187, 130) stack of log-mel, MFCC, chroma and spectral contrast, as librosa 0.11 computes it
//! with its default settings (`n_fft` 2048, `hop_length` 512, periodic Hann, centred frames, zero padding).
//!
//! | rows | feature | librosa |
//! |---|---|---|
//! | 0..128 | log-mel in dB | `power_to_db(feature.melspectrogram(n_mels=128))` |
//! | 128..168 | MFCC | `feature.mfcc(n_mfcc=40)` |
//! | 168..180 | chroma | `feature.chroma_stft(n_chroma=12)` |
//! | 180..187 | spectral contrast | `feature.spectral_contrast()` |
//!
//! librosa runs one STFT per feature; here all four share one, and each frame is dropped as soon as it has been used.

mod chroma;
mod contrast;
mod decibel;
mod mel;
mod stft;

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::audio::SAMPLE_RATE;
use crate::error::{Error, Result};
use chroma::{Chroma, PitchTracker};
use contrast::Contrast;
use decibel::{TOP_DB, db, power_to_db};
use mel::{Dct, MelFilters};
use stft::{BINS, HOP, Stft};

/// Feature rows.
pub const ROWS: usize = MELS + MFCCS + CHROMAS + CONTRASTS;
/// Feature columns: one per 512 samples.
pub const FRAMES: usize = 130;
/// Samples of one 3 s segment at [`SAMPLE_RATE`].
pub const SEGMENT_SAMPLES: usize = 3 * SAMPLE_RATE as usize;

/// Log-mel rows.
pub const MELS: usize = 128;
/// MFCC rows.
pub const MFCCS: usize = 40;
/// Chroma rows.
pub const CHROMAS: usize = 12;
/// Spectral contrast rows.
pub const CONTRASTS: usize = 7;

/// Samples of a track that [`Definition::Notebook`] looks at: 30 s.
const TRACK_SAMPLES: usize = 30 * SAMPLE_RATE as usize;

/// What the features are computed from. It belongs to a trained model: the two give different numbers, for the
/// reference level, the 80 dB floor and the tuning estimate depend on everything that was looked at.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Definition {
    /// Of the 3 s segment alone (zeros appended when shorter, the rest ignored when longer); mel in dB relative to the
    /// segment's maximum.
    #[default]
    Segment,
    /// Of the whole track up to 30 s, of which the first 130 frames are kept (zero columns appended when there are
    /// fewer); mel in dB relative to 1.
    Notebook,
}

impl Definition {
    /// Seconds of a track that it looks at, counted from the start of what it is given.
    pub fn seconds(self) -> f64 {
        match self {
            Self::Segment => 3.0,
            Self::Notebook => 30.0,
        }
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Segment => "segment",
            Self::Notebook => "notebook",
        })
    }
}

impl FromStr for Definition {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "segment" => Ok(Self::Segment),
            "notebook" => Ok(Self::Notebook),
            _ => Err(Error::usage(format!(
                "no feature definition \"{name}\"; choose \"segment\" or \"notebook\""
            ))),
        }
    }
}

/// Computes features by one [`Definition`]. One can be shared by many threads; each call in flight uses its own working
/// memory (0.7 MB for a segment, 2 MB for a track), which is kept for later calls.
pub struct Extractor {
    definition: Definition,
    stft: Stft,
    mel: MelFilters,
    dct: Dct,
    contrast: Contrast,
    /// Working memory that no call is using. It is kept because fresh memory means page faults.
    spare: Mutex<Vec<Analysis>>,
}

impl Extractor {
    /// Prepares windows, transforms and filters.
    pub fn new(definition: Definition) -> Self {
        Self {
            definition,
            stft: Stft::new(),
            mel: MelFilters::new(),
            dct: Dct::new(),
            contrast: Contrast::new(),
            spare: Mutex::default(),
        }
    }

    /// The definition it was made for.
    pub fn definition(&self) -> Definition {
        self.definition
    }

    /// Features of `samples` (mono at [`SAMPLE_RATE`], full scale [-1, 1]): `ROWS * FRAMES` values, row-major.
    ///
    /// Samples are padded with zeros or cut as the definition says. Fails without any samples, when one is NaN or
    /// infinite, or when they are so large (beyond about 1e15) that their power overflows.
    pub fn extract(&self, samples: &[f32]) -> Result<Vec<f32>> {
        if samples.is_empty() {
            return Err(Error::data(
                "no samples to compute features of: the audio is empty",
            ));
        }
        let (samples, length) = match self.definition {
            Definition::Segment => (
                &samples[..samples.len().min(SEGMENT_SAMPLES)],
                SEGMENT_SAMPLES,
            ),
            Definition::Notebook => {
                let n = samples.len().min(TRACK_SAMPLES);
                (&samples[..n], n)
            }
        };
        if let Some(at) = samples.iter().position(|s| !s.is_finite()) {
            return Err(Error::data(format!(
                "sample {at} (at {:.3} s) is {}, and features need finite numbers; decode the audio again",
                at as f64 / f64::from(SAMPLE_RATE),
                samples[at]
            )));
        }
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut analysis = spare().pop().unwrap_or_default();
        self.analyse(samples, length, &mut analysis);
        let features = self.stack(&analysis);
        spare().push(analysis);
        if features.iter().any(|v| !v.is_finite()) {
            let loudest = samples.iter().fold(0f32, |m, s| m.max(s.abs()));
            return Err(Error::data(format!(
                "the features overflow: samples reach {loudest:e} where full scale is 1; scale the audio to [-1, 1]"
            )));
        }
        Ok(features)
    }

    /// One pass over the frames of `samples`, followed by zeros up to `length` samples.
    fn analyse(&self, samples: &[f32], length: usize, analysis: &mut Analysis) {
        let frames = 1 + length / HOP;
        analysis.columns = frames.min(FRAMES);
        analysis.power.resize(analysis.columns * BINS, 0.0);
        analysis.mel.resize(frames * MELS, 0.0);
        analysis.peak.resize(frames * CONTRASTS, 0.0);
        analysis.valley.resize(frames * CONTRASTS, 0.0);
        let mut pitches = PitchTracker::new();
        let mut scratch = self.stft.scratch();
        let mut power = vec![0.0; BINS];
        for frame in 0..frames {
            self.stft.power(samples, frame, &mut scratch, &mut power);
            self.mel
                .apply(&power, &mut analysis.mel[frame * MELS..][..MELS]);
            let bands = frame * CONTRASTS..(frame + 1) * CONTRASTS;
            self.contrast.peaks_and_valleys(
                &power,
                &mut analysis.peak[bands.clone()],
                &mut analysis.valley[bands],
            );
            pitches.add_frame(&power);
            if frame < FRAMES {
                analysis.power[frame * BINS..][..BINS].copy_from_slice(&power);
            }
        }
        analysis.tuning = pitches.tuning();
    }

    /// The feature stack of the first [`FRAMES`] frames.
    fn stack(&self, a: &Analysis) -> Vec<f32> {
        let mut out = vec![0.0; ROWS * FRAMES];
        let mut put = |row: usize, frame: usize, values: &[f32]| {
            for (i, &v) in values.iter().enumerate() {
                out[(row + i) * FRAMES + frame] = v;
            }
        };
        // The floor is 80 dB under the maximum of all frames, those that are not kept included.
        let loudest = a.mel.iter().copied().fold(0.0, f64::max);
        let reference = match self.definition {
            Definition::Segment => db(loudest),
            Definition::Notebook => 0.0,
        };
        let floor = db(loudest) - TOP_DB;
        let (peak_db, valley_db) = (power_to_db(&a.peak), power_to_db(&a.valley));
        let chroma = Chroma::new(a.tuning);
        for frame in 0..a.columns {
            let log_mel: [f64; MELS] =
                std::array::from_fn(|i| db(a.mel[frame * MELS + i]).max(floor));
            put(0, frame, &log_mel.map(|v| (v - reference) as f32));
            put(MELS, frame, &self.dct.apply(&log_mel.map(|v| v as f32)));
            put(
                MELS + MFCCS,
                frame,
                &chroma.apply(&a.power[frame * BINS..][..BINS]),
            );
            let contrast: [f32; CONTRASTS] = std::array::from_fn(|i| {
                (peak_db[frame * CONTRASTS + i] - valley_db[frame * CONTRASTS + i]) as f32
            });
            put(MELS + MFCCS + CHROMAS, frame, &contrast);
        }
        out
    }
}

/// What one pass over the frames leaves behind, frame by frame.
#[derive(Default)]
struct Analysis {
    /// Frames that become feature columns.
    columns: usize,
    /// Power spectra of those, (columns, BINS).
    power: Vec<f32>,
    /// Mel power of all frames, (frames, MELS).
    mel: Vec<f64>,
    /// Contrast peaks of all frames, (frames, CONTRASTS).
    peak: Vec<f64>,
    /// Contrast valleys of all frames, (frames, CONTRASTS).
    valley: Vec<f64>,
    /// Deviation from A440 in semitones, [-0.5, 0.5).
    tuning: f64,
}

/// Dot product of the values that `a` and `b` both have, in f32 with `N` partial sums: fast, and more accurate than one
/// running sum.
fn dot<const N: usize>(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<N>();
    let (b_blocks, b_rest) = b[..b.len().min(a.len())].as_chunks::<N>();
    let mut sums = [0f32; N];
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for i in 0..N {
            sums[i] += x[i] * y[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}
