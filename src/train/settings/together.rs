//! Options that only together make sense, or only apart: none may be dropped without a word.
//!
//! [`RULES`] names every pair of which one would leave the other without effect; all other pairs work together. The test of
//! this module goes through all pairs of declared options, so that a new option has to say where it stands.

use super::{Declared, Given, Kind, Settings};
use crate::dataset::Segments;
use crate::error::{Error, Result};
use crate::features::Definition;
use crate::plan::budget::check_micro_batches;
use crate::train::{Keep, Schedule};
use std::path::Path;

/// A pair of options that can't stand together.
struct Rule {
    /// The option that would be without effect.
    dropped: &'static str,
    /// Whether it is so with these values.
    holds: fn(&Settings) -> bool,
    /// Why, behind the flag of `dropped`.
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        dropped: "fold",
        holds: |s| s.folds.is_none(),
        why: "names a fold of --folds, which is not given",
    },
    Rule {
        dropped: "val_fraction",
        holds: |s| s.folds.is_some(),
        why: "is without effect on --folds, which says how much validates",
    },
    Rule {
        dropped: "split",
        holds: |s| s.folds.is_some() && has_lists(s),
        why: "is without effect on --folds, which splits by itself",
    },
    Rule {
        dropped: "val_fraction",
        holds: has_lists,
        why: "is without effect on --split, whose lists say what validates",
    },
    Rule {
        dropped: "group_by",
        holds: has_lists,
        why: "is without effect on --split, whose lists say what is on which side",
    },
    Rule {
        dropped: "segments",
        holds: |s| s.features == Definition::Notebook && s.segments == Segments::All,
        why: "is without effect on --features notebook, which are defined for the first 3 s of a track only",
    },
    Rule {
        dropped: "plateau_patience",
        holds: has_no_plateaus,
        why: "is without effect on another --schedule than plateau",
    },
    Rule {
        dropped: "plateau_factor",
        holds: has_no_plateaus,
        why: "is without effect on another --schedule than plateau",
    },
    Rule {
        dropped: "min_lr",
        holds: |s| s.schedule == Schedule::Constant,
        why: "is without effect on --schedule constant",
    },
    Rule {
        dropped: "frequency_mask",
        holds: |s| s.frequency_masks == 0,
        why: "is without effect without --frequency-masks",
    },
    Rule {
        dropped: "time_mask",
        holds: |s| s.time_masks == 0,
        why: "is without effect without --time-masks",
    },
    Rule {
        dropped: "mixup",
        holds: |s| s.batch_size == 1 && s.mixup > 0.0,
        why: "is without effect on --batch-size 1, which has nothing to mix with",
    },
    Rule {
        dropped: "plateau_factor",
        holds: never_reduces,
        why: "is without effect with --plateau-patience 0",
    },
    Rule {
        dropped: "min_lr",
        holds: never_reduces,
        why: "is without effect with --plateau-patience 0",
    },
    Rule {
        dropped: "min_lr",
        holds: |s| s.min_lr >= s.learning_rate,
        why: "is not below --learning-rate, which then could not be reduced",
    },
    Rule {
        dropped: "keep",
        holds: |s| validates_nothing(s) && s.keep == Keep::Best,
        why: "is without effect with --val-fraction 0, which leaves nothing to say what is best",
    },
    Rule {
        dropped: "early_stopping",
        holds: |s| validates_nothing(s) && s.early_stopping > 0,
        why: "is without effect with --val-fraction 0, which leaves no validation to watch",
    },
    Rule {
        dropped: "schedule",
        holds: watches_nothing,
        why: "is without effect with --val-fraction 0, which leaves no validation to watch",
    },
    Rule {
        dropped: "plateau_patience",
        holds: |s| watches_nothing(s) && s.plateau_patience > 0,
        why: "is without effect with --val-fraction 0, which leaves no validation to watch",
    },
    Rule {
        dropped: "plateau_factor",
        holds: watches_nothing,
        why: "is without effect with --val-fraction 0, which leaves no validation to watch",
    },
    Rule {
        dropped: "min_lr",
        holds: watches_nothing,
        why: "is without effect with --val-fraction 0, which leaves no validation to watch",
    },
    Rule {
        dropped: "keras_statistics",
        holds: |s| s.init.is_some() && !s.keras_statistics,
        why: "is without effect with --init, whose running statistics need no warm-up",
    },
    Rule {
        dropped: "synthetic_tracks",
        holds: |s| s.data.is_some(),
        why: "is without effect on DATA; for the synthetic set give --synthetic",
    },
    Rule {
        dropped: "segments",
        holds: has_arrays,
        why: "is without effect on a file of arrays, whose samples are cut already",
    },
    Rule {
        dropped: "features",
        holds: has_arrays,
        why: "is without effect on a file of arrays, which holds the features",
    },
    Rule {
        dropped: "threads",
        holds: has_arrays,
        why: "is without effect on a file of arrays, of which no features are computed",
    },
];

