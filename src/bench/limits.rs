//! Whether what is to be measured can run here at all, before anything is made for it.

use super::subject::graph;
use crate::error::Result;
use crate::nn::Model;
use crate::ops::{Capabilities, Choices};
use crate::train::{Sizes, compile};

/// Check that a training step of `model` with the shapes of real features can be planned as it is, without a budget.
///
/// # Errors
/// When it can't; with the largest batch, or size of a layer, that could.
pub fn check_step(
    model: &Model,
    batch: usize,
    capabilities: &Capabilities,
    choices: &Choices,
) -> Result<()> {
    let plan = |s: &Sizes| {
        let g = graph(s.batch);
        compile(&s.model, &g, Some(s.batch), 1, capabilities, choices).map(drop)
    };
    let g = graph(batch);
    let sizes = Sizes {
        model: model.clone(),
        batch,
        rows: g.rows,
        frames: g.frames,
        classes: g.classes,
        samples: batch,
    };
    plan(&sizes).map_err(|e| sizes.name_largest(e, |s| plan(s).is_ok()))
}
