//! One rung on one problem: its error against the f64 reference on one sample, and its time.
//!
//! The op is recorded forward and backward, but only the dispatches of the rung run. What they read from other kernels
//! (saved outputs, sums) is written from the host: the reference's values for a check, random ones for timing.

use super::{Ladder, Subject};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Session, Stopwatch, median};
use crate::gradcheck::{from_bytes, relative_error, to_bytes};
use crate::ops::{Access, Array, Choices, Fill, Step};
use crate::plan::{Chosen, MemoryPlan, Placement, Schedule, schedule};
use crate::reference::Executor;
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

/// A subject recorded once or several times over buffers of their own.
struct Recorded {
    tape: Tape,
    sets: Vec<Set>,
    batch: usize,
}

struct Set {
    nodes: Range<usize>,
    /// Inputs and dy.
    inputs: Vec<(Tensor, Fill)>,
    /// Outputs and gradients: each has a buffer of its own, which the host can write and read.
    kept: Vec<Tensor>,
}

fn record(subject: &Subject, inputs: &[Spec], sets: usize) -> Result<Recorded> {
    let mut tape = Tape::new();
    let fills = subject.fills();
    let mut recorded = Vec::new();
    for set in 0..sets {
        let first = tape.nodes().len();
        // Names tell the buffers of the sets apart.
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
        recorded.push(Set {
            nodes: first..tape.nodes().len(),
            inputs: filled,
            kept,
        });
    }
    let batch = inputs.first().and_then(|s| s.shape.dims().first().copied());
    Ok(Recorded {
        tape,
        sets: recorded,
        batch: batch.unwrap_or(1),
    })
}

/// Random values, repeated after the first 2^18 or so: drawing more takes longer than measuring.
fn random(fill: Fill, n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let drawn = fill.values(n.min((1 << 18) + 1), rng);
    drawn.iter().copied().cycle().take(n).collect()
}

/// A recorded subject, lowered with some choices, before it has memory.
pub(super) struct Bench<'g> {
    gpu: &'g Gpu,
    recorded: Recorded,
    schedule: Schedule,
}

impl<'g> Bench<'g> {
    /// Record `subject` on `inputs`, `sets` times, and lower it.
    ///
    /// # Errors
    /// When the op rejects the inputs, or a forced rung can't run them.
    pub fn new(
        gpu: &'g Gpu,
        subject: &Subject,
        inputs: &[Spec],
        sets: usize,
        choices: Choices,
    ) -> Result<Self> {
        let recorded = record(subject, inputs, sets)?;
        let schedule = schedule(&recorded.tape, gpu.capabilities(), &choices)?;
        Ok(Self {
            gpu,
            recorded,
            schedule,
        })
    }

    /// The rungs chosen, with their problems; all sets have the same.
    pub fn chosen(&self) -> impl Iterator<Item = &Chosen> {
        let first = self.recorded.sets[0].nodes.clone();
        let chosen = self.schedule.chosen.iter();
        chosen.filter(move |c| first.contains(&c.node))
    }

    /// The dispatches of a family in one set.
    fn dispatches(&self, set: usize, family: &str) -> Result<Range<usize>> {
        let nodes = &self.recorded.sets[set].nodes;
        let s = &self.schedule;
        let of_family = |d: &usize| {
            let dispatch = &s.dispatches[*d];
            let chosen = dispatch.chosen.map(|c| s.chosen[c].family);
            nodes.contains(&dispatch.node) && chosen == Some(family)
        };
        let mut all = (0..s.dispatches.len()).filter(of_family);
        match all.next() {
            Some(first) => Ok(first..all.last().unwrap_or(first) + 1),
            None => Err(Error::device(format!("{family}: launches no kernel"))),
        }
    }