fn has_no_plateaus(s: &Settings) -> bool {
    s.schedule != Schedule::Plateau
}

fn never_reduces(s: &Settings) -> bool {
    s.schedule == Schedule::Plateau && s.plateau_patience == 0
}

/// Lists and folds say themselves what validates.
fn validates_nothing(s: &Settings) -> bool {
    s.val_fraction == 0.0 && s.folds.is_none() && !has_lists(s)
}

fn watches_nothing(s: &Settings) -> bool {
    validates_nothing(s) && s.schedule == Schedule::Plateau
}

fn has_lists(s: &Settings) -> bool {
    s.split != Settings::default().split
}

fn has_arrays(s: &Settings) -> bool {
    s.data.as_deref().is_some_and(Path::is_file)
}

impl Settings {
    /// Refuse options of which one leaves the other without effect. `command` is what stands on the command line: an option
    /// counts as given there, or when it has another value than in the recipe (a saved config names every option).
    ///
    /// # Errors
    /// With the two options, and which to leave out; or that the batch can't be cut as asked.
    pub fn check(&self, command: &Given, recipe: &Given) -> Result<()> {
        let mut said = self.differences(&Self::of(recipe.clone()));
        said.extend(command.names());
        self.refuse(&said)?;
        match self.micro_batches {
            Some(k) => check_micro_batches(self.batch_size, k),
            None => Ok(()),
        }
    }

    /// [`check`](Self::check) for a run that goes on: only for what stands on the command line now.
    ///
    /// # Errors
    /// As there.
    pub fn check_change(&self, command: &Given) -> Result<()> {
        self.refuse(&command.names())
    }

    fn refuse(&self, said: &[&str]) -> Result<()> {
        match RULES
            .iter()
            .find(|r| (r.holds)(self) && said.contains(&r.dropped))
        {
            None => Ok(()),
            Some(rule) => Err(Error::usage(format!(
                "{} {}; leave out one of the two",
                self.written(rule.dropped),
                rule.why
            ))),
        }
    }

