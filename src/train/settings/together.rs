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
        dropped: "schedule",
        holds: only_warms_up,
        why: "is without effect on a --warm-up of all --epochs, which leaves none to fall in",
    },
    Rule {
        dropped: "min_lr",
        holds: only_warms_up,
        why: "is without effect on a --warm-up of all --epochs, which leaves none to fall in",
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

fn only_warms_up(s: &Settings) -> bool {
    s.schedule == Schedule::Cosine && s.warm_up >= f64::from(s.epochs)
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
        // It says which tracks count at all, so that not even a recipe's may be passed over.
        if recipe.split.is_some() {
            said.push("split");
        }
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
pub(crate) mod tests;
