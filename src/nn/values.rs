//! The numbers of a model file, checked where they stand: the deserialiser alone knows neither the key nor the line of a number
//! that does not fit its type.

use super::layer::{MOMENTA, RATES};
use crate::error::{Error, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the value of a key can be.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// A size: 1 or more.
    Size,
    /// A size, or one for each direction.
    Pair,
    /// A size, or the word `classes`.
    Units,
    /// A number that passes.
    Number(fn(f64) -> bool, &'static str),
}

/// The keys of layers whose values are numbers.
const KEYS: [(&str, Wanted); 9] = [
    ("filters", Wanted::Size),
    ("units", Wanted::Units),
    ("kernel", Wanted::Pair),
    ("stride", Wanted::Pair),
    ("window", Wanted::Pair),
    (
        "l2",
        Wanted::Number(
            |x| (0.0..=f64::from(f32::MAX)).contains(&x),
            "from 0 to 3.4e38",
        ),
    ),
    (
        "momentum",
        Wanted::Number(|x| MOMENTA.contains(&(x as f32)), "from 0 to 1"),
    ),
    (
        "epsilon",
        Wanted::Number(
            |x| x as f32 > 0.0 && (x as f32).is_finite(),
            "above 0, to 3.4e38",
        ),
    ),
    (
        "rate",
        Wanted::Number(|x| RATES.contains(&(x as f32)), "from 0 to below 1"),
    ),
];

impl Wanted {
    fn allows(self, value: &DeValue) -> bool {
        match self {
            Self::Size => is_size(value),
            Self::Units => is_size(value) || value.as_str() == Some("classes"),
            Self::Pair => match value {
                DeValue::Array(both) => {
                    both.len() == 2 && both.iter().all(|v| is_size(v.get_ref()))
                }
                one => is_size(one),
            },
            Self::Number(fits, _) => number(value).is_some_and(fits),
        }
    }

    fn words(self) -> String {
        let size = format!("a whole number from 1 to {}", i64::MAX);
        match self {
            Self::Size => size,
            Self::Units => format!("{size}, or \"classes\""),
            Self::Pair => format!("{size}, or two of them: [vertical, horizontal]"),
            Self::Number(_, range) => format!("a number {range}"),
        }
    }
}

fn is_size(value: &DeValue) -> bool {
    whole(value).is_some_and(|n| n >= 1)
}

fn whole(value: &DeValue) -> Option<i64> {
    let n = value.as_integer()?;
    i64::from_str_radix(n.as_str(), n.radix()).ok()
}

fn number(value: &DeValue) -> Option<f64> {
    match value {
        DeValue::Float(x) => x.as_str().parse().ok(),
        other => whole(other).map(|n| n as f64),
    }
}

/// Check every number of the layers in `text`; what else is wrong with it is the deserialiser's to say.
///
/// # Errors
/// With the line, the key, and what its value can be.
pub(super) fn check(text: &str, origin: &str) -> Result<()> {
    match DeTable::parse(text) {
        Ok(table) => layers(table.get_ref(), text, origin),
        Err(_) => Ok(()),
    }
}

fn layers(table: &DeTable, text: &str, origin: &str) -> Result<()> {
    for list in ["layer", "shortcut"] {
        let found = table.get(list).and_then(|v| v.get_ref().as_array());
        let layers = found.into_iter().flat_map(|a| a.iter());
        for layer in layers.filter_map(|l| l.get_ref().as_table()) {
            for (key, wanted) in KEYS {
                if let Some(value) = layer.get(key)
                    && !wanted.allows(value.get_ref())
                {
                    return Err(refusal(key, wanted, value, text, origin));
                }
            }
            self::layers(layer, text, origin)?;
        }
    }
    Ok(())
}

fn refusal(key: &str, wanted: Wanted, value: &Spanned<DeValue>, text: &str, origin: &str) -> Error {
    let span = value.span();
    let line = 1 + text
        .bytes()
        .take(span.start)
        .filter(|&b| b == b'\n')
        .count();
    let written: String = text.get(span).unwrap_or("").chars().take(60).collect();
    Error::model(format!(
        "{origin}, line {line}: {key} = {written}: give {}",
        wanted.words()
    ))
}

#[cfg(test)]
mod tests {
    use crate::nn::Model;

    #[test]
    fn a_number_that_will_not_do_is_named_with_its_line_and_what_would() {
        let size = "give a whole number from 1 to 9223372036854775807";
        for (key, value, wanted) in [
            ("filters", "-1", size),
            ("filters", "0", size),
            ("filters", "1.5", size),
            ("filters", "9223372036854775808", size),
            ("filters", "99999999999999999999999999", size),
            ("filters", "\"many\"", size),
            ("filters", "[3, 3]", size),
            ("kernel", "-3", "or two of them: [vertical, horizontal]"),
            ("kernel", "[3]", "or two of them: [vertical, horizontal]"),
            (
                "kernel",
                "[3, -3]",
                "or two of them: [vertical, horizontal]",
            ),
            (
                "kernel",
                "[3, 3, 3]",
                "or two of them: [vertical, horizontal]",
            ),
            ("stride", "0", size),
            ("window", "-0x3", "line 5"),
            ("l2", "-1", "give a number from 0 to 3.4e38"),
            ("l2", "1e300", "give a number from 0 to 3.4e38"),
            ("l2", "nan", "give a number from 0 to 3.4e38"),
            ("momentum", "1.5", "give a number from 0 to 1"),
            ("epsilon", "0", "give a number above 0"),
            ("epsilon", "1e-60", "give a number above 0"),
            ("rate", "1", "give a number from 0 to below 1"),
            ("rate", "true", "give a number from 0 to below 1"),
            ("units", "0", "or \"classes\""),
            ("units", "\"class\"", "or \"classes\""),
        ] {
            // In a residual block, so that nested layers are reached too.
            let text = format!(
                "name = 'x'\n[[layer]]\ntype = 'residual'\n[[layer.layer]]\n{key} = {value}\ntype = 'x'\n"
            );
            let error = Model::from_toml(&text, "m.toml")
                .expect_err(&text)
                .to_string();
            let start = "m.toml, line 5: ";
            assert!(
                error.starts_with(start) && error.contains(wanted),
                "{error}"
            );
        }
    }

    #[test]
    fn the_largest_size_of_a_file_is_read() {
        let text = "name = 'x'\n[[layer]]\ntype = 'dense'\nunits = 9_223_372_036_854_775_807\n";
        Model::from_toml(text, "m.toml").expect("a model");
        let text =
            "name = 'x'\n[[layer]]\ntype = 'conv2d'\nfilters = 0x10\nkernel = [1, 3]\nl2 = 1\n";
        Model::from_toml(text, "m.toml").expect("a model");
    }
}
