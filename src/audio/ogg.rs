//! Chained Ogg (<https://www.rfc-editor.org/rfc/rfc3533> section 4): one stream after another in one file, as radio
//! recorders and `cat` make them. Each link is a file of its own to the decoder.

use std::io;

use super::source::Source;

/// Where the link that begins at `start` ends: at the first page that begins a stream after one that doesn't, or at the
/// end of the file. After a damaged page the search goes on at the next, as the decoder does.
pub(super) fn link_end(source: &mut Source, start: u64) -> io::Result<u64> {
    let mut at = start;
    let mut in_headers = true;
    while at < source.len() {
        let head: [u8; 27] = source.peek(at)?;
        if !is_page(&head) {
            at = next_page(source, at + 1)?;
            continue;
        }
        let begins = head[5] & 2 != 0;
        if begins && !in_headers {
            return Ok(at);
        }
        in_headers &= begins;
        let segments = usize::from(head[26]);
        let lacing: [u8; 255] = source.peek(at + 27)?;
        let body: u64 = lacing[..segments].iter().map(|&n| u64::from(n)).sum();
        let end = at + 27 + segments as u64 + body;
        // A damaged length leads into the middle of another page; the pages within are looked at one by one then.
        let next: [u8; 27] = source.peek(end)?;
        at = if end == source.len() || is_page(&next) {
            end
        } else {
            next_page(source, at + 1)?
        };
    }
    Ok(source.len())
}

/// Where the last whole page of a link says that the stream ends, in samples from its beginning (the granule position, RFC 3533
/// section 6); None where there is none in the last two pages' worth of bytes.
pub(super) fn stated_end(source: &mut Source) -> io::Result<Option<i64>> {
    // A page is of 65,307 bytes at most.
    const BLOCK: usize = 1 << 17;
    let from = source.len().saturating_sub(BLOCK as u64);
    let block: Box<[u8; BLOCK]> = Box::new(source.peek(from)?);
    let known = &block[..(source.len() - from) as usize];
    let granule = |at: usize| {
        let page = &known[at..];
        let segments = usize::from(*page.get(26)?);
        let body: usize = page
            .get(27..27 + segments)?
            .iter()
            .map(|&n| usize::from(n))
            .sum();
        page.get(27 + segments + body - 1)?;
        Some(i64::from_le_bytes(page[6..14].try_into().ok()?))
    };
    let mut pages = (0..known.len()).rev().filter(|&at| is_page(&known[at..]));
    // A page in which no packet ends says -1.
    Ok(pages.find_map(|at| granule(at).filter(|&g| g >= 0)))
}

/// Magic, version 0, and no flags but the three there are.
fn is_page(head: &[u8]) -> bool {
    matches!(head, [b'O', b'g', b'g', b'S', 0, flags, ..] if *flags < 8)
}

/// Where the next page at or after `from` begins, or the end of the file.
fn next_page(source: &mut Source, from: u64) -> io::Result<u64> {
    const BLOCK: usize = 1 << 14;
    const HEAD: usize = 6;
    let mut at = from;
    while at < source.len() {
        let block: [u8; BLOCK] = source.peek(at)?;
        if let Some(place) = block.windows(HEAD).position(is_page) {
            return Ok(at + place as u64);
        }
        at += (BLOCK - HEAD + 1) as u64;
    }
    Ok(source.len())
}
