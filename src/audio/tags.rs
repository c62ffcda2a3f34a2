//! Tags around a recording: ID3v2 and APE before it, ID3v1, APE, Lyrics3 and ID3v2.4 behind it. They are stepped over by
//! their stated size, never searched, for a cover picture may hold what looks like an MPEG frame.

use std::io;

use super::source::Source;

/// `source` without the tags before the recording (<https://id3.org/id3v2.4.0-structure>); any number of them in a row.
pub(super) fn skip_leading(mut source: Source) -> io::Result<Source> {
    let mut at = 0;
    while let Some(size) = leading(&source.peek(at)?) {
        // A tag that says it is longer than the file leaves nothing, and the reader says what is missing.
        at += size;
    }
    let end = source.len();
    Ok(source.part(at, end))
}

/// `source` without the tags behind the recording.
pub(super) fn skip_trailing(mut source: Source) -> io::Result<Source> {
    let mut end = source.len();
    while let Some(size) = trailing(&mut source, end)? {
        match end.checked_sub(size) {
            Some(rest) if size > 0 => end = rest,
            // A size beyond the file's start is no tag but chance.
            _ => break,
        }
    }
    Ok(source.part(0, end))
}

/// Bytes of the tag that begins with `head`.
fn leading(head: &[u8; 32]) -> Option<u64> {
    match head {
        [b'I', b'D', b'3', major, minor, flags, a, b, c, d, ..]
            if *major < 0xff && *minor < 0xff =>
        {
            // Header and footer (flag 0x10) don't count in the stated size.
            let footer = if flags & 0x10 != 0 { 10 } else { 0 };
            Some(10 + synchsafe([*a, *b, *c, *d])? + footer)
        }
        [b'A', b'P', b'E', b'T', b'A', b'G', b'E', b'X', ..] => Some(32 + ape_size(head)),
        _ => None,
    }
}

/// Bytes of the tag that ends at `end`.
fn trailing(source: &mut Source, end: u64) -> io::Result<Option<u64>> {
    if end >= 128 && source.peek::<3>(end - 128)? == *b"TAG" {
        return Ok(Some(128));
    }
    if end >= 32 {
        let foot: [u8; 32] = source.peek(end - 32)?;
        if foot.starts_with(b"APETAGEX") {
            // The stated size has the footer in it, the header not.
            let header = if foot[23] & 0x80 != 0 { 32 } else { 0 };
            return Ok(Some(ape_size(&foot) + header));
        }
    }
    if end >= 15 {
        let [digits @ .., _, _, _, _, _, _, _, _, _] = source.peek::<15>(end - 15)?;
        if source.peek::<9>(end - 9)? == *b"LYRICS200"
            && let Ok(size) = String::from_utf8_lossy(&digits).parse::<u64>()
        {
            return Ok(Some(size + 15));
        }
    }
    if end >= 20
        && let [b'3', b'D', b'I', _, _, _, a, b, c, d] = source.peek::<10>(end - 10)?
    {
        return Ok(synchsafe([a, b, c, d]).map(|size| size + 20));
    }
    Ok(None)
}

/// Four times seven bits; None when a byte has its top bit set, which no ID3v2 size has.
fn synchsafe(bytes: [u8; 4]) -> Option<u64> {
    bytes
        .iter()
        .all(|b| b & 0x80 == 0)
        .then(|| bytes.iter().fold(0, |n, &b| n << 7 | u64::from(b)))
}

fn ape_size(block: &[u8; 32]) -> u64 {
    u64::from(u32::from_le_bytes([
        block[12], block[13], block[14], block[15],
    ]))
}
