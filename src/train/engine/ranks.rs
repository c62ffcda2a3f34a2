//! A step that several ranks share.

use super::{Engine, TRAIN};
use crate::error::{Error, Result};
use crate::plan::Place;
use crate::train::ranks::Ranks;

/// What an engine needs to share its steps.
#[derive(Debug)]
pub(super) struct Shared<'g> {
    pub ranks: &'g Ranks,
    /// Where that lies which a micro-batch gives to all ranks.
    places: Vec<Place>,
}

impl<'g> Engine<'g> {
    /// Share every training step with other ranks; the programs must have been recorded for that
    /// ([`Tapes::shared`](crate::train::Tapes::shared)). With one rank nothing changes.
    ///
    /// # Errors
    /// When the programs were not, or there are more ranks than micro-batches.
    pub fn join(&mut self, ranks: &'g Ranks) -> Result<()> {
        if !ranks.are_several() {
            return Ok(());
        }
        check(self.g.micro_batches, ranks.size())?;
        let training = &self.programs[TRAIN];
        training.schedule.check_apart()?;
        let places: Vec<Place> = (training.tape.shares().iter())
            .map(|tensor| self.session.place(TRAIN, &training.schedule, tensor))
            .collect::<Result<_>>()?;
        if places.is_empty() {
            return Err(Error::usage(
                "the programs were not recorded for several ranks",
            ));
        }
        self.shared = Some(Shared { ranks, places });
        Ok(())
    }

    /// The ranks that this engine shares its steps with, itself among them; none when it is alone.
    pub fn ranks(&self) -> Option<&'g Ranks> {
        self.shared.as_ref().map(|s| s.ranks)
    }

    /// Do step `t` together. `stop` says that this rank would stop after it; returns whether any does.
    pub(super) fn submit_shared(
        &mut self,
        order: &[u32],
        index: usize,
        t: u64,
        lr: f64,
        stop: bool,
    ) -> Result<bool> {
        let alone = || Error::usage("the engine has not joined any ranks");
        let ranks = self.ranks().ok_or_else(alone)?;
        let steps = self.micro_batches(order, index, t, lr);
        let own = ranks.own(steps.len());
        let sent = self.fill(TRAIN, order, index, &steps, own.clone());
        let places = &self.shared.as_ref().ok_or_else(alone)?.places;
        let mut bytes = vec![u8::from(stop)];
        for at in own {
            let inputs = super::inputs(steps[at], &self.scratch[at], sent);
            self.session.run_apart(TRAIN, &inputs)?;
            self.session.read_into(places, &mut bytes)?;
        }
        let all = ranks.share(Ok(bytes))?;
        // In the order of one process: by micro-batch, whoever computed it.
        let size: usize = places.iter().map(|p| p.bytes as usize).sum();
        let contributions: Vec<&[u8]> = (all.iter())
            .flat_map(|bytes| bytes.get(1..).unwrap_or_default().chunks(size))
            .collect();
        if contributions.len() != steps.len() || contributions.iter().any(|c| c.len() != size) {
            return Err(Error::data(format!(
                "step {t}: the ranks brought {} micro-batches, of which a step has {}; start again with the same program on all machines",
                contributions.len(),
                steps.len()
            )));
        }
        let last = steps.len() - 1;
        for (i, (step, bytes)) in steps.iter().zip(contributions).enumerate() {
            self.session
                .add(TRAIN, *step, places, bytes, [i == 0, i == last])?;
        }
        Ok(all.iter().any(|bytes| bytes.first() == Some(&1)))
    }
}

/// Refuse more ranks than a step has micro-batches.
///
/// # Errors
/// With both numbers.
pub fn check(micro_batches: usize, ranks: usize) -> Result<()> {
    if ranks <= micro_batches {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{ranks} ranks have {micro_batches} micro-batches of each step to share, and some would have nothing to do; start {micro_batches} ranks at most, or a new run with more --micro-batches"
    )))
}
