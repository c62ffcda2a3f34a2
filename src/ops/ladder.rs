//! Ladders: rival kernels for one job, from the one to read first to the fastest.
//!
//! To add a rung: write a file with its `run` and a constant [`Rung`], and add one line to the `rungs` of its [`Ladder`]; order is
//! position. Nothing else knows its name: benches, the tuner and gradient checks go through the ladders. Where it should run unasked,
//! name it in the ladder's `order`, beside the reason.

use super::{
    AnyLadder, Capabilities, Choices, Io, Iterations, Lowering, MadeFor, Posed, Problem, RungView,
    STRAIGHT, Work,
};
use crate::error::{Error, Result};
use std::fmt;
use std::sync::Arc;

/// Sizes of one problem, all that a rung asks for.
pub trait Geometry: fmt::Debug + Copy + Send + Sync + 'static {
    /// The same as named integers.
    fn problem(&self) -> Problem;
}

/// [`Rung::rounding`] of a product whose factors are rounded to f16.
///
/// An f16 has a significand of 11 bits, so rounding a factor to the nearest is off by 2^-11 of it at most, and a product of two by
/// 2^-10, a thousandth; so is a sum, of what its products amount to without their signs. Errors are measured against the largest
/// result, and where results are few and happen to cancel, that is smaller than the products: two bits are allowed for it.
/// 2^-8, or 0.004, is 2,000 times an op's tolerance of 2e-6.
pub const HALF_ROUNDING: f64 = 2000.0;

/// One way to do a ladder's job.
#[derive(Debug, Clone, Copy)]
pub struct Rung<G: 'static> {
    /// What it rests on, e.g. `naive`, `registers`, `workgroup`.
    pub name: &'static str,
    /// Whose ladder it stands on.
    pub class: MadeFor,
    /// Whether it can run a problem on a device, or why not; see [`can_run`](Self::can_run).
    pub supports: fn(&G, &Capabilities) -> Result<(), String>,
    /// Iterations of one invocation's loops at most, for drivers that end them ([`Capabilities::max_loop_iterations`]). [`STRAIGHT`] for
    /// loops that don't grow with the problem, or only with what workgroup memory holds.
    pub iterations: fn(&G) -> Iterations,
    /// Its rounding errors in multiples of the op's tolerance: 1 for a rung that adds up the products of the formula, in
    /// whatever order. Above 1 for one that computes something else that is equal on paper; such a rung does not keep
    /// exact ties and zeros either (but one of reduced precision does, of factors that it holds).
    pub rounding: f64,
    /// Push its dispatches.
    pub run: fn(&G, &Io, &mut Lowering) -> Result<()>,
}

/// See [`Rung::supports`].
type Supports<G> = fn(&G, &Capabilities) -> Result<(), String>;
/// See [`Rung::run`].
type Run<G> = fn(&G, &Io, &mut Lowering) -> Result<()>;

impl<G: 'static> Rung<G> {
    /// The rung where reading starts, which runs everything, but for sums too long for a driver that ends loops.
    pub const fn naive(run: Run<G>) -> Self {
        Self {
            class: MadeFor::Any,
            ..Self::gpu("naive", anything, run)
        }
    }

    /// A rung for GPUs.
    pub const fn gpu(name: &'static str, supports: Supports<G>, run: Run<G>) -> Self {
        Self {
            name,
            class: MadeFor::Gpu,
            supports,
            iterations: no_iterations,
            rounding: 1.0,
            run,
        }
    }

    /// A rung for CPU drivers.
    pub const fn cpu_driver(name: &'static str, supports: Supports<G>, run: Run<G>) -> Self {
        Self {
            class: MadeFor::CpuDriver,
            ..Self::gpu(name, supports, run)
        }
    }

    /// The rung with another rounding than 1.
    pub const fn rounding(self, rounding: f64) -> Self {
        Self { rounding, ..self }
    }

    /// The rung with loops that grow with the problem.
    pub const fn iterations(self, iterations: fn(&G) -> Iterations) -> Self {
        Self { iterations, ..self }
    }

    /// Whether it can run a problem on a device.
    ///
    /// # Errors
    /// Why not, to follow "skipped: ".
    pub fn can_run(&self, geometry: &G, capabilities: &Capabilities) -> Result<(), String> {
        (self.supports)(geometry, capabilities)?;
        capabilities.allow((self.iterations)(geometry))
    }

    /// Without its geometry.
    pub fn view(&self) -> RungView {
        let Self {
            name,
            class,
            rounding,
            ..
        } = *self;
        RungView {
            name,
            class,
            rounding,
        }
    }
}

