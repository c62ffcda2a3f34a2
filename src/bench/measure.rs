//! One rung on one problem: its error against the f64 reference on one sample, and its time.
//!
//! The op is recorded forward and backward, but only the dispatches of the rung run. What they read from other kernels
//! (saved outputs, sums) is written from the host: the reference's values for a check, random ones for timing.

use super::{Ladder, Subject};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Gpu, Session, Stopwatch, median};
use crate::gradcheck::{from_bytes, relative_error, to_bytes};
use crate::ops::{Access, Array, Choices, Chosen, Fill, Step};
use crate::plan::{MemoryPlan, Placement, Schedule, schedule};
use crate::reference::Executor;
use crate::report::format::bytes;
use crate::tape::Tape;
use crate::tensor::{DType, Spec, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long a rung is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Samples wanted.
    pub samples: usize,
    /// No more are taken after this time; one is always taken.
    pub cap: Duration,
    /// A rung whose first run takes longer than this (and than the cap) is not measured again.
    pub hopeless_ms: Option<f64>,
}

impl Limits {
    pub const BENCH: Self = Self {
        samples: 30,
        cap: Duration::from_secs(2),
        hopeless_ms: None,
    };
    pub const TUNE: Self = Self {
        samples: 12,
        cap: Duration::from_millis(600),
        hopeless_ms: None,
    };
}

/// A subject recorded forward and backward.
struct Recorded {
    tape: Tape,
    /// Inputs and dy.
    inputs: Vec<(Tensor, Fill)>,
    /// Outputs and gradients: each has a buffer of its own, which the host can write and read.
    kept: Vec<Tensor>,
    batch: usize,
}

/// `set` is part of every name, so that several recordings in one session have buffers of their own.
fn record(subject: &Subject, inputs: &[Spec], set: usize) -> Result<Recorded> {
    let mut tape = Tape::new();
    let fills = subject.fills();
    tape.set_scope(&format!("set {set}"));
    let mut filled = Vec::new();
    for (i, spec) in inputs.iter().enumerate() {
        let name = format!("x{i} of set {set}");
        let tensor = if subject.wanted.contains(&i) {
            tape.variable(&name, spec.clone())
        } else {
            tape.input(&name, spec.clone())
        };
        filled.push((tensor, fills[i]));
    }
    let x: Vec<&Tensor> = filled.iter().map(|(t, _)| t).collect();
    let mut kept = tape.apply_all(subject.op.clone(), &x)?;
    for y in &kept {
        tape.keep(y);
    }
    if let (Some(y), false) = (kept.first().cloned(), subject.wanted.is_empty()) {
        let dy = tape.input(&format!("dy of set {set}"), y.spec().clone());
        tape.backward_from(&y, &dy)?;
        let gradients = subject.wanted.iter().map(|&i| tape.gradient(&filled[i].0));
        kept.extend(gradients.flatten().cloned().collect::<Vec<_>>());
        filled.push((dy, Fill::Normal(1.0)));
    }
    let batch = inputs.first().and_then(|s| s.shape.dims().first().copied());
    Ok(Recorded {
        tape,
        inputs: filled,
        kept,
        batch: batch.unwrap_or(1),
    })
}

/// A subject on a tape, forward and backward, with a full batch.
///
/// # Errors
/// When the op rejects the inputs.
pub(crate) fn tape_of(subject: &Subject) -> Result<Tape> {
    Ok(record(subject, &subject.inputs, 0)?.tape)
}

/// Random values, repeated after the first 2^18 or so: drawing more takes longer than measuring.
fn random(fill: Fill, n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let drawn = fill.values(n.min((1 << 18) + 1), rng);
    drawn.iter().copied().cycle().take(n).collect()
}

/// A subject recorded several times and lowered with some choices: one program per set of buffers.
pub(super) struct Bench<'g> {
    gpu: &'g Gpu,
    sets: Vec<(Recorded, Schedule)>,
}

impl<'g> Bench<'g> {
    /// Record `subject` on `inputs`, `sets` times (at least once), and lower it.
    ///
    /// # Errors
    /// When the op rejects the inputs, or a forced rung can't run them.
    pub fn new(
        gpu: &'g Gpu,
        subject: &Subject,
        inputs: &[Spec],
        sets: usize,
        choices: &Choices,
    ) -> Result<Self> {
        let lowered = |set| {
            let recorded = record(subject, inputs, set)?;
            let schedule = schedule(&recorded.tape, gpu.capabilities(), choices)?;
            Ok((recorded, schedule))
        };
        Ok(Self {
            gpu,
            sets: (0..sets.max(1)).map(lowered).collect::<Result<_>>()?,
        })
    }

