//! Sun/NeXT audio (`.au`, `.snd`): a big-endian header of six words, an annotation of any length, then samples.
//!
//! | word | meaning |
//! |---|---|
//! | 0 | magic `.snd` (`dns.` when written little-endian, as DEC did) |
//! | 1 | offset of the samples from the start of the file, odd when the annotation's length is odd |
//! | 2 | bytes of samples; 0xFFFFFFFF when unknown, and wrong in many real files |
//! | 3 | encoding: 1 mu-law, 2..=5 PCM of 8/16/24/32 bits, 6 f32, 7 f64, 27 A-law |
//! | 4 | sample rate in Hz |
//! | 5 | channels, interleaved |

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::mono::Mono;
use super::pcm::{Encoding, Endian};
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;

/// Bytes of the six header words.
const HEADER: u64 = 24;

/// Reads up to `seconds` of the AU stream in `input` (positioned anywhere) that holds `file_len` bytes.
///
/// The size field only ever shortens what is read: the file's own length rules, so that a wrong or unknown size does
/// no harm. A header that is cut off, an unknown encoding, or an offset beyond the end are errors.
pub(super) fn read(
    path: &Path,
    input: &mut (impl Read + Seek),
    file_len: u64,
    seconds: Option<f64>,
) -> Result<Mono> {
    let io = |e: std::io::Error| Error::file(path, format!("can't read it ({e})"));
    let mut header = [0u8; HEADER as usize];
    input.seek(SeekFrom::Start(0)).map_err(io)?;
    if file_len < HEADER {
        return Err(Error::file(
            path,
            format!(
                "an AU header has {HEADER} bytes, the file only {file_len}; it was cut off: copy it again"
            ),
        ));
    }
    input.read_exact(&mut header).map_err(io)?;
    let endian = match &header[..4] {
        b".snd" => Endian::Big,
        b"dns." => Endian::Little,
        other => {
            return Err(Error::file(
                path,
                format!(
                    "not an AU file (it begins with {other:02x?}, not \".snd\"); rename or convert it"
                ),
            ));
        }
    };
    let word = |i: usize| {
        let bytes = [
            header[4 * i],
            header[4 * i + 1],
            header[4 * i + 2],
            header[4 * i + 3],
        ];
        match endian {
            Endian::Big => u32::from_be_bytes(bytes),
            Endian::Little => u32::from_le_bytes(bytes),
        }
    };
    let (offset, size, encoding, rate, channels) =
        (u64::from(word(1)), word(2), word(3), word(4), word(5));
    let encoding = match encoding {
        1 => Encoding::MuLaw,
        2 => Encoding::I8,
        3 => Encoding::I16,
        4 => Encoding::I24,
        5 => Encoding::I32,
        6 => Encoding::F32,
        7 => Encoding::F64,
        27 => Encoding::ALaw,
        other => {
            return Err(Error::file(
                path,
                format!(
                    "AU encoding {other} can't be read (PCM, float, mu-law and A-law can); convert it to 16-bit PCM"
                ),
            ));
        }
    };
    if offset < HEADER || offset > file_len {
        return Err(Error::file(
            path,
            format!(
                "the AU header puts the samples at byte {offset} of {file_len}, so it is damaged or cut off; copy it again"
            ),
        ));
    }
    let mut mono = Mono::new(path, rate, channels, seconds)?;
    let present = file_len - offset;
    // 0 would mean an empty file, yet broken writers leave it 0 with samples behind it; read what is there.
    let claimed = match size {
        0 | u32::MAX => present,
        bytes => u64::from(bytes),
    };
    input.seek(SeekFrom::Start(offset)).map_err(io)?;
    read_samples(
        path,
        input,
        present.min(claimed),
        encoding,
        endian,
        channels as usize,
        &mut mono,
    )?;
    Ok(mono)
}

/// Decodes up to `bytes` bytes of interleaved frames from `input` into `mono`, block by block, until it has enough.
pub(super) fn read_samples(
    path: &Path,
    input: &mut impl Read,
    bytes: u64,
    encoding: Encoding,
    endian: Endian,
    channels: usize,
    mono: &mut Mono,
) -> Result<()> {
    const BLOCK_FRAMES: usize = 16_384;
    let frame = encoding.bytes() * channels;
    let mut left = bytes;
    let (mut raw, mut decoded) = (Vec::new(), Vec::new());
    while left > 0 && mono.missing() > 0 {
        let want = (mono.missing().min(BLOCK_FRAMES) * frame) as u64;
        raw.clear();
        let got = input
            .take(want.min(left))
            .read_to_end(&mut raw)
            .map_err(|e| Error::file(path, format!("can't read it ({e})")))?;
        if got < frame {
            break;
        }
        decoded.clear();
        encoding.decode(endian, &raw[..got - got % frame], &mut decoded);
        mono.push(&decoded);
        left -= got as u64;
    }
    Ok(())
}

/// Writes `samples` (mono, [-1, 1], clipped beyond) to `path` as 16-bit PCM AU at `rate` Hz, atomically: to a temporary
/// file in the same folder, synced, then renamed.
///
/// Fails when the folder can't be written to, or when the samples don't fit the format's 4 GiB.
pub fn write_pcm16(path: impl AsRef<Path>, samples: &[f32], rate: u32) -> Result<()> {
    write_pcm16_annotated(path, samples, rate, "")
}

/// [`write_pcm16`] with a text in the header's annotation field, for people and players that look at it.
pub fn write_pcm16_annotated(
    path: impl AsRef<Path>,
    samples: &[f32],
    rate: u32,
    annotation: &str,
) -> Result<()> {
    let path = path.as_ref();
    let size = u32::try_from(samples.len() as u64 * 2).map_err(|_| {
        Error::file(
            path,
            format!(
                "{} samples are more than an AU file can hold",
                samples.len()
            ),
        )
    })?;
    // The annotation ends with a zero and is padded to a multiple of 8 bytes.
    let mut annotation = annotation.as_bytes().to_vec();
    if !annotation.is_empty() {
        annotation.resize((annotation.len() + 1).next_multiple_of(8), 0);
    }
    let offset = HEADER as u32 + annotation.len() as u32;
    let mut bytes = Vec::with_capacity(offset as usize + size as usize);
    bytes.extend_from_slice(b".snd");
    for word in [offset, size, 3, rate, 1] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes.extend_from_slice(&annotation);
    for &sample in samples {
        // `as` saturates, so 1.0 becomes 32767 and anything louder clips instead of wrapping.
        bytes.extend_from_slice(&((sample * 32_768.0).round() as i16).to_be_bytes());
    }
    atomic_write(path, &bytes)
}
