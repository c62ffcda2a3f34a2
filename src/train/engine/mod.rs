//! The engine of a run: training and evaluation programs over one set of buffers, and the steps that drive them.

mod compile;
mod ranks;
mod samples;
mod weights;

pub use compile::compile;
pub use ranks::check as check_ranks;
pub use samples::Samples;
pub use weights::{Weights, check_weights};

use super::graph::{BATCH, Feed, GraphSettings, PARTNERS};
use crate::error::Result;
use crate::gpu::{Gpu, Session, StepInputs};
use crate::ops::{Adam, Step, partner, time_shift};
use crate::plan::budget::balanced;
use crate::plan::{MemoryPlan, Schedule};
use ranks::Shared;
use samples::fill;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// Mean loss and accuracy, and, for an evaluation, every sample's probabilities.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// Mean loss over the samples, penalties included.
    pub loss: f64,
    /// Share of samples whose most probable class is their label.
    pub accuracy: f64,
    /// Samples x classes, in the order evaluated.
    pub probabilities: Vec<f32>,
}

pub use crate::plan::budget::Program as Compiled;

const TRAIN: usize = 0;

/// Everything that a run keeps on the GPU.
#[derive(Debug)]
pub struct Engine<'g> {
    session: Session<'g>,
    /// Training program, then evaluation; an engine for evaluation alone has the latter only.
    programs: Vec<Compiled>,
    g: GraphSettings,
    samples: Arc<Samples>,
    batch_size: usize,
    seed: u32,
    scratch: Vec<[Vec<u8>; 4]>,
    shared: Option<Shared<'g>>,
}

impl<'g> Engine<'g> {
    /// Build the programs from tapes and create all buffers of `plan`, which was made for exactly these schedules.
    ///
    /// # Errors
    /// Out of memory, a kernel that does not compile, a lost device.
    pub fn new(
        gpu: &'g Gpu,
        programs: Vec<Compiled>,
        plan: MemoryPlan,
        g: &GraphSettings,
        samples: Arc<Samples>,
        batch_size: usize,
        seed: u64,
    ) -> Result<Self> {
        let schedules: Vec<&Schedule> = programs.iter().map(|p| &p.schedule).collect();
        let session = Session::new(gpu, plan, &schedules)?;
        let mut engine = Self {
            session,
            programs,
            g: g.clone(),
            samples,
            batch_size,
            seed: (seed ^ (seed >> 32)) as u32,
            scratch: vec![Default::default(); g.micro_batches],
            shared: None,
        };
        if matches!(g.feed, Feed::Resident { .. }) {
            let x = bytemuck::cast_slice(&engine.samples.x).to_vec();
            engine.session.write_buffer("input dataset", &x)?;
            let labels = bytemuck::cast_slice(&engine.samples.labels).to_vec();
            engine
                .session
                .write_buffer("input dataset labels", &labels)?;
        }
        if engine.session.has_buffer("input dataset neighbours") {
            let neighbours: Vec<u32> = (0..engine.samples.len() as u32)
                .flat_map(|s| engine.samples.neighbours(s).map(|n| n as u32))
                .collect();
            engine.session.write_buffer(
                "input dataset neighbours",
                bytemuck::cast_slice(&neighbours),
            )?;
        }
        let ones = vec![1.0f32; g.classes];
        if engine.session.has_buffer("input unit weights") {
            engine
                .session
                .write_buffer("input unit weights", bytemuck::cast_slice(&ones))?;
        }
        Ok(engine)
    }

