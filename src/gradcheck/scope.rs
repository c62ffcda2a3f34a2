//! Which rungs a check goes through.

use crate::error::{Error, Result};
use crate::ops::registry;

/// Which rungs of a kernel are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that can run the case's problem.
    Every,
    /// Only what a run without choices takes.
    Default,
    /// Only this rung of this ladder, and no finite differences: for whoever works on it.
    Only(&'static str, &'static str),
    /// All in which a kernel has workgroup memory, and no finite differences.
    WorkgroupMemory,
}

impl Scope {
    /// [`Scope::Only`] from `LADDER:RUNG`, e.g. `dense.forward:naive`.
    ///
    /// # Errors
    /// When there is no such ladder or rung, with those that there are.
    pub fn only(name: &str) -> Result<Self> {
        let (family, rung) = name.split_once(':').unwrap_or((name, ""));
        let ladders: Vec<_> = registry().iter().flat_map(|e| e.ladders).copied().collect();
        let Some(ladder) = ladders.iter().find(|l| l.name() == family) else {
            let names: Vec<&str> = ladders.iter().map(|l| l.name()).collect();
            return Err(Error::usage(format!(
                "there is no ladder '{family}'; a rung is named LADDER:RUNG, and there are the ladders {}",
                names.join(", ")
            )));
        };
        let rungs = ladder.rungs();
        let Some(found) = rungs.iter().find(|r| r.name == rung) else {
            let names: Vec<&str> = rungs.iter().map(|r| r.name).collect();
            return Err(Error::usage(format!(
                "{family} has no rung '{rung}'; it has {}",
                names.join(", ")
            )));
        };
        Ok(Self::Only(ladder.name(), found.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rung_is_named_with_its_ladder() {
        let found = Scope::only("dense.forward:naive").expect("a rung");
        assert_eq!(found, Scope::Only("dense.forward", "naive"));
        for (name, expected) in [
            ("dense.forward:fast", "it has naive"),
            ("dense.forward", "has no rung ''"),
            ("naive", "there is no ladder 'naive'"),
        ] {
            let error = Scope::only(name).expect_err(name).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
