//! A step in parts: a micro-batch computed, what it gives read back, and the micro-batches of all ranks added up.

use super::{Session, StepInputs};
use crate::error::{Error, Result};
use crate::ops::Step;
use crate::plan::Place;

impl Session<'_> {
    /// Compute one micro-batch of `program`, without adding it to anything (see [`crate::tape::Tape::sum_apart`]). Does not wait
    /// for it.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_apart(&mut self, program: usize, batch: &StepInputs) -> Result<()> {
        let own = self.programs[program].own.clone();
        self.submit_some(program, std::slice::from_ref(batch), false, &[own])
    }

    /// Add one micro-batch, whose bytes lie in `places`, to those before it. The `first` one of a step finds no sum of gradients,
    /// and after the `last` one comes the update.
    ///
    /// # Errors
    /// When the device fails.
    pub fn add(
        &mut self,
        program: usize,
        step: Step,
        places: &[Place],
        bytes: &[u8],
        [first, last]: [bool; 2],
    ) -> Result<()> {
        let mut rest = bytes;
        for &place in places {
            let (now, later) = rest
                .split_at_checked(place.bytes as usize)
                .ok_or_else(|| Error::usage("a micro-batch's share is shorter than planned"))?;
            self.write(place, now)?;
            rest = later;
        }
        let p = &self.programs[program];
        let mut ranges = vec![p.sums.clone()];
        if last {
            ranges.push(p.update.clone());
        }
        let data = Vec::new();
        self.submit_some(program, &[StepInputs { step, data }], first, &ranges)
    }
}