/// Supports any problem on any device.
pub fn anything<G>(_: &G, _: &Capabilities) -> Result<(), String> {
    Ok(())
}

fn no_iterations<G>(_: &G) -> Iterations {
    STRAIGHT
}

/// All rungs for one job.
pub struct Ladder<G: 'static> {
    /// e.g. `conv2d.forward`.
    pub name: &'static str,
    /// In reading order: first the one that runs everything, then those for GPUs, then those for CPU drivers.
    pub rungs: &'static [Rung<G>],
    /// The default: rungs in order of preference, of which the first that supports the problem is used (if none does, the first of the ladder that does).
    pub order: fn(&G, &Capabilities) -> Vec<Rung<G>>,
    /// What a problem costs at least.
    pub work: fn(&G) -> Work,
}

impl<G: Geometry> AnyLadder for Ladder<G> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn rungs(&self) -> Vec<RungView> {
        self.rungs.iter().map(Rung::view).collect()
    }
}

impl<G: Geometry> Ladder<G> {
    fn find(&self, name: &str) -> Option<Rung<G>> {
        self.rungs.iter().find(|r| r.name == name).copied()
    }

    /// The rung for a problem: forced, else preferred, else tuned, else the default; one of reduced precision only when forced or
    /// preferred.
    ///
    /// # Errors
    /// When a forced rung can't run the problem, there is no preferred one, or no rung can.
    pub fn choose(
        &self,
        geometry: &G,
        choices: &Choices,
        capabilities: &Capabilities,
    ) -> Result<Rung<G>> {
        let problem = geometry.problem();
        if let Some(name) = choices.forced(self.name) {
            let rung = self.find(name);
            let verdict = rung.map_or_else(
                || Err(self.no_rung(name)),
                |r| r.can_run(geometry, capabilities).map(|()| r),
            );
            return verdict.map_err(|why| {
                Error::device(format!(
                    "{}: rung {name} can't run {problem}: {why}",
                    self.name
                ))
            });
        }
        if let Some(name) = choices.preferred(self.name) {
            let rung = self.find(name);
            let rung = rung
                .ok_or_else(|| Error::device(format!("{}: {}", self.name, self.no_rung(name))))?;
            if rung.can_run(geometry, capabilities).is_ok() {
                return Ok(rung);
            }
        }
        let tuned = choices.tuned(self.name, &problem);
        let tuned = tuned.and_then(|name| self.find(name));
        (tuned.into_iter())
            .chain((self.order)(geometry, capabilities))
            .chain(self.rungs.iter().copied())
            .filter(|r| !r.view().reduced())
            .find(|r| r.can_run(geometry, capabilities).is_ok())
            .ok_or_else(|| {
                let first = self.rungs.first();
                let why = first.and_then(|r| r.can_run(geometry, capabilities).err());
                let why = why.map_or(String::new(), |why| format!(": {why}"));
                let name = self.name;
                Error::device(format!(
                    "{name}: no rung can run {problem} on this device{why}"
                ))
            })
    }

    fn no_rung(&self, name: &str) -> String {
        let names: Vec<&str> = self.rungs.iter().map(|r| r.name).collect();
        format!("there is no rung {name}; there are {}", names.join(", "))
    }
}

/// A problem of a ladder.
struct Question<G: 'static> {
    ladder: &'static Ladder<G>,
    geometry: G,
}

impl<G: Geometry> Posed for Question<G> {
    fn ladder(&self) -> &'static dyn AnyLadder {
        self.ladder
    }

    fn work(&self) -> Work {
        (self.ladder.work)(&self.geometry)
    }

    fn supports(&self, rung: &str, capabilities: &Capabilities) -> Result<(), String> {
        match self.ladder.find(rung) {
            Some(rung) => rung.can_run(&self.geometry, capabilities),
            None => Err(self.ladder.no_rung(rung)),
        }
    }
}

impl Lowering<'_> {
    /// Choose the rung for a problem, note it, and push its dispatches.
    ///
    /// # Errors
    /// When a forced rung can't run here, or none can; and those of the rung.
    pub fn run<G: Geometry>(
        &mut self,
        ladder: &'static Ladder<G>,
        geometry: &G,
        io: &Io,
    ) -> Result<()> {
        let rung = ladder.choose(geometry, self.choices, self.capabilities)?;
        let geometry = *geometry;
        let posed = Arc::new(Question { ladder, geometry });
        self.note(ladder.name, rung.name, geometry.problem(), posed);
        (rung.run)(&geometry, io, self)
    }
}

#[cfg(test)]
mod tests;
