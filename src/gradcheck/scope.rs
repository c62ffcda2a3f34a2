//! Which rungs a check goes through.

use crate::error::Result;
use crate::ops::{ladders, no_ladder, rung_of};

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
        let ladder = ladders().into_iter().find(|l| l.name() == family);
        let ladder = ladder.ok_or_else(|| no_ladder(family))?;
        let found = rung_of(ladder, rung)?;
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