    /// Check that the device can hold it, before anything is computed for it.
    ///
    /// # Errors
    /// When a tensor is over a limit of the device, or all of them are over its memory.
    pub fn check_memory(&self) -> Result<()> {
        let capabilities = self.gpu.capabilities();
        for (_, schedule) in &self.sets {
            let list = [("bench", schedule)];
            let plan = MemoryPlan::new(&list, capabilities, Placement::default(), 1)?;
            let (needed, most) = (plan.total_bytes(), self.gpu.default_budget());
            if most.is_some_and(|most| needed > most) {
                return Err(Error::new(
                    ErrorKind::OutOfMemory,
                    format!(
                        "it takes {} on the device, which has {}; use smaller sizes",
                        bytes(needed),
                        bytes(most.unwrap_or(0))
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The rungs chosen, with their problems; all sets have the same.
    pub fn chosen(&self) -> &[Chosen] {
        &self.sets[0].1.chosen
    }

    /// The dispatches of a family; all sets have the same.
    fn dispatches(&self, family: &str) -> Result<Range<usize>> {
        let s = &self.sets[0].1;
        let of_family = |d: &usize| {
            let chosen = s.dispatches[*d].chosen.map(|c| s.chosen[c].family);
            chosen == Some(family)
        };
        let mut all = (0..s.dispatches.len()).filter(of_family);
        match all.next() {
            Some(first) => Ok(first..all.next_back().unwrap_or(first) + 1),
            None => Err(Error::device(format!("{family}: launches no kernel"))),
        }
    }

    /// Buffers and pipelines, with the step state of a full batch written.
    fn session(&self) -> Result<Session<'g>> {
        let capabilities = self.gpu.capabilities();
        let names: Vec<String> = (0..self.sets.len()).map(|i| format!("set {i}")).collect();
        let schedules: Vec<&Schedule> = self.sets.iter().map(|(_, s)| s).collect();
        let names = names.iter().map(String::as_str);
        let programs: Vec<(&str, &Schedule)> = names.zip(schedules.iter().copied()).collect();
        let plan = MemoryPlan::new(&programs, capabilities, Placement::Arenas(1), 1)?;
        let mut session = Session::new(self.gpu, plan, &schedules)?;
        if session.has_buffer("control") {
            let step = Step::full(self.sets[0].0.batch);
            session.write_buffer("control", bytemuck::bytes_of(&step))?;
        }
        Ok(session)
    }

    /// Write a tensor of a set, if any dispatch touches it.
    fn write(&self, session: &mut Session, set: usize, tensor: &Tensor, v: &[u8]) -> Result<()> {
        match session.place(set, &self.sets[set].1, tensor) {
            Ok(place) => session.write(place, v),
            Err(_) => Ok(()),
        }
    }
}

/// Values of the f64 reference on one sample.
pub(super) struct Reference {
    inputs: Vec<Vec<f32>>,
    kept: Vec<Array<f64>>,
}

impl Reference {
    /// Run forward and backward on the CPU. Takes seconds for a large convolution.
    ///
    /// # Errors
    /// When the op rejects its inputs.
    pub fn new(subject: &Subject) -> Result<Self> {
        let recorded = record(subject, &subject.single, 0)?;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut executor = Executor::<f64>::new(&recorded.tape);
        let mut inputs = Vec::new();
        for (tensor, fill) in &recorded.inputs {
            let values = random(*fill, tensor.numel(), &mut rng);
            executor.set(tensor, &values);
            inputs.push(values);
        }
        executor.run(&Step::full(1));
        let kept = recorded
            .kept
            .iter()
            .map(|t| executor.get(t).clone())
            .collect();
        Ok(Self { inputs, kept })
    }
}

fn forced(family: &str, rung: &str) -> Choices {
    let mut choices = Choices::default();
    choices.force(family, rung);
    choices
}

/// Greatest error of the tensors that the rung writes, on one sample, relative to each tensor's maximum; integers (window
/// indices, where ties may fall either way) are left to `gradcheck`. Infinite for values that are not finite.
///
/// # Errors
/// When the rung can't run one sample, does not compile, or the device fails.
pub(super) fn check(gpu: &Gpu, ladder: &Ladder, rung: &str, reference: &Reference) -> Result<f64> {
    let (subject, family) = (ladder.subject, ladder.name());
    let bench = Bench::new(gpu, subject, &subject.single, 1, &forced(family, rung))?;
    let (set, s) = &bench.sets[0];
    let own = bench.dispatches(family)?;
    // With the copy that precedes a pass which runs in place.
    let node = s.dispatches[own.start].node;
    let groups: Vec<Range<usize>> = (0..s.dispatches.len())
        .filter(|&d| s.dispatches[d].node == node)
        .filter(|d| own.contains(d) || s.dispatches[*d].chosen.is_none())
        .map(|d| d..d + 1)
        .collect();
    let mut written = Vec::new();
    for dispatch in own.clone() {
        let accesses = s.accesses(&s.dispatches[dispatch])?;
        let writes = accesses.iter().filter(|(_, a)| *a == Access::ReadWrite);
        written.extend(writes.map(|(root, _)| *root));
    }
    let mut session = bench.session()?;
    for ((tensor, _), values) in set.inputs.iter().zip(&reference.inputs) {
        let bytes = to_bytes(tensor.spec().dtype, values);
        bench.write(&mut session, 0, tensor, &bytes)?;
    }
    for (tensor, expected) in set.kept.iter().zip(&reference.kept) {
        let bytes = if written.contains(&s.root(tensor)) {
            // NaN, so that what the rung forgets to write shows.
            vec![0xff; tensor.numel() * tensor.spec().dtype.size()]
        } else {
            let values: Vec<f32> = expected.data.iter().map(|&v| v as f32).collect();
            to_bytes(tensor.spec().dtype, &values)
        };
        bench.write(&mut session, 0, tensor, &bytes)?;
    }
    session.time(&Stopwatch::wall(), 0, &groups)?;
    let mut worst = 0.0f64;
    for (tensor, expected) in set.kept.iter().zip(&reference.kept) {
        if written.contains(&s.root(tensor)) && tensor.spec().dtype == DType::F32 {
            let place = session.place(0, s, tensor)?;
            let got = from_bytes(tensor, &session.read(place)?);
            worst = worst.max(relative_error(&got, &expected.data));
        }
    }
    Ok(worst)
}

/// Memory that the sets of buffers may take together.
const SETS_BYTES: u64 = 512 << 20;

/// Median time of a rung in milliseconds. Runs go through several sets of buffers in turn, as many of three as fit 512 MiB, so
/// that no cache holds what the run before left there.
///
/// # Errors
/// When the rung does not compile, memory runs out, or the device fails.
pub(super) fn time(gpu: &Gpu, ladder: &Ladder, rung: &str, limits: &Limits) -> Result<f64> {
    let (subject, family) = (ladder.subject, ladder.name());
    let outputs = subject.op.output_specs(&subject.inputs)?;
    let once: u64 = subject.inputs.iter().chain(&outputs).map(Spec::bytes).sum();
    // Gradients are as large again.
    let sets = (SETS_BYTES / (2 * once).max(1)).clamp(1, 3) as usize;
    let bench = Bench::new(gpu, subject, &subject.inputs, sets, &forced(family, rung))?;
    let mut session = bench.session()?;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (i, (set, _)) in bench.sets.iter().enumerate() {
        let kept = set.kept.iter().map(|t| match t.spec().dtype {
            DType::F32 => (t, Fill::Uniform(0.5, 1.5)),
            DType::U32 | DType::U8 => (t, Fill::Integers(4)),
        });
        for (tensor, fill) in set.inputs.iter().map(|(t, f)| (t, *f)).chain(kept) {
            let values = random(fill, tensor.numel(), &mut rng);
            let bytes = to_bytes(tensor.spec().dtype, &values);
            bench.write(&mut session, i, tensor, &bytes)?;
        }
    }
    let group = bench.dispatches(family)?;
    let group = std::slice::from_ref(&group);
    let stopwatch = Stopwatch::new(gpu, 1)?;
    session.wait()?;
    // The first run compiles and touches memory for the first time.
    let start = Instant::now();
    let first = session.time(&stopwatch, 0, group)?[0].ms;
    let slow = start.elapsed() > limits.cap;
    if slow && limits.hopeless_ms.is_some_and(|h| first > h) {
        return Ok(first);
    }
    let start = Instant::now();
    let mut samples = Vec::new();
    while samples.is_empty() || (samples.len() < limits.samples && start.elapsed() < limits.cap) {
        let set = samples.len() % sets;
        samples.push(session.time(&stopwatch, set, group)?[0].ms);
    }
    Ok(median(&samples).max(1e-6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::of_shape;
    use crate::gpu::AdapterChoice;

    /// What is timed is one run of the family, nothing before it, after it or twice.
    #[test]
    fn the_timed_dispatches_are_one_run_of_the_family() {
        let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
        let subject = of_shape("conv2d", "n=2,c=4,k=4,h=6,w=8,epilogue=1").expect("a shape");
        let choices = forced("conv2d.backward_bias", "tree");
        let bench = Bench::new(&gpu, &subject, &subject.inputs, 3, &choices).expect("a bench");
        let names: Vec<&str> = bench.chosen().iter().map(|c| c.family).collect();
        let mut distinct = names.clone();
        distinct.dedup();
        assert!(names.len() == 4 && distinct == names, "{names:?}");
        let timed = bench.dispatches("conv2d.backward_bias").expect("launches");
        assert_eq!(timed.len(), 1);
        for (_, s) in &bench.sets {
            assert_eq!(s.dispatches.len(), bench.sets[0].1.dispatches.len());
            let kernel = s.dispatches[timed.start].kernel.name;
            assert_eq!(kernel, "conv2d/tree/backward_bias");
        }
    }
}
