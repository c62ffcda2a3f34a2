//! Bytes and scripts as text that may stand inside an HTML page in UTF-8.

use std::fmt::Write;

/// What may not stand in a script element, or does not come back as it was: NUL, the ends of lines, and `<`.
const RESERVED: [u8; 4] = [0, b'\n', b'\r', b'<'];

/// Seven bits to a character, the highest first: 8 characters for 7 bytes, where base64 takes 9.3. A reserved character and the one
/// behind it are one character of two bytes in UTF-8: its number plus 2, and seven bits. `bytesOf` in `web/page.js` reads it.
pub fn seven_bits(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 7 + 8);
    let mut held: Option<u32> = None;
    let mut put = |seven: u8| match held.take() {
        Some(reserved) => text.extend(char::from_u32((reserved + 2) << 7 | u32::from(seven))),
        None => match RESERVED.iter().position(|&r| r == seven) {
            Some(reserved) => held = Some(reserved as u32),
            None => text.push(char::from(seven)),
        },
    };
    let (mut rest, mut bits) = (0u32, 0);
    for &byte in bytes {
        rest = rest << 8 | u32::from(byte);
        bits += 8;
        while bits >= 7 {
            bits -= 7;
            put((rest >> bits) as u8 & 127);
        }
        rest &= (1 << bits) - 1;
    }
    if bits > 0 {
        put((rest << (7 - bits)) as u8 & 127);
    }
    // Nothing is read of it; it ends a pair.
    put(127);
    text
}

/// A script as a `data:` URL that may stand in JSON and in a script element, and is legible there.
pub fn script_url(text: &str) -> String {
    let mut url = "data:text/javascript,".to_owned();
    for byte in text.bytes() {
        match byte {
            b'%' | b'#' | b'"' | b'\\' | b'<' => {}
            b' '..=b'~' => {
                url.push(char::from(byte));
                continue;
            }
            _ => {}
        }
        // Writing to a String can't fail.
        let _ = write!(url, "%{byte:02X}");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `web/page.js` does it.
    fn bytes_of(text: &str, length: usize) -> Vec<u8> {
        let sevens = text.chars().flat_map(|c| match c as u32 {
            code @ 0..128 => vec![code as u8],
            code => vec![RESERVED[(code >> 7) as usize - 2], code as u8 & 127],
        });
        let bits = sevens.flat_map(|s| (0..7).rev().map(move |i| s >> i & 1));
        let bits: Vec<u8> = bits.collect();
        let byte = |eight: &[u8]| eight.iter().fold(0, |b, bit| b << 1 | bit);
        bits.chunks_exact(8).map(byte).take(length).collect()
    }

    #[test]
    fn bytes_come_back_and_nothing_ends_the_element() {
        let mixed: Vec<u8> = (0..70_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for bytes in [
            &[][..],
            &[0],
            &[255, 255],
            &[0; 7],
            &[0; 8],
            &[0x14, 0x28, 0x50, 0xa1, 0x42, 0x85, 0x0a],
            &mixed,
            &mixed[..69_997],
        ] {
            let text = seven_bits(bytes);
            assert!(!text.contains(['\0', '\n', '\r', '<']), "{bytes:?}");
            assert!(text.len() <= bytes.len() * 8 / 7 + 4, "{}", text.len());
            assert_eq!(bytes_of(&text, bytes.len()), bytes);
        }
    }

    #[test]
    fn a_script_keeps_every_character() {
        let url = script_url("a = \"<b>\" + `é#%`; // \\\n");
        assert_eq!(
            url,
            "data:text/javascript,a = %22%3Cb>%22 + `%C3%A9%23%25`; // %5C%0A"
        );
    }
}
