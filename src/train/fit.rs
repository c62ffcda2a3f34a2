//! Fitting a run into a memory budget: what [`crate::plan::budget`] needs to know of training.

use super::graph::{Feed, GraphSettings, evaluation_tape, training_tape};
use crate::error::Result;
use crate::nn::Model;
use crate::plan::budget::{Cut, Fitted, Program};
use crate::tape::Tape;

use super::engine::Compiled;

impl GraphSettings {
    /// The settings of one micro-batch under `cut`. The data set stays on the GPU only where both say so.
    pub fn cut(&self, cut: &Cut) -> Self {
        Self {
            micro_batch: cut.micro_batch,
            micro_batches: cut.micro_batches,
            feed: if cut.resident {
                self.feed
            } else {
                Feed::Streamed
            },
            ..self.clone()
        }
    }

    /// Whether the data set may lie on the GPU.
    pub fn may_reside(&self) -> bool {
        matches!(self.feed, Feed::Resident { .. })
    }
}

/// Records the programs of a run for [`crate::plan::budget::fit`]: training over `entries` samples per epoch, then evaluation
/// of up to `eval_entries`.
pub fn recorder<'a>(
    model: &'a Model,
    g: &'a GraphSettings,
    entries: usize,
    eval_entries: usize,
) -> impl Fn(&Cut) -> Result<Vec<(String, Tape)>> + 'a {
    move |cut| {
        let g = g.cut(cut);
        let eval_entries = eval_entries.max(1);
        Ok(vec![
            ("training".to_owned(), training_tape(model, &g, entries)?),
            (
                "evaluation".to_owned(),
                evaluation_tape(model, &g, eval_entries)?,
            ),
        ])
    }
}

/// The programs of a plan, for [`super::Engine::new`].
pub fn compiled(fitted: &Fitted) -> Vec<Compiled> {
    let compile = |p: &Program| Compiled {
        tape: p.tape.clone(),
        schedule: p.schedule.clone(),
    };
    fitted.programs.iter().map(compile).collect()
}
