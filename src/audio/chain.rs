//! Recordings joined end to end in one file, as `cat` and radio recorders make them: where one ends and the next begins.

use std::io;

use super::ogg;
use super::source::Source;

/// Where the recording that begins at `start` ends because another of its format begins there, else the end of `source`.
/// MP3 has no such places; its frames are told apart one by one.
///
/// `wanted` is how many seconds of it matter, None for all: a FLAC file that says it has them is not searched.
pub(super) fn end(source: &mut Source, start: u64, wanted: Option<f64>) -> io::Result<u64> {
    let head: [u8; 12] = source.peek(start)?;
    let size = [head[4], head[5], head[6], head[7]];
    let stated = match &head {
        [b'O', b'g', b'g', b'S', ..] => return ogg::link_end(source, start),
        [b'f', b'L', b'a', b'C', ..] => return flac_end(source, start, wanted),
        [b'R', b'I', b'F', b'F', ..] => 8 + u64::from(u32::from_le_bytes(size)),
        [b'R', b'I', b'F', b'X', ..] => 8 + u64::from(u32::from_be_bytes(size)),
        [b'.', b's', b'n', b'd', _, _, _, _, a, b, c, d] => {
            u64::from(u32::from_be_bytes(size)) + u64::from(u32::from_be_bytes([*a, *b, *c, *d]))
        }
        _ => return Ok(source.len()),
    };
    // The byte that pads an odd RIFF is not counted, and not every writer pads.
    for end in [start + stated, start + stated + 1] {
        let next: [u8; 4] = source.peek(end)?;
        if head.starts_with(&next) && stated > 12 {
            return Ok(end);
        }
    }
    Ok(source.len())
}

/// What a FLAC stream begins with: its magic, then the head of the STREAMINFO block, whose top bit says it is the last.
fn begins_flac(bytes: &[u8]) -> bool {
    matches!(bytes, [b'f', b'L', b'a', b'C', 0 | 0x80, 0, 0, 34, ..])
}

/// A frame's header does not say that the stream is another, so the next stream's beginning is searched for.
fn flac_end(source: &mut Source, start: u64, wanted: Option<f64>) -> io::Result<u64> {
    // Rate in 20 bits, channels and depth in 8, samples in 36 (RFC 9639, section 8.2).
    let info: [u8; 26] = source.peek(start)?;
    let bits = info[18..26]
        .iter()
        .fold(0u64, |n, &b| n << 8 | u64::from(b));
    let (rate, samples) = (bits >> 44, bits & ((1 << 36) - 1));
    if wanted.is_some_and(|s| rate > 0 && samples as f64 / rate as f64 >= s) {
        return Ok(source.len());
    }
    const BLOCK: usize = 1 << 14;
    const MAGIC: usize = 8;
    let mut at = start + 1;
    while at < source.len() {
        let block: [u8; BLOCK] = source.peek(at)?;
        let places = block.windows(MAGIC).position(begins_flac);
        if let Some(place) = places {
            return Ok(at + place as u64);
        }
        at += (BLOCK - MAGIC + 1) as u64;
    }
    Ok(source.len())
}
