//! Files to samples: `.au`, `.wav`, MP3, FLAC and Ogg Vorbis to mono f32 at [`SAMPLE_RATE`].
//!
//! The steps and their order are those of `librosa.load(path, sr=22050, mono=True, duration=seconds)`: decode, average
//! the channels, resample.

pub mod au;
mod compressed;
mod mono;
mod pcm;
mod resample;
mod wav;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result};

/// Samples per second of everything behind [`load`].
pub const SAMPLE_RATE: u32 = 22_050;

/// Decodes the first `seconds` (all when None) of the file at `path` to mono f32 at [`SAMPLE_RATE`], full scale
/// [-1, 1]. Fewer samples come back when the file is shorter.
///
/// The format is decided by the content, then by the extension. No more of the file is read than needed, and memory
/// follows what is really there, not what a header claims. A file that was cut off is decoded as far as it goes.
///
/// Fails with one sentence that names the file when it can't be opened, is no known audio format, holds no samples, has
/// a rate or channel count that only a damaged header can have, or holds NaN or infinite samples.
pub fn load(path: &Path, seconds: Option<f64>) -> Result<Vec<f32>> {
    if let Some(s) = seconds
        && !(s.is_finite() && s > 0.0)
    {
        return Err(Error::usage(format!(
            "can't load {s} seconds of {}: ask for more than 0",
            path.display()
        )));
    }
    let io = |e: std::io::Error| Error::file(path, format!("can't read it ({e})"));
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(Error::file(path, "it is a folder, not an audio file"));
    }
    let len = metadata.len();
    if len == 0 && metadata.is_file() {
        return Err(Error::file(
            path,
            "the file is empty (0 bytes); replace or remove it",
        ));
    }
    let mut magic = [0u8; 12];
    let mut known = 0;
    while known < magic.len() {
        match file.read(&mut magic[known..]).map_err(io)? {
            0 => break,
            n => known += n,
        }
    }
    let mono = match Format::of(path, &magic[..known]) {
        Some(Format::Au) => au::read(path, &mut file, len, seconds)?,
        Some(Format::Wav) => wav::read(path, &mut file, len, seconds)?,
        Some(Format::Compressed) => {
            file.seek(SeekFrom::Start(0)).map_err(io)?;
            compressed::read(path, file, seconds)?
        }
        None => {
            return Err(Error::file(
                path,
                format!(
                    "no known audio format (it begins with {:02x?}); AU, WAV, MP3, FLAC and Ogg Vorbis can be read",
                    &magic[..known.min(4)]
                ),
            ));
        }
    };
    let (rate, samples) = mono.finish(path)?;
    resample::resample(path, samples, rate)
}

/// Which reader a file goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Au,
    Wav,
    /// MP3, FLAC or Ogg: symphonia tells them apart.
    Compressed,
}

impl Format {
    /// By the first bytes, else by the extension of `path`.
    fn of(path: &Path, magic: &[u8]) -> Option<Self> {
        match magic {
            [b'.', b's', b'n', b'd', ..] | [b'd', b'n', b's', b'.', ..] => return Some(Self::Au),
            [b'R', b'I', b'F', b'F', ..] | [b'R', b'F', b'6', b'4', ..] => return Some(Self::Wav),
            [b'f', b'L', b'a', b'C', ..]
            | [b'O', b'g', b'g', b'S', ..]
            | [b'I', b'D', b'3', ..] => return Some(Self::Compressed),
            // An MPEG audio frame: eleven set bits.
            [0xff, b, ..] if b & 0xe0 == 0xe0 => return Some(Self::Compressed),
            _ => {}
        }
        // MP3 files often begin with padding or other tags; symphonia searches for the first frame. The others
        // always begin with their magic, so that their readers say what is wrong.
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "au" | "snd" => Some(Self::Au),
            "wav" | "wave" => Some(Self::Wav),
            "mp3" | "flac" | "ogg" | "oga" => Some(Self::Compressed),
            _ => None,
        }
    }
}