    /// An option as it stands on the command line: a switch that is off has its `--no-` form.
    fn written(&self, name: &str) -> String {
        let option = Declared::all().iter().find(|o| o.name == name);
        let flag = option.map_or_else(|| name.to_owned(), Declared::flag);
        let default = match option.map(|o| o.kind) {
            Some(Kind::Switch(default)) => default,
            _ => return flag,
        };
        let on = default != self.differences(&Self::default()).contains(&name);
        if on {
            flag
        } else {
            flag.replacen("--", "--no-", 1)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::ffi::OsStr;

    /// Every option with values that it may have, the first of them another than the default. A new option gets a line here,
    /// and a rule above for each other option that it leaves without effect, or that does so to it.
    pub(crate) const VALUES: &[(&str, &[&str])] = &[
        ("data", &["genres", "FILE"]),
        ("recipe", &["strong"]),
        ("model", &["small"]),
        ("epochs", &["7"]),
        ("batch_size", &["4", "1"]),
        ("micro_batches", &["4", "8", "1"]),
        ("learning_rate", &["0.01", "1"]),
        ("schedule", &["cosine", "constant", "plateau"]),
        ("warm_up", &["1.5"]),
        ("weight_decay", &["0.01"]),
        ("clip_norm", &["1"]),
        ("label_smoothing", &["0.1"]),
        ("average", &["0.9"]),
        ("time_shift", &["3"]),
        ("gain", &["0.2"]),
        ("offset", &["0.1"]),
        ("frequency_masks", &["2"]),
        ("frequency_mask", &["7", "24"]),
        ("time_masks", &["2"]),
        ("time_mask", &["7", "16"]),
        ("mixup", &["0.3", "0"]),
        ("class_weights", &["false", "true"]),
        ("dropout", &["0.1"]),
        ("keras_statistics", &["true", "false"]),
        ("seed", &["7"]),
        ("val_fraction", &["0.3", "0.2", "0"]),
        ("split", &["fault-filtered", "stratified"]),
        ("folds", &["5"]),
        ("fold", &["1", "0"]),
        ("group_by", &["folder", "recording"]),
        ("segments", &["all", "first"]),
        ("features", &["notebook", "segment"]),
        ("shuffle", &["false", "true"]),
        ("limit", &["20"]),
        ("synthetic_tracks", &["7"]),
        ("strict", &["true"]),
        ("early_stopping", &["3", "0"]),
        ("keep", &["last", "best"]),
        ("plateau_patience", &["3", "0"]),
        ("plateau_factor", &["0.5"]),
        ("min_lr", &["1e-5", "0.5"]),
        ("init", &["weights.safetensors"]),
        ("vram", &["1GiB"]),
        ("tensorboard", &["logs"]),
        ("threads", &["2"]),
    ];

    /// An option and its value; `*` is any.
    type With = (&'static str, &'static str);

    /// The pairs that are refused, with the values that make it so.
    const REFUSED: &[(With, With)] = &[
        (("val_fraction", "*"), ("folds", "5")),
        (("split", "fault-filtered"), ("folds", "5")),
        (("val_fraction", "*"), ("split", "fault-filtered")),
        (("group_by", "*"), ("split", "fault-filtered")),
        (("segments", "all"), ("features", "notebook")),
        (("plateau_patience", "*"), ("schedule", "cosine")),
        (("plateau_patience", "*"), ("schedule", "constant")),
        (("plateau_factor", "*"), ("schedule", "cosine")),
        (("plateau_factor", "*"), ("schedule", "constant")),
        (("min_lr", "*"), ("schedule", "constant")),
        (("mixup", "0.3"), ("batch_size", "1")),
        (("micro_batches", "4"), ("batch_size", "1")),
        (("micro_batches", "8"), ("batch_size", "1")),
        (("micro_batches", "8"), ("batch_size", "4")),
        (("plateau_factor", "*"), ("plateau_patience", "0")),
        (("min_lr", "*"), ("plateau_patience", "0")),
        (("keep", "best"), ("val_fraction", "0")),
        (("early_stopping", "3"), ("val_fraction", "0")),
        (("schedule", "plateau"), ("val_fraction", "0")),
        (("plateau_patience", "3"), ("val_fraction", "0")),
        (("plateau_factor", "*"), ("val_fraction", "0")),
        (("min_lr", "*"), ("val_fraction", "0")),
        (("keras_statistics", "false"), ("init", "*")),
        (("synthetic_tracks", "*"), ("data", "*")),
        (("segments", "*"), ("data", "FILE")),
        (("features", "*"), ("data", "FILE")),
        (("threads", "*"), ("data", "FILE")),
    ];

    /// Options with values that need another one: refused with every other partner.
    const NEEDS: &[(With, With)] = &[
        (("fold", "*"), ("folds", "5")),
        (("frequency_mask", "*"), ("frequency_masks", "2")),
        (("time_mask", "*"), ("time_masks", "2")),
        (("min_lr", "0.5"), ("learning_rate", "1")),
    ];

    fn refused(a: (&str, &str), b: (&str, &str)) -> bool {
        let is = |x: (&str, &str), y: (&str, &str)| x.0 == y.0 && (y.1 == "*" || x.1 == y.1);
        let lacks = |x, other| NEEDS.iter().any(|n| is(x, n.0) && !is(other, n.1));
        let listed = REFUSED
            .iter()
            .any(|&(l, r)| (is(a, l) && is(b, r)) || (is(b, l) && is(a, r)));
        listed || lacks(a, b) || lacks(b, a)
    }

    #[test]
    fn every_pair_of_options_has_a_verdict_and_gets_it() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().to_str().expect("UTF-8");
        let give = |given: &mut Given, name: &str, value: &str| {
            let option = Declared::all()
                .iter()
                .find(|o| o.name == name)
                .expect("an option");
            let value = if value == "FILE" { path } else { value };
            option.give(given, OsStr::new(value)).expect(name);
        };
        let values = |name: &str| {
            let found = VALUES.iter().find(|v| v.0 == name);
            found
                .unwrap_or_else(|| {
                    panic!("the option {name} is new: where does it stand to the others?")
                })
                .1
        };
        let mut pairs = 0;
        for (i, a) in Declared::all().iter().enumerate() {
            for b in &Declared::all()[i + 1..] {
                for x in values(a.name) {
                    for y in values(b.name) {
                        let mut given = Given::default();
                        give(&mut given, a.name, x);
                        give(&mut given, b.name, y);
                        let verdict = Settings::of(given.clone()).check(&given, &Given::default());
                        let what = format!("{} {x}, {} {y}", a.name, b.name);
                        assert_eq!(
                            verdict.is_err(),
                            refused((a.name, x), (b.name, y)),
                            "{what}: {verdict:?}"
                        );
                        if let Err(e) = verdict {
                            let said = [a, b]
                                .iter()
                                .any(|o| e.to_string().contains(&o.name.replace('_', "-")));
                            assert!(said, "{what}: {e}");
                        }
                        pairs += 1;
                    }
                }
            }
        }
        let n = Declared::all().len();
        assert!(pairs > n * (n - 1) / 2);
        // Each rule is about an option that a pair above has.
        for rule in RULES {
            let mut listed = REFUSED.iter().chain(NEEDS);
            assert!(listed.any(|(a, _)| a.0 == rule.dropped), "{}", rule.dropped);
        }
    }

    #[test]
    fn a_switch_is_named_in_the_form_it_was_given() {
        let given = Given {
            init: Some("w.safetensors".into()),
            keras_statistics: Some(false),
            ..Given::default()
        };
        let error = Settings::of(given.clone())
            .check(&given, &Given::default())
            .expect_err("refused")
            .to_string();
        assert!(
            error.starts_with("--no-keras-statistics is without effect with --init"),
            "{error}"
        );
    }
}