    /// The session: plan, created bytes, device.
    pub fn session(&self) -> &Session<'g> {
        &self.session
    }

    /// The session, for profiling.
    pub fn session_mut(&mut self) -> &mut Session<'g> {
        &mut self.session
    }

    /// Seed of masks and augmentation, as kernels see it.
    pub fn seed(&self) -> u32 {
        self.seed
    }

    /// What the graphs were built from.
    pub fn settings(&self) -> &GraphSettings {
        &self.g
    }

    /// The programs.
    pub fn programs(&self) -> &[Compiled] {
        &self.programs
    }

    fn evaluation(&self) -> usize {
        self.programs.len() - 1
    }

    /// Whether the first program trains.
    fn training(&self) -> bool {
        self.programs.len() > 1
    }

    /// Replace the samples that a streamed engine takes its batches from.
    pub fn set_samples(&mut self, samples: Arc<Samples>) {
        self.samples = samples;
    }

    /// Weigh the classes of the training loss.
    ///
    /// # Errors
    /// When the device fails.
    pub fn set_class_weights(&mut self, weights: &[f32]) -> Result<()> {
        self.session
            .write_buffer("input class weights", bytemuck::cast_slice(weights))
    }

    /// Totals of the epoch so far, as the device keeps them.
    ///
    /// # Errors
    /// When the device fails.
    pub fn totals(&mut self) -> Result<Vec<f32>> {
        let bytes = self.session.read_buffer("output totals")?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Set the totals: zeros at an epoch's start, a checkpoint's when it goes on in the middle.
    ///
    /// # Errors
    /// When the device fails.
    pub fn set_totals(&mut self, totals: &[f32]) -> Result<()> {
        self.session
            .write_buffer("output totals", bytemuck::cast_slice(totals))
    }

    /// Steps in an epoch over `entries` samples.
    pub fn steps(&self, entries: usize) -> usize {
        entries.div_ceil(self.batch_size)
    }

    /// Train on `order`, from step `from` of the epoch. `optimizer_step` counts all steps of the run so far, and
    /// `learning_rate` gives the rate of a step, counted from 1. `each` is
    /// called after every submitted step with the number of steps done; it may stop the epoch early. Among several ranks the step
    /// after is the last one then, on all of them.
    /// Returns the number of steps done in all.
    ///
    /// # Errors
    /// When the device fails.
    pub fn train(
        &mut self,
        order: &[u32],
        from: usize,
        optimizer_step: u64,
        learning_rate: impl Fn(u64) -> f64,
        mut each: impl FnMut(&mut Self, usize) -> Result<ControlFlow<()>>,
    ) -> Result<usize> {
        self.set_order("input order", order)?;
        let mut stop = false;
        for index in from..self.steps(order.len()) {
            let t = optimizer_step + (index - from) as u64 + 1;
            let rate = learning_rate(t);
            if self.shared.is_some() {
                let stopped = self.submit_shared(order, index, t, rate, stop)?;
                stop |= each(self, index + 1)?.is_break();
                if stopped {
                    return Ok(index + 1);
                }
                continue;
            }
            self.submit(TRAIN, order, index, t, rate)?;
            if each(self, index + 1)?.is_break() {
                return Ok(index + 1);
            }
        }
        Ok(self.steps(order.len()))
    }

    fn set_order(&mut self, buffer: &str, order: &[u32]) -> Result<()> {
        if self.session.has_buffer(buffer) {
            self.session
                .write_buffer(buffer, bytemuck::cast_slice(order))?;
        }
        Ok(())
    }

    /// The balanced micro-batches of batch `index` of `order`.
    fn micro_batches(&self, order: &[u32], index: usize, t: u64, lr: f64) -> Vec<Step> {
        let start = index * self.batch_size;
        let batch = self.batch_size.min(order.len() - start);
        let alpha = Adam::default().alpha(lr, t);
        balanced(batch, self.g.micro_batch)
            .map(|Range { start: begin, end }| Step {
                seed: self.seed,
                step: t as u32,
                valid: (end - begin) as u32,
                batch: batch as u32,
                sample_offset: begin as u32,
                cursor: (start + begin) as u32,
                share: (end - begin) as f32 / batch as f32,
                learning_rate: lr as f32,
                alpha: alpha as f32,
                reserved: [0; 7],
            })
            .collect()
    }

    /// Gather what the host sends with some micro-batches of a batch; returns how many tensors that is for each.
    fn fill(
        &mut self,
        program: usize,
        order: &[u32],
        index: usize,
        steps: &[Step],
        which: Range<usize>,
    ) -> usize {
        if self.g.feed != Feed::Streamed {
            return 0;
        }
        let trains = program == TRAIN && self.training();
        let mixes = trains && self.g.augment.mixes();
        let largest = if trains { self.g.time_shift } else { 0 };
        let start = index * self.batch_size;
        let whole = &order[start..];
        for at in which {
            let step = &steps[at];
            let [x, labels, partners, their_labels] = &mut self.scratch[at];
            let own = step.sample_offset..step.sample_offset + step.valid;
            let moved = |position: u32| {
                let shift = time_shift(position, step, largest, self.g.frames);
                (whole[position as usize], shift)
            };
            let entries: Vec<_> = own.clone().map(moved).collect();
            fill(&self.samples, &entries, &self.g, x, labels);
            if mixes {
                let entries: Vec<_> = own.map(|p| moved(partner(p, step))).collect();
                fill(&self.samples, &entries, &self.g, partners, their_labels);
            }
        }
        match mixes {
            false => BATCH.len(),
            true => BATCH.len() + PARTNERS.len(),
        }
    }

    /// Submit batch `index` of `order`, split into balanced micro-batches.
    fn submit(
        &mut self,
        program: usize,
        order: &[u32],
        index: usize,
        t: u64,
        lr: f64,
    ) -> Result<()> {
        let steps = self.micro_batches(order, index, t, lr);
        let sent = self.fill(program, order, index, &steps, 0..steps.len());
        let inputs: Vec<StepInputs> = steps
            .into_iter()
            .zip(&self.scratch)
            .map(|(step, data)| inputs(step, data, sent))
            .collect();
        self.session.run(program, &inputs)
    }

    /// Evaluate the samples in `order` with the running statistics.
    ///
    /// # Errors
    /// When there are more samples than the engine was built for, or the device fails.
    pub fn evaluate(&mut self, order: &[u32]) -> Result<Evaluation> {
        if order.is_empty() {
            return Ok(Evaluation::default());
        }
        let program = self.evaluation();
        self.set_order("input eval order", order)?;
        self.session.write_buffer("output eval totals", &[0; 16])?;
        for index in 0..self.steps(order.len()) {
            self.submit(program, order, index, 1, 0.0)?;
        }
        let totals: Vec<f32> =
            bytemuck::pod_collect_to_vec(&self.session.read_buffer("output eval totals")?);
        let table = self.session.read_buffer("output predictions")?;
        let bytes = order.len() * self.g.classes * 4;
        let (loss, accuracy) = means(&totals);
        Ok(Evaluation {
            loss,
            accuracy,
            probabilities: bytemuck::pod_collect_to_vec(&table[..bytes]),
        })
    }
}

/// A micro-batch with the first `sent` tensors that the host sends.
fn inputs(step: Step, data: &[Vec<u8>; 4], sent: usize) -> StepInputs<'_> {
    let names = BATCH.into_iter().chain(PARTNERS);
    let data = names
        .zip(data.iter().map(Vec::as_slice))
        .take(sent)
        .collect();
    StepInputs { step, data }
}

/// (mean loss, accuracy) from the device's totals: sum of losses, correct, samples.
pub fn means(totals: &[f32]) -> (f64, f64) {
    let count = f64::from(totals[2]).max(1.0);
    (f64::from(totals[0]) / count, f64::from(totals[1]) / count)
}
