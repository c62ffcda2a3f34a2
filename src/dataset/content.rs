//! What a track sounds like, whatever its file is called, and which samples say nothing.
//!
//! A track is known by a hash of the first 2 s of its sound, as decoded to mono at 22,050 Hz: the same for `first` and
//! `all` segments, for either definition of the features, and for a WAV and a FLAC of one recording. A track of an array
//! file has no sound; it is known by the hash that the file carries for it, or by one of its first sample.

use std::fmt;
use std::str::FromStr;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::audio::SAMPLE_RATE;
use crate::error::{Error, Result};

/// How much sound identifies a track.
const SECONDS: usize = 2;

/// Identifies a track by its content: 64 bits of a blake3 hash, written as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ContentId(u64);

impl ContentId {
    /// Of decoded samples at 22,050 Hz: [`SECONDS`] from the first that is not like the one before it, so that a file
    /// which begins with digital silence is known by its music.
    ///
    /// `whole` says that nothing follows `samples`. `None` if more must be decoded to tell: the end of what was decoded
    /// is too near, and where decoding stopped, resampling leaves its mark.
    pub(super) fn of_sound(samples: &[f32], whole: bool) -> Option<Self> {
        let constant = samples.iter().take_while(|v| **v == samples[0]).count();
        let sound = &samples[if constant == samples.len() {
            0
        } else {
            constant
        }..];
        let wanted = SECONDS * SAMPLE_RATE as usize;
        if !whole && sound.len() < wanted + SAMPLE_RATE as usize / 8 {
            return None;
        }
        Some(Self(hash(&sound[..sound.len().min(wanted)])))
    }

    /// Of the values of a feature array.
    pub(super) fn of_features(x: &[f32]) -> Self {
        Self(hash(x))
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ContentId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match u64::from_str_radix(text, 16) {
            Ok(id) if digits => Ok(Self(id)),
            _ => Err(Error::data(format!(
                "\"{text}\" does not identify a track: 16 hexadecimal digits do"
            ))),
        }
    }
}

impl From<ContentId> for String {
    fn from(id: ContentId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ContentId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// The print of one sample (rows, frames): equal for equal values. `None` for a sample that says nothing, as silence does:
/// many recordings have such a one, and it makes no two of them the same.
pub(super) fn print_of(x: &[f32], frames: usize) -> Option<u64> {
    // Of one frame, as of an embedding, the rows themselves must differ.
    let run = if frames > 1 { frames } else { x.len() };
    let constant = |row: &[f32]| row.iter().all(|v| *v == row[0]);
    if x.chunks_exact(run.max(1)).all(constant) {
        return None;
    }
    Some(hash(x))
}

/// [`print_of`] every sample of `x` (samples, rows, frames).
pub(super) fn prints_of(x: &[f32], rows: usize, frames: usize) -> Vec<Option<u64>> {
    x.par_chunks_exact((rows * frames).max(1))
        .map(|sample| print_of(sample, frames))
        .collect()
}

fn hash(values: &[f32]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = [0; 4 * 1024];
    for part in values.chunks(1024) {
        for (place, v) in bytes.as_chunks_mut().0.iter_mut().zip(part) {
            // Adding 0 makes -0 and 0 one.
            *place = (v + 0.0).to_le_bytes();
        }
        hasher.update(&bytes[..4 * part.len()]);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}
