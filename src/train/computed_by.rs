//! What a run's bits depend on besides its settings and data; noted in the checkpoint, so that `--resume` can say when it is another.

use super::engine::Engine;
use serde::{Deserialize, Serialize};

/// What computes a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputedBy {
    /// Name and driver of the adapter.
    pub adapter: String,
    /// Hash of the training program's rungs with their sizes. What is computed a second time counts once: it gives the same bits.
    pub rungs: String,
}

impl ComputedBy {
    /// What computes a run with this engine.
    pub fn of(engine: &Engine) -> Self {
        let gpu = engine.session().gpu();
        let dispatches = engine.programs().first().map(|p| &p.schedule.dispatches);
        let mut kernels: Vec<String> = (dispatches.into_iter().flatten())
            .filter(|d| d.chosen.is_some())
            .map(|d| format!("{} {:?} {:?}", d.kernel.source, d.kernel.constants, d.grid))
            .collect();
        kernels.sort();
        kernels.dedup();
        let mut hasher = blake3::Hasher::new();
        for kernel in &kernels {
            hasher.update(kernel.as_bytes());
        }
        Self {
            adapter: format!("{} ({})", gpu.name(), gpu.driver()),
            rungs: hasher.finalize().to_hex()[..16].to_owned(),
        }
    }

    /// What to say when a run that `before` computed goes on with this.
    pub fn differs_from(&self, before: &Self) -> Option<String> {
        let what = if self.adapter != before.adapter {
            format!("until now the run was computed by {}", before.adapter)
        } else if self.rungs != before.rungs {
            "the run's kernels are others than before: a new --vram, --class or --shaders, what tune has found since, another version of the program".to_owned()
        } else {
            return None;
        };
        Some(format!(
            "{what}; from here on its bits may not be those of a run that was never stopped"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_another() {
        let of = |adapter: &str, rungs: &str| ComputedBy {
            adapter: adapter.to_owned(),
            rungs: rungs.to_owned(),
        };
        let before = of("A (1)", "f00");
        assert_eq!(before.differs_from(&before), None);
        // Another adapter has other kernels as a rule; it alone is named.
        let said = of("B (1)", "ba5").differs_from(&before).unwrap();
        assert!(
            said.starts_with("until now the run was computed by A (1);"),
            "{said}"
        );
        let said = of("A (1)", "ba5").differs_from(&before).unwrap();
        assert!(
            said.starts_with("the run's kernels are others than before:"),
            "{said}"
        );
    }
}
