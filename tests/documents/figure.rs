//! Figures as people write them.

const WORDS: [&str; 13] = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];

/// A figure in a text: a word, or a number with decimals, thousands apart, and a unit.
pub struct Figure {
    /// Where it begins.
    pub start: usize,
    /// In bytes, or in ones.
    pub value: f64,
    decimals: usize,
    unit: &'static str,
    scale: f64,
    /// A word; with a capital letter or without.
    word: Option<bool>,
}

/// The figure at the end of a text as it stands, and as it would read if it were `value`.
pub fn compared(text: &str, value: f64) -> Option<(String, String)> {
    let figure = Figure::at_end(text)?;
    Some((text[figure.start..].to_owned(), figure.restated(value)))
}

const UNITS: [(&str, f64); 5] = [
    (" KiB", 1024.0),
    (" MiB", 1024.0 * 1024.0),
    (" GiB", 1024.0 * 1024.0 * 1024.0),
    (" million", 1e6),
    (" %", 0.01),
];

impl Figure {
    /// The one that `text` ends with.
    pub fn at_end(text: &str) -> Option<Self> {
        let unit = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit));
        let (unit, scale) = unit.unwrap_or(("", 1.0));
        let number = &text[..text.len() - unit.len()];
        let last = number.len()
            - number
                .chars()
                .rev()
                .take_while(char::is_ascii_alphabetic)
                .count();
        let word = number[last..].to_ascii_lowercase();
        if let Some(value) = WORDS.iter().position(|w| *w == word) {
            return Some(Self {
                start: last,
                value: value as f64 * scale,
                decimals: 0,
                unit,
                scale,
                word: Some(number[last..].starts_with(char::is_uppercase)),
            });
        }
        let of_number = |c: &char| c.is_ascii_digit() || matches!(c, '.' | ',');
        let start = number.len() - number.chars().rev().take_while(of_number).count();
        let digits = number[start..].replace(',', "");
        Some(Self {
            start,
            value: digits.parse::<f64>().ok()? * scale,
            decimals: digits.split_once('.').map_or(0, |(_, d)| d.len()),
            unit,
            scale,
            word: None,
        })
    }

    /// As it would read if it were `value`.
    pub fn restated(&self, value: f64) -> String {
        let (value, unit) = (value / self.scale, self.unit);
        let word = WORDS
            .get(value as usize)
            .filter(|_| value.fract() == 0.0 && value >= 0.0);
        if let (Some(capital), Some(word)) = (self.word, word) {
            let (first, rest) = word.split_at(1);
            return match capital {
                true => format!("{}{rest}{unit}", first.to_uppercase()),
                false => format!("{word}{unit}"),
            };
        }
        let plain = format!("{value:.*}", self.decimals);
        let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
        let mut grouped = String::new();
        for (i, digit) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        format!("{grouped}{rest}{unit}")
    }
}

#[test]
fn figures_are_restated_as_they_are_written() {
    let is = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
    assert_eq!(
        compared("takes 68.9 MiB", 72_236_624.0),
        is("68.9 MiB", "68.9 MiB")
    );
    assert_eq!(
        compared("takes 70 MiB", 72_236_624.0),
        is("70 MiB", "69 MiB")
    );
    assert_eq!(compared("(440,841", 440_842.0), is("440,841", "440,842"));
    assert_eq!(compared("with three", 2.0), is("three", "two"));
    assert_eq!(compared("Three", 2.0), is("Three", "Two"));
    assert_eq!(compared("three", 14.0), is("three", "14"));
    assert_eq!(compared("x=1.5", 2.31), is("1.5", "2.3"));
    assert_eq!(compared("of a stone", 2.0), None);
    assert_eq!(
        compared("some 9.5 million", 446_000_000.0),
        is("9.5 million", "446.0 million")
    );
    assert_eq!(compared("nothing here ", 1.0), None);
}
