//! Text from elsewhere (file names, labels of a model file, a driver's words) made safe for a terminal.

/// A name that is safe to print: what steers a terminal or reorders the text around it (control characters, line breaks,
/// the Unicode bidirectional ones) becomes `�`.
pub fn printable(name: &str) -> String {
    name.chars()
        .map(|c| if steers(c) { '\u{fffd}' } else { c })
        .collect()
}

/// [`printable`] for text that may have several lines and tabs.
pub fn printable_lines(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if steers(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// JSON that is safe to print and means the same: what `serde_json` leaves as it is (DEL, C1, bidirectional controls) is
/// written as an escape. Outside of strings JSON has none of these.
pub fn printable_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && steers(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// C0, DEL and C1 controls, line and paragraph separators, and the marks, embeddings, overrides and isolates of the
/// Unicode bidirectional algorithm.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str =
        "a\x1b[31m\r\n\t\x07\x7f\u{9b}2J\u{85}\u{202e}gpj\u{2066}\u{200f}\u{2028}é😀";

    #[test]
    fn nothing_that_steers_is_left() {
        let f = '\u{fffd}';
        assert_eq!(
            printable(HOSTILE),
            format!("a{f}[31m{f}{f}{f}{f}{f}{f}2J{f}{f}gpj{f}{f}{f}é😀")
        );
        assert_eq!(
            printable_lines(HOSTILE),
            format!("a{f}[31m{f}\n\t{f}{f}{f}2J{f}{f}gpj{f}{f}{f}é😀")
        );
    }

    #[test]
    fn json_keeps_its_meaning() {
        let json = serde_json::to_string_pretty(&[HOSTILE, "plain"]).unwrap();
        let safe = printable_json(&json);
        assert!(!safe.chars().any(|c| c != '\n' && steers(c)), "{safe:?}");
        let back: Vec<String> = serde_json::from_str(&safe).unwrap();
        assert_eq!(back, [HOSTILE, "plain"]);
    }
}
