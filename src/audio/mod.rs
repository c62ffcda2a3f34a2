//! Files to samples: `.au`, `.wav`, MP3, FLAC and Ogg Vorbis to mono f32 at [`SAMPLE_RATE`].
//!
//! The steps and their order are those of `librosa.load(path, sr=22050, mono=True, duration=seconds)`: decode, average
//! the channels, resample.

pub mod au;
mod compressed;
mod filter;
mod mono;
mod ogg;
mod pcm;
mod resample;
mod source;
mod tags;
mod wav;

use std::path::Path;

use crate::error::{Error, Result};
use source::Source;

/// Samples per second of everything behind [`load`].
pub const SAMPLE_RATE: u32 = 22_050;

/// Decodes the first `seconds` (all when None) of the file at `path` to mono f32 at [`SAMPLE_RATE`], full scale
/// [-1, 1]. Fewer samples come back when the file is shorter.
///
/// The format is decided by the content, then by the extension. No more of the file is read than needed, and memory
/// follows what is really there, not what a header claims. A file that was cut off is decoded as far as it goes. Tags
/// before and behind the audio are stepped over. Each stretch of a stream that changes its rate is resampled by itself.
/// A pipe is read to its end into memory, 1 GiB at most.
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
    let whole = Source::open(path)?;
    let whole_len = whole.len();
    let mut source = tags::skip_leading(whole).map_err(io)?;
    let len = source.len();
    if len == 0 {
        return Err(Error::file(
            path,
            format!(
                "its tags reach to the end of its {whole_len} bytes, so the audio is missing; copy it again"
            ),
        ));
    }
    let magic: [u8; 12] = source.peek(0).map_err(io)?;
    let magic = &magic[..magic.len().min(len as usize)];
    let parts = match Format::of(path, magic, len < whole_len) {
        Some(Format::Au) => vec![au::read(path, &mut source, len, seconds)?],
        Some(Format::Wav) => vec![wav::read(path, &mut source, len, seconds)?],
        Some(Format::Compressed) => compressed::read(path, source, seconds)?,
        None if is_pointer(magic) => return Err(pointer(path)),
        None => {
            return Err(Error::file(
                path,
                match other_format(magic) {
                    Some(name) => format!(
                        "it is {name}, which can't be read; convert it, e.g. with \"ffmpeg -i FILE song.wav\""
                    ),
                    None => format!(
                        "no known audio format (it begins with {:02x?}); AU, WAV, MP3, FLAC and Ogg Vorbis can be read",
                        &magic[..magic.len().min(4)]
                    ),
                },
            ));
        }
    };
    let mut samples = Vec::new();
    // A part without samples is what a change right at the end leaves; only all parts together must have some.
    let some = parts.iter().any(|p| !p.is_empty());
    for part in parts.into_iter().filter(|p| !some || !p.is_empty()) {
        let (rate, part) = part.finish(path)?;
        let part = resample::resample(part, rate);
        if samples.is_empty() {
            samples = part;
        } else {
            samples.extend(part);
        }
    }
    Ok(samples)
}

/// Whether a file is the text that Git LFS leaves in place of one it has not fetched.
fn is_pointer(magic: &[u8]) -> bool {
    magic.starts_with(b"version http")
}

fn pointer(path: &Path) -> Error {
    Error::file(
        path,
        "a Git LFS pointer, not the audio itself; fetch it with \"git lfs pull\"",
    )
}

/// Formats that people rename or hand over, by their first bytes.
fn other_format(magic: &[u8]) -> Option<&'static str> {
    match magic {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("MPEG-4 (m4a, mp4: AAC or ALAC)"),
        [
            b'F',
            b'O',
            b'R',
            b'M',
            _,
            _,
            _,
            _,
            b'A',
            b'I',
            b'F',
            b'F' | b'C',
            ..,
        ] => Some("AIFF"),
        [0x30, 0x26, 0xb2, 0x75, ..] => Some("Windows Media (wma)"),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Some("Matroska or WebM"),
        [b'M', b'T', b'h', b'd', ..] => Some("MIDI, notes without sound"),
        [b'M', b'A', b'C', b' ', ..] => Some("Monkey's Audio"),
        [b'w', b'v', b'p', b'k', ..] => Some("WavPack"),
        [b'P', b'K', 3, 4, ..] => Some("a zip archive"),
        _ => None,
    }
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
    /// By the first bytes, else by there being a tag before them, else by the extension of `path`.
    fn of(path: &Path, magic: &[u8], tagged: bool) -> Option<Self> {
        match magic {
            [b'.', b's', b'n', b'd', ..] | [b'd', b'n', b's', b'.', ..] => return Some(Self::Au),
            [b'R', b'I', b'F', b'F' | b'X', ..]
            | [b'R', b'F', b'6', b'4', ..]
            | [b'B', b'W', b'6', b'4', ..] => return Some(Self::Wav),
            [b'f', b'L', b'a', b'C', ..]
            | [b'O', b'g', b'g', b'S', ..]
            | [b'I', b'D', b'3', ..] => return Some(Self::Compressed),
            // An MPEG audio frame: eleven set bits.
            [0xff, b, ..] if b & 0xe0 == 0xe0 => return Some(Self::Compressed),
            _ if is_pointer(magic) || other_format(magic).is_some() => return None,
            // Padding between an ID3 tag and the first frame.
            _ if tagged => return Some(Self::Compressed),
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
