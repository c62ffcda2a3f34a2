//! Rungs asked for by name: what a user writes, and which ladders it means.

use super::{AnyLadder, Choices, RungView, registry};
use crate::error::{Error, Result};
use std::str::FromStr;

/// Rungs asked for by name, as in `conv2d.forward:half,dense:half`: each for a ladder, or for all ladders of an op that have a rung
/// of that name. No ladder is named with two rungs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rungs(Vec<AskedRung>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRung {
    /// As it was written, e.g. `dense:half`.
    pub text: String,
    /// The ladders that it means, one at least.
    pub ladders: Vec<&'static str>,
    /// The rung's name.
    pub rung: &'static str,
}

impl Rungs {
    /// The rungs in the order in which they were written.
    pub fn asked(&self) -> &[AskedRung] {
        &self.0
    }

    /// Let `choices` prefer these rungs on their ladders.
    pub fn prefer_in(&self, choices: &mut Choices) {
        for asked in &self.0 {
            for ladder in &asked.ladders {
                choices.prefer(ladder, asked.rung);
            }
        }
    }
}

impl FromStr for Rungs {
    type Err = Error;

    /// # Errors
    /// When a part is no `LADDER:RUNG`, there is no such ladder, op or rung (with those that there are), or a ladder is named with two
    /// rungs.
    fn from_str(text: &str) -> Result<Self> {
        let mut all: Vec<AskedRung> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let asked = AskedRung::parse(part)?;
            let other = all.iter().find(|a| {
                let both = a.ladders.iter().find(|l| asked.ladders.contains(l));
                both.is_some() && a.rung != asked.rung
            });
            if let Some(other) = other {
                return Err(Error::usage(format!(
                    "{} and {} are two rungs for one ladder; leave out one of the two",
                    other.text, asked.text
                )));
            }
            all.push(asked);
        }
        Ok(Self(all))
    }
}

impl AskedRung {
    fn parse(text: &str) -> Result<Self> {
        let Some((name, rung)) = text.split_once(':') else {
            return Err(Error::usage(format!(
                "'{text}' is no rung; write it as LADDER:RUNG or OP:RUNG, e.g. conv2d.forward:naive"
            )));
        };
        let asked = |ladders, rung: RungView| Self {
            text: text.to_owned(),
            ladders,
            rung: rung.name,
        };
        if let Some(ladder) = ladders().into_iter().find(|l| l.name() == name) {
            let rung = rung_of(ladder, rung)?;
            return Ok(asked(vec![ladder.name()], rung));
        }
        let entries = registry();
        let op = entries.iter().find(|e| e.name == name);
        let Some(op) = op.filter(|e| !e.ladders.is_empty()) else {
            return Err(no_ladder(name));
        };
        let with: Vec<_> = op
            .ladders
            .iter()
            .filter(|l| l.rung(rung).is_some())
            .collect();
        match with.first().and_then(|l| l.rung(rung)) {
            Some(found) => Ok(asked(with.iter().map(|l| l.name()).collect(), found)),
            None => {
                let mut names: Vec<&str> = Vec::new();
                for rung in op.ladders.iter().flat_map(|l| l.rungs()) {
                    if !names.contains(&rung.name) {
                        names.push(rung.name);
                    }
                }
                Err(Error::usage(format!(
                    "no ladder of {name} has a rung '{rung}'; they have {}",
                    names.join(", ")
                )))
            }
        }
    }
}

/// Every ladder of every op.
pub(crate) fn ladders() -> Vec<&'static dyn AnyLadder> {
    let entries = registry();
    entries.iter().flat_map(|e| e.ladders).copied().collect()
}

/// That there is no ladder of this name.
pub(crate) fn no_ladder(name: &str) -> Error {
    let names: Vec<&str> = ladders().iter().map(|l| l.name()).collect();
    Error::usage(format!(
        "there is no ladder '{name}'; a rung is named LADDER:RUNG, and there are the ladders {}",
        names.join(", ")
    ))
}

/// The rung of this name.
///
/// # Errors
/// When there is none, with those that there are.
pub(crate) fn rung_of(ladder: &dyn AnyLadder, name: &str) -> Result<RungView> {
    ladder.rung(name).ok_or_else(|| {
        let names: Vec<&str> = ladder.rungs().iter().map(|r| r.name).collect();
        Error::usage(format!(
            "{} has no rung '{name}'; it has {}",
            ladder.name(),
            names.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Rungs {
        text.parse().expect(text)
    }

    #[test]
    fn a_ladder_or_all_of_an_op_are_asked_for() {
        let rungs = parsed("conv2d.forward:naive, dense:half");
        let [conv, dense] = rungs.asked() else {
            panic!("{rungs:?}");
        };
        assert_eq!(
            (conv.rung, &conv.ladders[..]),
            ("naive", &["conv2d.forward"][..])
        );
        // There is no half for the gradient of the bias.
        let three = [
            "dense.forward",
            "dense.backward_input",
            "dense.backward_weight",
        ];
        assert_eq!((dense.rung, &dense.ladders[..]), ("half", &three[..]));
        assert_eq!(dense.text, "dense:half");
        // Twice the same is no contradiction.
        parsed("conv2d:half,conv2d.forward:half");
    }

    #[test]
    fn what_there_is_not_is_told_with_what_there_is() {
        for (text, parts) in [
            ("", &["'' is no rung", "LADDER:RUNG"][..]),
            ("half", &["'half' is no rung", "conv2d.forward:naive"]),
            ("dense:half,", &["'' is no rung"]),
            (
                "conv3d:half",
                &["no ladder 'conv3d'", "conv2d.forward, ", "dense.forward"],
            ),
            ("relu:naive", &["no ladder 'relu'", "conv2d.forward"]),
            (
                "dense.forward:hlf",
                &["dense.forward has no rung 'hlf'; it has naive, ", "half"],
            ),
            ("dense.forward:", &["dense.forward has no rung ''"]),
            (
                "dense:hlf",
                &[
                    "no ladder of dense has a rung 'hlf'; they have naive, ",
                    "half",
                ],
            ),
            (
                "conv2d:half,conv2d.forward:naive",
                &["conv2d:half and conv2d.forward:naive are two rungs for one ladder"],
            ),
        ] {
            let error = text.parse::<Rungs>().expect_err(text);
            assert_eq!(error.exit_code(), 2);
            for part in parts {
                assert!(error.to_string().contains(part), "{text}: {error}");
            }
        }
    }

    #[test]
    fn choices_prefer_what_was_asked_for() {
        let mut choices = Choices::default();
        parsed("conv2d.forward:naive,dense:half").prefer_in(&mut choices);
        let mut same = Choices::default();
        same.prefer("conv2d.forward", "naive");
        for direction in ["forward", "backward_input", "backward_weight"] {
            same.prefer(&format!("dense.{direction}"), "half");
        }
        assert_eq!(choices, same);
    }
}
