//! WAVE files: RIFF, RIFX (big-endian), RF64 and BW64 (64-bit lengths in a `ds64` chunk), whatever their lengths claim.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::au::read_samples;
use super::mono::Mono;
use super::pcm::{Encoding, Endian};
use crate::error::{Error, Result};

/// Reads up to `seconds` of the WAVE file in `input` that holds `file_len` bytes. A file that was cut off gives the
/// samples that are there; so does one whose length was never filled in (0 or 0xFFFFFFFF), as a pipe or a recorder that
/// crashed leaves it.
pub(super) fn read(
    path: &Path,
    input: &mut (impl Read + Seek),
    file_len: u64,
    seconds: Option<f64>,
) -> Result<Mono> {
    let io = |e: std::io::Error| Error::file(path, format!("can't read it ({e})"));
    input.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut magic = Vec::new();
    (&mut *input).take(12).read_to_end(&mut magic).map_err(io)?;
    let endian = match &magic[..] {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E']
        | [b'R', b'F', b'6', b'4', ..]
        | [b'B', b'W', b'6', b'4', ..] => Endian::Little,
        [b'R', b'I', b'F', b'X', _, _, _, _, b'W', b'A', b'V', b'E'] => Endian::Big,
        _ => {
            return Err(Error::file(
                path,
                format!(
                    "not a WAVE file (it begins with {magic:02x?}, not \"RIFF\", a length and \"WAVE\"); rename or convert it"
                ),
            ));
        }
    };
    let cut = |_| {
        Error::file(
            path,
            "the WAVE file ends before its samples begin; it was cut off: copy it again",
        )
    };
    let (mut format, mut long_size) = (None, None);
    let mut at = 12;
    loop {
        input.seek(SeekFrom::Start(at)).map_err(cut)?;
        let (id, size) = chunk_head(input, endian).map_err(cut)?;
        let left = file_len.saturating_sub(at + 8);
        match &id {
            b"fmt " => format = Some(read_format(path, input, endian, size)?),
            b"ds64" => {
                // The size of the whole file, then that of the samples.
                let mut sizes = [0u8; 16];
                input.read_exact(&mut sizes).map_err(cut)?;
                let [.., a, b, c, d, e, f, g, h] = sizes;
                long_size = Some(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
            }
            b"data" => {
                let Format {
                    encoding,
                    rate,
                    channels,
                } = format.ok_or_else(|| {
                    Error::file(
                        path,
                        "no \"fmt \" chunk before the samples, so the WAVE header is damaged",
                    )
                })?;
                let mut mono = Mono::new(path, rate, channels, seconds)?;
                let claimed = match size {
                    u32::MAX => long_size.filter(|&n| n > 0).unwrap_or(left),
                    // Nothing was recorded when only chunks follow; else the length was never filled in.
                    0 if chunks_to_the_end(input, endian, at + 8, file_len) => 0,
                    0 => left,
                    size => u64::from(size),
                };
                input.seek(SeekFrom::Start(at + 8)).map_err(cut)?;
                read_samples(
                    path,
                    input,
                    left.min(claimed),
                    encoding,
                    endian,
                    channels as usize,
                    &mut mono,
                )?;
                return Ok(mono);
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        at += 8 + u64::from(size) + u64::from(size % 2);
    }
}

/// Name and size of the chunk that `input` is positioned at.
fn chunk_head(input: &mut impl Read, endian: Endian) -> std::io::Result<([u8; 4], u32)> {
    let mut head = [0u8; 8];
    input.read_exact(&mut head)?;
    let [a, b, c, d, size @ ..] = head;
    Ok(([a, b, c, d], word(endian, size)))
}

/// Whether the bytes from `at` on are chunks with printable names that end where the file does.
fn chunks_to_the_end(
    input: &mut (impl Read + Seek),
    endian: Endian,
    mut at: u64,
    file_len: u64,
) -> bool {
    while at < file_len {
        let Ok((id, size)) = input
            .seek(SeekFrom::Start(at))
            .and_then(|_| chunk_head(input, endian))
        else {
            return false;
        };
        if !id.iter().all(|b| (0x20..0x7f).contains(b)) {
            return false;
        }
        at += 8 + u64::from(size) + u64::from(size % 2);
    }
    // The padding byte of the last chunk is often missing.
    at <= file_len + 1
}

/// The `fmt ` chunk: encoding, rate, channels.
struct Format {
    encoding: Encoding,
    rate: u32,
    channels: u32,
}

fn word(endian: Endian, bytes: [u8; 4]) -> u32 {
    match endian {
        Endian::Little => u32::from_le_bytes(bytes),
        Endian::Big => u32::from_be_bytes(bytes),
    }
}

/// Parses the `fmt ` chunk of `size` bytes that `input` is positioned at.
fn read_format(path: &Path, input: &mut impl Read, endian: Endian, size: u32) -> Result<Format> {
    let mut chunk = Vec::new();
    input
        .take(u64::from(size).min(40))
        .read_to_end(&mut chunk)
        .map_err(|e| Error::file(path, format!("can't read it ({e})")))?;
    if chunk.len() < 16 {
        return Err(Error::file(
            path,
            format!(
                "the WAVE format chunk has {} bytes, not 16 or more, so the header is damaged",
                chunk.len()
            ),
        ));
    }
    let u16_at = |i: usize| match endian {
        Endian::Little => u16::from_le_bytes([chunk[i], chunk[i + 1]]),
        Endian::Big => u16::from_be_bytes([chunk[i], chunk[i + 1]]),
    };
    let channels = u32::from(u16_at(2));
    let rate = word(endian, [chunk[4], chunk[5], chunk[6], chunk[7]]);
    let tag = match u16_at(0) {
        // WAVE_FORMAT_EXTENSIBLE: the real tag begins the sub-format GUID.
        0xfffe if chunk.len() >= 26 => u16_at(24),
        tag => tag,
    };
    // A sample fills its container, left-justified when it has fewer valid bits ("Multiple channel audio data and WAVE
    // files", Microsoft 2007), so the container's width counts. Writers put it, or the valid bits, in `bits`; a frame's
    // size has it always.
    let stated = u16_at(14).min(64).next_multiple_of(8);
    let frame = u32::from(u16_at(12));
    let bits = match frame.checked_div(channels) {
        Some(bytes) if frame % channels == 0 && (stated / 8..=8).contains(&(bytes as u16)) => {
            bytes as u16 * 8
        }
        _ => stated,
    };
    let encoding = match (tag, bits) {
        (1, 8) => Encoding::U8,
        (1, 16) => Encoding::I16,
        (1, 24) => Encoding::I24,
        (1, 32) => Encoding::I32,
        (3, 32) => Encoding::F32,
        (3, 64) => Encoding::F64,
        (6, 8) => Encoding::ALaw,
        (7, 8) => Encoding::MuLaw,
        _ => {
            return Err(Error::file(
                path,
                format!(
                    "WAVE format {tag:#06x} with {bits} bits can't be read (PCM, float, mu-law and A-law can); convert it to 16-bit PCM"
                ),
            ));
        }
    };
    Ok(Format {
        encoding,
        rate,
        channels,
    })
}
