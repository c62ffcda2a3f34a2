//! Files to samples: `.au`, `.wav`, MP3, FLAC and Ogg Vorbis to mono f32 at [`SAMPLE_RATE`].
//!
//! The steps and their order are those of `librosa.load(path, sr=22050, mono=True, duration=seconds)`: decode, average
//! the channels, resample.

pub mod au;
mod chain;
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
use crate::lfs;
use mono::{Mono, wanted};
use source::Source;

/// Samples per second of everything behind [`load`].
pub const SAMPLE_RATE: u32 = 22_050;

/// What [`read`] makes of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Mono, at [`SAMPLE_RATE`], full scale [-1, 1].
    pub samples: Vec<f32>,
    /// What is in the file and not in `samples`, in words; None when nothing is missing.
    pub left_out: Option<String>,
}

/// A stretch of one sample rate: the rate in Hz, and mono samples.
pub type Stretch = (u32, Vec<f32>);

/// [`read`], for those who don't want to know whether something was left out.
///
/// # Errors
/// Those of [`read`].
pub fn load(path: &Path, seconds: Option<f64>) -> Result<Vec<f32>> {
    Ok(read(path, seconds)?.samples)
}

/// Decodes the first `seconds` (all when None) of the file at `path` to mono f32 at [`SAMPLE_RATE`], full scale
/// [-1, 1]. Fewer samples come back when the file is shorter.
///
/// The format is decided by the content, then by the extension. No more of the file is read than needed, and memory
/// follows what is really there, not what a header claims. A file that was cut off is decoded as far as it goes. Tags
/// before and behind the audio are stepped over. Recordings joined end to end are one; each stretch that has its own rate
/// is resampled by itself, and one that is too damaged to decode is left out. A pipe is read to its end into memory, 1 GiB
/// at most.
///
/// # Errors
/// One sentence that names the file when it can't be opened, is no known audio format, holds no samples, has a rate or
/// channel count that only a damaged header can have, or holds NaN or infinite samples.
pub fn read(path: &Path, seconds: Option<f64>) -> Result<Recording> {
    let (stretches, left_out) = decode(path, seconds)?;
    let mut resampled = stretches
        .into_iter()
        .map(|(rate, samples)| resample::resample(samples, rate));
    let mut samples = resampled.next().unwrap_or_default();
    resampled.for_each(|more| samples.extend(more));
    Ok(Recording { samples, left_out })
}

/// [`read`] without resampling: the stretches one after the other, of which neighbours differ in rate, and what was left out.
///
/// # Errors
/// Those of [`read`].
pub fn decode(path: &Path, seconds: Option<f64>) -> Result<(Vec<Stretch>, Option<String>)> {
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
    if source.len() == 0 {
        return Err(Error::file(
            path,
            format!(
                "its tags reach to the end of its {whole_len} bytes, so the audio is missing; copy it again"
            ),
        ));
    }
    let len = source.len();
    let magic: [u8; 12] = source.peek(0).map_err(io)?;
    let magic = &magic[..magic.len().min(len as usize)];
    let format =
        Format::of(path, magic, len < whole_len).ok_or_else(|| unknown_format(path, magic))?;
    if format == Format::Compressed {
        source = tags::skip_trailing(source).map_err(io)?;
    }
    let (mut parts, mut left_out) = (Vec::new(), Vec::new());
    let mut first_error = None;
    let mut at = 0;
    while at < source.len() && wanted(&parts, seconds) != Some(0.0) {
        let seconds = wanted(&parts, seconds);
        let end = chain::end(&mut source, at, seconds).map_err(io)?;
        let mut link = source.duplicate(path)?.part(at, end);
        let len = link.len();
        let result = match format {
            Format::Au => au::read(path, &mut link, len, seconds).map(|part| parts.push(part)),
            Format::Wav => wav::read(path, &mut link, len, seconds).map(|part| parts.push(part)),
            Format::Compressed => {
                let mut decoded = Vec::new();
                let result = compressed::read(path, link, seconds, &mut decoded, &mut left_out);
                parts.append(&mut decoded);
                result
            }
        };
        if let Err(e) = result {
            left_out.push(format!("bytes {at} to {end}, which can't be decoded"));
            first_error.get_or_insert(e);
        }
        at = end;
    }
    if let Some(e) = first_error
        && parts.iter().all(Mono::is_empty)
    {
        return Err(e);
    }
    let left_out = (!left_out.is_empty()).then(|| left_out.join(", "));
    Ok((joined(path, parts)?, left_out))
}

/// Neighbours of one rate as one.
fn joined(path: &Path, parts: Vec<Mono>) -> Result<Vec<Stretch>> {
    // A part without samples is what a change right at the end leaves; only all parts together must have some.
    let some = parts.iter().any(|p| !p.is_empty());
    let mut stretches: Vec<Stretch> = Vec::new();
    for part in parts.into_iter().filter(|p| !some || !p.is_empty()) {
        let (rate, samples) = part.finish(path)?;
        match stretches.last_mut() {
            Some((last, all)) if *last == rate => all.extend(samples),
            _ => stretches.push((rate, samples)),
        }
    }
    Ok(stretches)
}

/// Why a file that begins with `magic` can't be read.
fn unknown_format(path: &Path, magic: &[u8]) -> Error {
    if lfs::is_pointer(magic) {
        return lfs::pointer(path, "the audio");
    }
    Error::file(
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
            _ if lfs::is_pointer(magic) || other_format(magic).is_some() => return None,
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
