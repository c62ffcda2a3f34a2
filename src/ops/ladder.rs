//! Ladders: rival kernels for one job, from the one to read first to the fastest.
//!
//! To add a rung: write a file with its `run` and a constant [`Rung`], and add one line to the `rungs` of its [`Ladder`]; order is
//! position. Nothing else knows its name: benches, the tuner and gradient checks go through the ladders. Where it should run unasked,
//! name it in the ladder's `order`, beside the reason.

use super::{
    AnyLadder, Capabilities, Choices, Io, Lowering, MadeFor, Posed, Problem, RungView, Work,
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
    /// Whether it can run a problem on a device, or why not.
    pub supports: fn(&G, &Capabilities) -> Result<(), String>,
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
    /// The rung where reading starts, which runs everything everywhere.
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

/// All rungs for one job.
pub struct Ladder<G: 'static> {
    /// e.g. `conv2d.forward`.
    pub name: &'static str,
    /// In reading order: first the one that runs everything everywhere, then those for GPUs, then those for CPU drivers.
    pub rungs: &'static [Rung<G>],
    /// The default: rungs in order of preference, of which the first that supports the problem is used (the ladder's first if none does).
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
                |r| (r.supports)(geometry, capabilities).map(|()| r),
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
            if (rung.supports)(geometry, capabilities).is_ok() {
                return Ok(rung);
            }
        }
        let tuned = choices.tuned(self.name, &problem);
        let tuned = tuned.and_then(|name| self.find(name));
        (tuned.into_iter())
            .chain((self.order)(geometry, capabilities))
            .chain(self.rungs.iter().copied())
            .filter(|r| !r.view().reduced())
            .find(|r| (r.supports)(geometry, capabilities).is_ok())
            .ok_or_else(|| {
                let name = self.name;
                Error::device(format!("{name}: no rung can run {problem} on this device"))
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
            Some(rung) => (rung.supports)(&self.geometry, capabilities),
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
mod tests {
    use super::*;
    use crate::ops::{DeviceClass, registry};

    #[derive(Debug, Clone, Copy)]
    struct Size(usize);

    impl Geometry for Size {
        fn problem(&self) -> Problem {
            Problem(vec![("size", self.0)])
        }
    }

    fn nothing(_: &Size, _: &Io, _: &mut Lowering) -> Result<()> {
        Ok(())
    }

    fn large(size: &Size, _: &Capabilities) -> Result<(), String> {
        if size.0 < 8 {
            return Err("fewer than 8".to_owned());
        }
        Ok(())
    }

    const NAIVE: Rung<Size> = Rung::naive(nothing);
    const LARGE: Rung<Size> = Rung::gpu("large", large, nothing);
    const HALF: Rung<Size> = Rung::gpu("half", anything, nothing).rounding(HALF_ROUNDING);

    static LADDER: Ladder<Size> = Ladder {
        name: "test.forward",
        rungs: &[NAIVE, LARGE, HALF],
        order: |g, c| match c.class {
            DeviceClass::Hardware => vec![HALF, LARGE],
            DeviceClass::Software if g.0 > 100 => vec![LARGE],
            DeviceClass::Software => vec![],
        },
        work: |_| Work::default(),
    };

    fn chosen(size: usize, class: DeviceClass, choices: &Choices) -> Result<&'static str> {
        let capabilities = Capabilities::portable(class);
        LADDER
            .choose(&Size(size), choices, &capabilities)
            .map(|r| r.name)
    }

    #[test]
    fn the_first_of_the_order_that_can_run_is_used() {
        use DeviceClass::{Hardware, Software};
        let free = Choices::default();
        for (size, class, expected) in [
            (4, Hardware, "naive"),
            (8, Hardware, "large"),
            (8, Software, "naive"),
            (101, Software, "large"),
        ] {
            assert_eq!(chosen(size, class, &free).expect("one"), expected, "{size}");
        }
    }

    #[test]
    fn stale_choices_of_the_tuner_are_passed_over_and_forced_ones_refused() {
        let mut choices = Choices::default();
        choices.tune("test.forward", "size=9", "3_large");
        assert_eq!(
            chosen(9, DeviceClass::Hardware, &choices).expect("one"),
            "large"
        );
        choices.tune("test.forward", "size=9", "naive");
        assert_eq!(
            chosen(9, DeviceClass::Hardware, &choices).expect("one"),
            "naive"
        );
        choices.force("test.forward", "large");
        let error = chosen(4, DeviceClass::Hardware, &choices).expect_err("too small");
        assert!(
            error
                .to_string()
                .contains("large can't run size=4: fewer than 8"),
            "{error}"
        );
        choices.force("test.forward", "1_naive");
        let error = chosen(4, DeviceClass::Hardware, &choices).expect_err("no such rung");
        assert!(
            error.to_string().contains("there are naive, large, half"),
            "{error}"
        );
    }

    /// Where it can't run, what was tuned or the default does.
    #[test]
    fn a_preferred_rung_runs_what_it_can() {
        let gpu = DeviceClass::Hardware;
        let mut choices = Choices::default();
        choices.tune("test.forward", "size=9", "naive");
        choices.prefer("test.forward", "large");
        for (size, expected) in [(4, "naive"), (9, "large"), (64, "large")] {
            assert_eq!(chosen(size, gpu, &choices).expect("one"), expected);
        }
        choices.prefer("test.forward", "half");
        assert_eq!(chosen(9, gpu, &choices).expect("one"), "half");
        choices.prefer("other.forward", "naive");
        choices.force("test.forward", "naive");
        assert_eq!(chosen(9, gpu, &choices).expect("one"), "naive");

        let mut choices = Choices::default();
        choices.tune("test.forward", "size=4", "naive");
        choices.prefer("test.forward", "small");
        let error = chosen(4, gpu, &choices).expect_err("no such rung");
        assert_eq!(
            error.to_string(),
            "test.forward: there is no rung small; there are naive, large, half"
        );
    }

    #[test]
    fn reduced_precision_is_used_when_asked_for_only() {
        let mut choices = Choices::default();
        choices.tune("test.forward", "size=64", "half");
        assert_eq!(
            chosen(64, DeviceClass::Hardware, &choices).expect("one"),
            "large"
        );
        choices.force("test.forward", "half");
        assert_eq!(
            chosen(64, DeviceClass::Hardware, &choices).expect("one"),
            "half"
        );
    }

    /// What a ladder promises to those who go through it: it begins with a rung for everything, GPUs' rungs come before those of CPU
    /// drivers, and no name is taken twice or bears a number.
    #[test]
    fn every_ladder_begins_naive_and_reads_gpus_first() {
        let ladders: Vec<_> = registry().iter().flat_map(|e| e.ladders).copied().collect();
        assert!(ladders.len() >= 15);
        for ladder in ladders {
            let rungs = ladder.rungs();
            assert!(
                rungs[0].class == MadeFor::Any && !rungs[0].reduced(),
                "{ladder:?}"
            );
            assert!(rungs.is_sorted_by_key(|r| r.class), "{ladder:?}");
            for (i, rung) in rungs.iter().enumerate() {
                let letters = |c: char| c.is_ascii_lowercase() || c == '_';
                // im2col is what the literature calls it.
                let name = rung.name.replace("im2col", "");
                assert!(name.chars().all(letters), "{ladder:?} {}", rung.name);
                assert!(
                    rungs[..i].iter().all(|r| r.name != rung.name),
                    "{ladder:?} {}",
                    rung.name
                );
            }
        }
    }
}
