//! Chained Ogg (<https://www.rfc-editor.org/rfc/rfc3533> section 4): one stream after another in one file, as radio
//! recorders and `cat` make them. Each link is a file of its own to the decoder.

use std::io;

use super::source::Source;

/// Where the link that begins at `start` ends: at the first page that begins a stream after one that doesn't, or at the
/// end of the file. A damaged page ends the search, since the decoder finds the next page on its own.
pub(super) fn link_end(source: &mut Source, start: u64) -> io::Result<u64> {
    let mut at = start;
    let mut in_headers = true;
    while at < source.len() {
        let head: [u8; 27] = source.peek(at)?;
        if !head.starts_with(b"OggS") {
            return Ok(source.len());
        }
        let begins = head[5] & 2 != 0;
        if begins && !in_headers {
            return Ok(at);
        }
        in_headers &= begins;
        let segments = usize::from(head[26]);
        let lacing: [u8; 255] = source.peek(at + 27)?;
        let body: u64 = lacing[..segments].iter().map(|&n| u64::from(n)).sum();
        at += 27 + segments as u64 + body;
    }
    Ok(source.len())
}
