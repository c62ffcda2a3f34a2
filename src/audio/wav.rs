//! WAVE files: hound reads the usual ones; what it refuses though other programs read it goes through a small chunk
//! walk of our own (A-law, mu-law and 64-bit float, unusual `fmt ` sizes, chunks of odd length before the samples,
//! lengths of 0xFFFFFFFF written by a streaming encoder, RF64).

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use hound::{SampleFormat, WavReader};

use super::au::read_samples;
use super::mono::Mono;
use super::pcm::{Encoding, Endian};
use crate::error::{Error, Result};

/// Reads up to `seconds` of the WAVE file in `input` that holds `file_len` bytes. A file that was cut off gives the
/// samples that are there.
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
    if !matches!(
        &magic[..],
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E'] | [b'R', b'F', b'6', b'4', ..]
    ) {
        return Err(Error::file(
            path,
            format!(
                "not a WAVE file (it begins with {magic:02x?}, not \"RIFF\", a length and \"WAVE\"); rename or convert it"
            ),
        ));
    }
    input.seek(SeekFrom::Start(0)).map_err(io)?;
    if let Ok(reader) = WavReader::new(BufReader::new(&mut *input)) {
        let mono = read_hound(path, reader, seconds)?;
        if !mono.is_empty() {
            return Ok(mono);
        }
    }
    read_chunks(path, input, file_len, seconds)
}

/// Collects samples behind the header that hound has read, until there are enough or the file ends.
fn read_hound<R: Read + Seek>(
    path: &Path,
    mut reader: WavReader<R>,
    seconds: Option<f64>,
) -> Result<Mono> {
    let spec = reader.spec();
    let channels = usize::from(spec.channels);
    let mut mono = Mono::new(path, spec.sample_rate, u32::from(spec.channels), seconds)?;
    let plain = match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Int, 8) => Encoding::U8,
        (SampleFormat::Int, 16) => Encoding::I16,
        (SampleFormat::Int, 32) => Encoding::I32,
        (SampleFormat::Float, 32) => Encoding::F32,
        (SampleFormat::Int, 24) => {
            // Three bytes, or the lower three of four: only hound knows. The first error is the end of a cut file.
            while mono.missing() > 0 {
                let block = reader
                    .samples::<i32>()
                    .take(4096 * channels)
                    .map_while(|s| Some(s.ok()? as f32 / 8_388_608.0));
                let samples: Vec<f32> = block.collect();
                mono.push(&samples);
                if samples.len() < 4096 * channels {
                    break;
                }
            }
            return Ok(mono);
        }
        _ => return Ok(mono),
    };
    // hound decodes sample by sample, which takes as long as all the features. When it accepts the first sample, the
    // layout is as plain as it looks, and blocks are decoded from there instead.
    let accepted = match spec.sample_format {
        SampleFormat::Int => matches!(reader.samples::<i32>().next(), Some(Ok(_))),
        SampleFormat::Float => matches!(reader.samples::<f32>().next(), Some(Ok(_))),
    };
    if accepted && reader.seek(0).is_ok() {
        let bytes = u64::from(reader.len()) * plain.bytes() as u64;
        read_samples(
            path,
            &mut reader.into_inner(),
            bytes,
            plain,
            Endian::Little,
            channels,
            &mut mono,
        )?;
    }
    Ok(mono)
}

/// The `fmt ` chunk: encoding, rate, channels.
struct Format {
    encoding: Encoding,
    rate: u32,
    channels: u32,
}

/// Finds `fmt ` and `data` among the chunks and reads the samples.
fn read_chunks(
    path: &Path,
    input: &mut (impl Read + Seek),
    file_len: u64,
    seconds: Option<f64>,
) -> Result<Mono> {
    let cut = |_| {
        Error::file(
            path,
            "the WAVE file ends before its samples begin; it was cut off: copy it again",
        )
    };
    let mut format = None;
    let mut at = 12;
    loop {
        let mut head = [0u8; 8];
        input.seek(SeekFrom::Start(at)).map_err(cut)?;
        input.read_exact(&mut head).map_err(cut)?;
        let [a, b, c, d, size @ ..] = head;
        let size = u64::from(u32::from_le_bytes(size));
        let left = file_len.saturating_sub(at + 8);
        match &[a, b, c, d] {
            b"fmt " => format = Some(read_format(path, input, size)?),
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
                let bytes = left.min(if size == u64::from(u32::MAX) {
                    left
                } else {
                    size
                });
                read_samples(
                    path,
                    input,
                    bytes,
                    encoding,
                    Endian::Little,
                    channels as usize,
                    &mut mono,
                )?;
                return Ok(mono);
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        at += 8 + size + size % 2;
    }
}

/// Parses the `fmt ` chunk of `size` bytes that `input` is positioned at.
fn read_format(path: &Path, input: &mut impl Read, size: u64) -> Result<Format> {
    let mut chunk = Vec::new();
    input
        .take(size.min(40))
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
    let u16_at = |i: usize| u16::from_le_bytes([chunk[i], chunk[i + 1]]);
    let channels = u32::from(u16_at(2));
    let rate = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
    // A sample fills its container, left-justified when it has fewer valid bits, so the container's width counts.
    let bits = u16_at(14).next_multiple_of(8).min(64);
    let tag = match u16_at(0) {
        // WAVE_FORMAT_EXTENSIBLE: the real tag begins the sub-format GUID.
        0xfffe if chunk.len() >= 26 => u16_at(24),
        tag => tag,
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
