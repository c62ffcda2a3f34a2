//! Which adapter is meant: by a number, or a part of a name.

use std::fmt;
use std::str::FromStr;

/// Which adapter to use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AdapterChoice {
    /// The best one: discrete GPU, integrated GPU, other, software.
    #[default]
    Best,
    /// By its number in `gtzan-gpu devices`.
    Index(usize),
    /// By a part of its name, whatever the case.
    Name(String),
}

impl FromStr for AdapterChoice {
    type Err = std::convert::Infallible;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(match s.parse() {
            Ok(index) => Self::Index(index),
            Err(_) => Self::Name(s.to_owned()),
        })
    }
}

impl fmt::Display for AdapterChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("best"),
            Self::Index(i) => write!(f, "{i}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl AdapterChoice {
    /// The number of the adapter that is meant, if there is one, among all by name.
    pub fn among(&self, names: &[String]) -> Option<usize> {
        let called = |part: &str| {
            let part = part.to_lowercase();
            names.iter().position(|n| n.to_lowercase().contains(&part))
        };
        match self {
            AdapterChoice::Best => (!names.is_empty()).then_some(0),
            AdapterChoice::Index(i) if *i < names.len() => Some(*i),
            // As in RTX 4090: a whole word, and not a number that an adapter might have.
            AdapterChoice::Index(i) => {
                let number = i.to_string();
                let is_word = |n: &String| n.split_whitespace().any(|word| word == number);
                names.iter().position(is_word).filter(|_| *i >= 100)
            }
            AdapterChoice::Name(part) => called(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_index_or_a_part_of_a_name() {
        let names = [
            "NVIDIA GeForce RTX 4090",
            "AMD Radeon 780M",
            "llvmpipe (LLVM 15.0.6, 256 bits)",
        ];
        let names = names.map(str::to_owned);
        for (asked, found) in [
            ("0", Some(0)),
            ("2", Some(2)),
            ("4090", Some(0)),
            ("780", None),
            ("780M", Some(1)),
            ("3", None),
            ("15", None),
            ("40", None),
            ("radeon", Some(1)),
            ("RTX 40", Some(0)),
            ("5090", None),
        ] {
            let Ok(choice) = asked.parse::<AdapterChoice>();
            assert_eq!(choice.among(&names), found, "{asked}");
            assert_eq!(choice.to_string(), asked);
        }
        assert_eq!(AdapterChoice::Best.among(&names), Some(0));
        assert_eq!(AdapterChoice::Best.among(&[]), None);
    }
}
