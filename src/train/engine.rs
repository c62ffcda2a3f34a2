//! The engine of a run: training and evaluation programs over one set of buffers, and the steps that drive them.

use super::graph::{Feed, GraphSettings, evaluation_tape, training_tape};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Session, StepInputs};
use crate::nn::Model;
use crate::ops::{Choices, Step};
use crate::plan::{MemoryPlan, Placement, Schedule, schedule};
use crate::tape::{Flat, Role, Tape, initial_values};
use crate::tensor::{Shape, TensorId};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Named tensors: parameters and running statistics under PyTorch's names.
pub type Weights = Vec<(String, Shape, Vec<f32>)>;

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

/// The samples that an engine trains and evaluates on, normalised.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// Samples x rows x frames.
    pub x: Vec<f32>,
    /// One class per sample.
    pub labels: Vec<u32>,
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
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
    scratch: Vec<(Vec<u8>, Vec<u8>)>,
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
        };
        if matches!(g.feed, Feed::Resident { .. }) {
            let x = bytemuck::cast_slice(&engine.samples.x).to_vec();
            engine.session.write_buffer("input dataset", &x)?;
            let labels = bytemuck::cast_slice(&engine.samples.labels).to_vec();
            engine
                .session
                .write_buffer("input dataset labels", &labels)?;
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

    /// Fresh weights for `seed`, zero moments.
    ///
    /// # Errors
    /// When the device fails.
    pub fn initialise(&mut self, seed: u64) -> Result<()> {
        let tape = &self.programs[0].tape;
        let values = initial_values(tape, seed);
        let weights: Weights = named(tape)
            .into_iter()
            .map(|(name, shape, id)| (name, shape, values[&id].clone()))
            .collect();
        self.set_weights(&weights)?;
        for name in ["moment 1", "moment 2"] {
            self.zero(name)?;
        }
        Ok(())
    }

    fn zero(&mut self, buffer: &str) -> Result<()> {
        let Some(index) = self.session.plan().find(buffer) else {
            return Ok(());
        };
        let zeros = vec![0u8; self.session.plan().buffers[index].bytes as usize];
        self.session.write_buffer(buffer, &zeros)
    }

    /// Set parameters and running statistics by name.
    ///
    /// # Errors
    /// When a name is missing or unknown, or a shape differs; nothing is changed then.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        let tape = &self.programs[0].tape;
        let given: HashMap<&str, (&Shape, &Vec<f32>)> = weights
            .iter()
            .map(|(n, s, d)| (n.as_str(), (s, d)))
            .collect();
        let expected = named(tape);
        for (name, shape, _) in &expected {
            let (found, _) = given.get(name.as_str()).ok_or_else(|| {
                Error::model(format!(
                    "the weights have no {name}; this is another architecture"
                ))
            })?;
            if *found != shape {
                return Err(Error::model(format!(
                    "{name} is {found} in the weights, {shape} in the model; this is another architecture"
                )));
            }
        }
        if let Some((extra, ..)) = weights
            .iter()
            .find(|(n, ..)| !expected.iter().any(|(e, ..)| e == n))
        {
            return Err(Error::model(format!(
                "the weights hold {extra}, which the model lacks; this is another architecture"
            )));
        }
        let mut parameters = self.empty("parameters");
        let mut state = self.empty("state");
        let (flat, _) = tape.flat_layout();
        let (states, _) = tape.state_layout();
        for (name, _, id) in &expected {
            let bytes: &[u8] = bytemuck::cast_slice(given[name.as_str()].1);
            let (buffer, offset) = match flat.get(id) {
                Some(&offset) => (&mut parameters, offset as usize),
                None => (&mut state, states[id] as usize),
            };
            buffer[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        self.session.write_buffer("parameters", &parameters)?;
        if !state.is_empty() {
            self.session.write_buffer("state", &state)?;
        }
        Ok(())
    }

    fn empty(&self, buffer: &str) -> Vec<u8> {
        let plan = self.session.plan();
        let bytes = plan.find(buffer).map_or(0, |i| plan.buffers[i].bytes);
        vec![0; bytes as usize]
    }

    /// Parameters and running statistics by name.
    ///
    /// # Errors
    /// When the device fails.
    pub fn weights(&mut self) -> Result<Weights> {
        let parameters = self.session.read_buffer("parameters")?;
        let state = if self.session.has_buffer("state") {
            self.session.read_buffer("state")?
        } else {
            Vec::new()
        };
        let tape = &self.programs[0].tape;
        let (flat, _) = tape.flat_layout();
        let (states, _) = tape.state_layout();
        Ok(named(tape)
            .into_iter()
            .map(|(name, shape, id)| {
                let (buffer, offset) = match flat.get(&id) {
                    Some(&offset) => (&parameters, offset as usize),
                    None => (&state, states[&id] as usize),
                };
                let data =
                    bytemuck::pod_collect_to_vec(&buffer[offset..offset + shape.numel() * 4]);
                (name, shape, data)
            })
            .collect())
    }

    /// Adam's moments, as flat vectors.
    ///
    /// # Errors
    /// When the device fails.
    pub fn moments(&mut self) -> Result<[Vec<f32>; 2]> {
        let mut all = [Vec::new(), Vec::new()];
        for (which, into) in [Flat::Moment1, Flat::Moment2].into_iter().zip(&mut all) {
            let bytes = self
                .session
                .read_buffer(crate::plan::flat_buffer(which).0)?;
            *into = bytemuck::pod_collect_to_vec(&bytes);
        }
        Ok(all)
    }

    /// Set Adam's moments.
    ///
    /// # Errors
    /// When their size is not the model's, or the device fails.
    pub fn set_moments(&mut self, moments: &[Vec<f32>; 2]) -> Result<()> {
        for (which, data) in [Flat::Moment1, Flat::Moment2].into_iter().zip(moments) {
            let name = crate::plan::flat_buffer(which).0;
            if self.empty(name).len() != data.len() * 4 {
                return Err(Error::model(format!(
                    "the checkpoint's {name} has {} numbers, the model needs {}; this is another architecture",
                    data.len(),
                    self.empty(name).len() / 4
                )));
            }
            self.session
                .write_buffer(name, bytemuck::cast_slice(data))?;
        }
        Ok(())
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

    /// Train on `order`, from step `from` of the epoch. `optimizer_step` counts all steps of the run so far. `each` is
    /// called after every submitted step with the number of steps done; it may stop the epoch early.
    /// Returns the number of steps done in all.
    ///
    /// # Errors
    /// When the device fails.
    pub fn train(
        &mut self,
        order: &[u32],
        from: usize,
        optimizer_step: u64,
        learning_rate: f64,
        mut each: impl FnMut(&mut Self, usize) -> Result<ControlFlow<()>>,
    ) -> Result<usize> {
        self.set_order("input order", order)?;
        for index in from..self.steps(order.len()) {
            let t = optimizer_step + (index - from) as u64 + 1;
            self.submit(TRAIN, order, index, t, learning_rate)?;
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

    /// Submit batch `index` of `order`, split into balanced micro-batches.
    fn submit(
        &mut self,
        program: usize,
        order: &[u32],
        index: usize,
        t: u64,
        lr: f64,
    ) -> Result<()> {
        let start = index * self.batch_size;
        let batch = self.batch_size.min(order.len() - start);
        let parts = self.g.micro_batches.min(batch);
        // Adam's bias correction, in f64 on the host (Keras: alpha = lr * sqrt(1 - beta2^t) / (1 - beta1^t)).
        let (beta1, beta2) = (0.9f64, 0.999f64);
        let power = |beta: f64| 1.0 - beta.powf(t as f64);
        let alpha = lr * power(beta2).sqrt() / power(beta1);
        let mut steps = Vec::with_capacity(parts);
        for part in 0..parts {
            let (begin, end) = (part * batch / parts, (part + 1) * batch / parts);
            steps.push(Step {
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
            });
        }
        let streamed = self.g.feed == Feed::Streamed;
        if streamed {
            for (step, (x, labels)) in steps.iter().zip(&mut self.scratch) {
                let at = step.cursor as usize;
                let entries = &order[at..at + step.valid as usize];
                fill(&self.samples, entries, &self.g, x, labels);
            }
        }
        let inputs: Vec<StepInputs> = steps
            .into_iter()
            .zip(&self.scratch)
            .map(|(step, (x, labels))| StepInputs {
                step,
                data: if streamed {
                    vec![("batch x", x), ("batch labels", labels)]
                } else {
                    Vec::new()
                },
            })
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

/// (mean loss, accuracy) from the device's totals: sum of losses, correct, samples.
pub fn means(totals: &[f32]) -> (f64, f64) {
    let count = f64::from(totals[2]).max(1.0);
    (f64::from(totals[0]) / count, f64::from(totals[1]) / count)
}

/// Parameters and states in recording order: name, shape, id.
fn named(tape: &Tape) -> Vec<(String, Shape, TensorId)> {
    let mut all: Vec<_> = [Role::Parameter, Role::State]
        .into_iter()
        .flat_map(|role| tape.tensors(role))
        .map(|t| (tape.value(t.id()).name.clone(), t.shape().clone(), t.id()))
        .collect();
    all.sort_by_key(|(_, _, id)| *id);
    all
}

/// Gather samples for streaming; padding samples repeat the first, so that their values are finite.
fn fill(
    samples: &Samples,
    entries: &[u32],
    g: &GraphSettings,
    x: &mut Vec<u8>,
    labels: &mut Vec<u8>,
) {
    x.clear();
    labels.clear();
    let size = g.rows * g.frames;
    for i in 0..g.micro_batch {
        let entry = *entries.get(i).unwrap_or(&entries[0]) as usize;
        x.extend_from_slice(bytemuck::cast_slice(
            &samples.x[entry * size..(entry + 1) * size],
        ));
        labels.extend_from_slice(&samples.labels[entry].to_le_bytes());
    }
}

/// Lower the tapes of a run and plan their memory as they are, without a budget.
///
/// # Errors
/// When the model does not fit the data, or no kernel fits the device.
pub fn compile(
    model: &Model,
    g: &GraphSettings,
    entries: Option<usize>,
    eval_entries: usize,
    capabilities: &crate::ops::Capabilities,
    choices: &Choices,
) -> Result<(Vec<Compiled>, MemoryPlan)> {
    let mut tapes = Vec::new();
    if let Some(entries) = entries {
        tapes.push(("training", training_tape(model, g, entries)?));
    }
    tapes.push((
        "evaluation",
        evaluation_tape(model, g, eval_entries.max(1))?,
    ));
    let mut programs = Vec::new();
    for (name, tape) in tapes {
        let schedule = schedule(&tape, capabilities, choices)?;
        programs.push(Compiled {
            name: name.to_owned(),
            tape,
            schedule,
        });
    }
    let list: Vec<(&str, &Schedule)> = programs
        .iter()
        .map(|p| (p.name.as_str(), &p.schedule))
        .collect();
    let plan = MemoryPlan::new(&list, capabilities, Placement::default(), g.micro_batches)?;
    Ok((programs, plan))
}