    /// Buffers and pipelines, with the step state of a full batch written.
    fn session(&self) -> Result<Session<'g>> {
        let capabilities = self.gpu.capabilities();
        let programs = [("bench", &self.schedule)];
        let plan = MemoryPlan::new(&programs, capabilities, Placement::Arenas(1), 1)?;
        let mut session = Session::new(self.gpu, plan, &[&self.schedule])?;
        if session.has_buffer("control") {
            let step = Step::full(self.recorded.batch);
            session.write_buffer("control", bytemuck::bytes_of(&step))?;
        }
        Ok(session)
    }

    /// Write a tensor, if any dispatch of the schedule touches it.
    fn write(&self, session: &mut Session, tensor: &Tensor, bytes: &[u8]) -> Result<()> {
        match session.place(0, &self.schedule, tensor) {
            Ok(place) => session.write(place, bytes),
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
        let recorded = record(subject, &subject.single, 1)?;
        let set = &recorded.sets[0];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut executor = Executor::<f64>::new(&recorded.tape);
        let mut inputs = Vec::new();
        for (tensor, fill) in &set.inputs {
            let values = random(*fill, tensor.numel(), &mut rng);
            executor.set(tensor, &values);
            inputs.push(values);
        }
        executor.run(&Step::full(1));
        let kept = set.kept.iter().map(|t| executor.get(t).clone()).collect();
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
    let (subject, family) = (ladder.subject, ladder.family.name);
    let bench = Bench::new(gpu, subject, &subject.single, 1, forced(family, rung))?;
    let s = &bench.schedule;
    let own = bench.dispatches(0, family)?;
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
    let set = &bench.recorded.sets[0];
    for ((tensor, _), values) in set.inputs.iter().zip(&reference.inputs) {
        let bytes = to_bytes(tensor.spec().dtype, values);
        bench.write(&mut session, tensor, &bytes)?;
    }
    for (tensor, expected) in set.kept.iter().zip(&reference.kept) {
        let bytes = if written.contains(&s.root(tensor)) {
            // NaN, so that what the rung forgets to write shows.
            vec![0xff; tensor.numel() * tensor.spec().dtype.size()]
        } else {
            let values: Vec<f32> = expected.data.iter().map(|&v| v as f32).collect();
            to_bytes(tensor.spec().dtype, &values)
        };
        bench.write(&mut session, tensor, &bytes)?;
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
    let (subject, family) = (ladder.subject, ladder.family.name);
    let outputs = subject.op.output_specs(&subject.inputs)?;
    let once: u64 = subject.inputs.iter().chain(&outputs).map(Spec::bytes).sum();
    // Gradients are as large again.
    let sets = (SETS_BYTES / (2 * once).max(1)).clamp(1, 3) as usize;
    let bench = Bench::new(gpu, subject, &subject.inputs, sets, forced(family, rung))?;
    let mut session = bench.session()?;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for set in &bench.recorded.sets {
        let kept = set.kept.iter().map(|t| match t.spec().dtype {
            DType::F32 => (t, Fill::Uniform(0.5, 1.5)),
            DType::U32 | DType::U8 => (t, Fill::Integers(4)),
        });
        for (tensor, fill) in set.inputs.iter().map(|(t, f)| (t, *f)).chain(kept) {
            let values = random(fill, tensor.numel(), &mut rng);
            let bytes = to_bytes(tensor.spec().dtype, &values);
            bench.write(&mut session, tensor, &bytes)?;
        }
    }
    let groups = (0..sets)
        .map(|set| bench.dispatches(set, family))
        .collect::<Result<Vec<_>>>()?;
    let stopwatch = Stopwatch::new(gpu, sets)?;
    // The first run compiles and touches memory for the first time.
    let start = Instant::now();
    let first = session.time(&stopwatch, 0, &groups[..1])?[0].ms;
    let slow = start.elapsed() > limits.cap;
    if slow && limits.hopeless_ms.is_some_and(|h| first > h) {
        return Ok(first);
    }
    let groups = if slow { &groups[..1] } else { &groups[..] };
    let mut samples = Vec::new();
    let start = Instant::now();
    while samples.is_empty() || (samples.len() < limits.samples && start.elapsed() < limits.cap) {
        let spans = session.time(&stopwatch, 0, groups)?;
        samples.extend(spans.iter().map(|s| s.ms));
    }
    Ok(median(&samples).max(1e-6))
}
