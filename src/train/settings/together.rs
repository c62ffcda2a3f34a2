//! Options that only together make sense, or only apart: none may be dropped without a word.

use super::{Declared, Given, Settings};
use crate::error::{Error, Result};
use crate::train::Schedule;
use std::path::Path;

impl Settings {
    /// Refuse options of which one leaves the other without effect. `command` is what stands on the command line: an option
    /// counts as given there, or when it has another value than its default (a saved config names every option).
    ///
    /// # Errors
    /// With the two options, and which to leave out.
    pub fn check(&self, command: &Given) -> Result<()> {
        let default = Self::default();
        let changed = self.differences(&default);
        let on_command = command.names();
        let said = |name: &str| changed.contains(&name) || on_command.contains(&name);
        let lists = self.split != default.split;
        let no_plateau = self.schedule == Schedule::Plateau && self.plateau_patience == 0;
        let file = self.data.as_deref().is_some_and(Path::is_file);
        let ineffective = [
            (
                "fold",
                self.folds.is_none(),
                "names a fold of --folds, which is not given",
            ),
            (
                "val_fraction",
                self.folds.is_some(),
                "is without effect on --folds, which says how much validates",
            ),
            (
                "split",
                self.folds.is_some() && lists,
                "is without effect on --folds, which splits by itself",
            ),
            (
                "val_fraction",
                lists,
                "is without effect on --split, whose lists say what validates",
            ),
            (
                "plateau_patience",
                self.schedule != Schedule::Plateau,
                "is without effect on another --schedule than plateau",
            ),
            (
                "plateau_factor",
                self.schedule != Schedule::Plateau,
                "is without effect on another --schedule than plateau",
            ),
            (
                "min_lr",
                self.schedule == Schedule::Constant,
                "is without effect on --schedule constant",
            ),
            (
                "plateau_factor",
                no_plateau,
                "is without effect with --plateau-patience 0",
            ),
            (
                "min_lr",
                no_plateau,
                "is without effect with --plateau-patience 0",
            ),
            (
                "frequency_mask",
                self.frequency_masks == 0,
                "is without effect without --frequency-masks",
            ),
            (
                "time_mask",
                self.time_masks == 0,
                "is without effect without --time-masks",
            ),
            (
                "synthetic_tracks",
                self.data.is_some(),
                "is without effect on DATA; for the synthetic set give --synthetic",
            ),
            (
                "segments",
                file,
                "is without effect on a file of arrays, whose samples are cut already",
            ),
            (
                "features",
                file,
                "is without effect on a file of arrays, which holds the features",
            ),
        ];
        for (name, without_effect, why) in ineffective {
            if without_effect && said(name) {
                let flag = Declared::all().iter().find(|o| o.name == name);
                let flag = flag.map_or_else(|| name.to_owned(), Declared::flag);
                return Err(Error::usage(format!(
                    "{flag} {why}; leave out one of the two"
                )));
            }
        }
        Ok(())
    }
}
