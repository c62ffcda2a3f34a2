//! A classifier on arrays in memory, in three lines: for those who bring their own network, data and loop.

mod network;

pub use network::Network;

use super::engine::{Evaluation, Weights, check_weights, means};
use super::graph::BATCH;
use super::{model_file::read_weights, tensor_file};
use crate::dataset::epoch_order;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Session, StepInputs};
use crate::nn::Mode;
use crate::ops::{Adam, Choices, Step};
use crate::plan::{MemoryPlan, Placement, Schedule, schedule};
use crate::tape::{Role, Tape, initial_values};
use crate::tensor::{Shape, Tensor};
use network::{TOTALS, record, same_weights};
use std::path::Path;

/// How a [`Classifier`] learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learning {
    /// Samples per step, also in evaluation.
    pub batch: usize,
    /// Adam's learning rate.
    pub rate: f64,
    /// Seed of weights, order and masks.
    pub seed: u64,
}

impl Default for Learning {
    fn default() -> Self {
        Self {
            batch: 32,
            rate: 1e-3,
            seed: 42,
        }
    }
}

impl Learning {
    /// The defaults (batches of 32, seed 42) with another rate.
    pub fn at(rate: f64) -> Self {
        Self {
            rate,
            ..Self::default()
        }
    }

    fn check(&self) -> Result<()> {
        if self.batch == 0 || !(self.rate.is_finite() && self.rate >= 0.0) {
            return Err(Error::usage(format!(
                "batches of {} and a learning rate of {}: give at least 1 and a number from 0 up",
                self.batch, self.rate
            )));
        }
        Ok(())
    }
}

/// A network on the GPU with softmax, cross-entropy and Adam. The same seed on the same adapter gives the same bits.
#[derive(Debug)]
pub struct Classifier<'g> {
    session: Session<'g>,
    tape: Tape,
    /// Training, evaluation.
    schedules: [Schedule; 2],
    /// Of the evaluation.
    probabilities: Tensor,
    learning: Learning,
    size: usize,
    classes: usize,
    epochs: u64,
    steps: u64,
}

impl<'g> Classifier<'g> {
    /// Record `network` for samples of the shape `sample` (channels x height x width for convolutions), plan its memory, and give
    /// it fresh weights.
    ///
    /// # Errors
    /// When the network does not fit the samples or the device, its two modes declare different weights, or the device fails.
    pub fn new(
        gpu: &'g Gpu,
        network: &impl Network,
        sample: impl Into<Shape>,
        classes: usize,
        learning: Learning,
    ) -> Result<Self> {
        let sample = sample.into();
        learning.check()?;
        let mut batch = vec![learning.batch];
        batch.extend(sample.dims());
        if classes == 0 || sample.numel() == 0 || !Shape::new(batch).is_countable() {
            return Err(Error::usage(format!(
                "{} samples of {sample} in {classes} classes: give at least one number and one class, and at most {} numbers in all",
                learning.batch,
                Shape::MOST_ELEMENTS
            )));
        }
        let record = |mode| record(network, &sample, classes, learning.batch, mode);
        let (tape, _) = record(Mode::Training)?;
        let (evaluation, probabilities) = record(Mode::Evaluation)?;
        same_weights(&tape, &evaluation)?;
        let (device, choices) = (gpu.capabilities(), Choices::default());
        let schedules = [
            schedule(&tape, device, &choices)?,
            schedule(&evaluation, device, &choices)?,
        ];
        let [train, evaluate] = &schedules;
        let programs = [("training", train), ("evaluation", evaluate)];
        let plan = MemoryPlan::new(&programs, device, Placement::default(), 1)?;
        let mut session = Session::new(gpu, plan, &[train, evaluate])?;
        let ones = vec![1f32; classes];
        session.write_buffer("input class weights", bytemuck::cast_slice(&ones))?;
        for (tensor, values) in initial_values(&tape, learning.seed) {
            let place = session.place(0, train, &tape.handle(tensor))?;
            session.write(place, bytemuck::cast_slice(&values))?;
        }
        Ok(Self {
            session,
            tape,
            schedules,
            probabilities,
            learning,
            size: sample.numel(),
            classes,
            epochs: 0,
            steps: 0,
        })
    }

    /// Train for some epochs on samples one after the other and their classes, counted from 0; returns the mean loss of each epoch.
    /// Called again, it goes on: a loop of your own calls it epoch by epoch, or with a batch at a time. Samples that are no finite
    /// numbers give a loss that is none.
    ///
    /// # Errors
    /// When samples and classes don't fit or there are none, or the device fails.
    pub fn fit(&mut self, x: &[f32], y: &[u32], epochs: usize) -> Result<Vec<f64>> {
        self.check(x, y)?;
        if y.is_empty() {
            return Err(Error::data("there are no samples to learn from"));
        }
        let mut losses = Vec::with_capacity(epochs);
        for _ in 0..epochs {
            let order = epoch_order(self.learning.seed, self.epochs, y.len(), true);
            self.epochs += 1;
            self.pass(0, x, y, &order, |_, _| Ok(()))?;
            losses.push(self.means(0)?.0);
        }
        Ok(losses)
    }

    /// Learn at another rate from now on.
    ///
    /// # Errors
    /// When it is no finite number, or below 0; it stays as it was then.
    pub fn set_rate(&mut self, rate: f64) -> Result<()> {
        let learning = Learning {
            rate,
            ..self.learning
        };
        learning.check()?;
        self.learning = learning;
        Ok(())
    }

    /// Loss, accuracy and probabilities, with running statistics and without dropout. Of no samples, zeros.
    ///
    /// # Errors
    /// When samples and classes don't fit, or the device fails.
    pub fn evaluate(&mut self, x: &[f32], y: &[u32]) -> Result<Evaluation> {
        self.check(x, y)?;
        let place = (self.session).place(1, &self.schedules[1], &self.probabilities)?;
        let classes = self.classes;
        let order: Vec<u32> = (0..y.len() as u32).collect();
        let mut probabilities = Vec::with_capacity(y.len() * classes);
        self.pass(1, x, y, &order, |session, valid| {
            let rows = session.read(place)?;
            let rows: Vec<f32> = bytemuck::pod_collect_to_vec(&rows[..valid * classes * 4]);
            probabilities.extend(rows);
            Ok(())
        })?;
        let (loss, accuracy) = self.means(1)?;
        Ok(Evaluation {
            loss,
            accuracy,
            probabilities,
        })
    }

    /// Probabilities of samples, classes side by side.
    ///
    /// # Errors
    /// When these are no whole samples, or the device fails.
    pub fn predict(&mut self, x: &[f32]) -> Result<Vec<f32>> {
        let y = vec![0; x.len() / self.size];
        Ok(self.evaluate(x, &y)?.probabilities)
    }

    /// Parameters and states by name.
    ///
    /// # Errors
    /// When the device fails.
    pub fn weights(&mut self) -> Result<Weights> {
        let mut weights = Weights::new();
        for tensor in self.tensors() {
            let place = self.session.place(0, &self.schedules[0], &tensor)?;
            let bytes = self.session.read(place)?;
            weights.push((
                self.tape.value(tensor.id()).name.clone(),
                tensor.shape().clone(),
                bytemuck::pod_collect_to_vec(&bytes[..tensor.numel() * 4]),
            ));
        }
        Ok(weights)
    }

    /// Write the weights as a safetensors file, whole or not at all.
    ///
    /// # Errors
    /// A full disk, a read-only folder, weights that are no finite numbers.
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let weights = self.weights()?;
        let tensors: Vec<(&str, &Shape, &[f32])> = weights
            .iter()
            .map(|(name, shape, data)| (name.as_str(), shape, data.as_slice()))
            .collect();
        tensor_file::write(path.as_ref(), &tensors, tensor_file::Metadata::new())
    }

    /// Take the weights of a file that [`save`](Self::save) wrote, or that another tool did under the same names.
    ///
    /// # Errors
    /// When the file is missing or damaged, or its names and shapes are not the network's; nothing is changed then.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let weights = read_weights(path)?;
        check_weights(&self.tape, &weights).map_err(|e| e.context(path.display()))?;
        for tensor in self.tensors() {
            let name = &self.tape.value(tensor.id()).name;
            let Some((_, _, data)) = weights.iter().find(|(n, ..)| n == name) else {
                continue;
            };
            let place = self.session.place(0, &self.schedules[0], &tensor)?;
            self.session.write(place, bytemuck::cast_slice(data))?;
        }
        Ok(())
    }

    fn tensors(&self) -> Vec<Tensor> {
        let roles = [Role::Parameter, Role::State].into_iter();
        roles.flat_map(|role| self.tape.tensors(role)).collect()
    }

    fn check(&self, x: &[f32], y: &[u32]) -> Result<()> {
        if x.len() != y.len() * self.size {
            return Err(Error::data(format!(
                "{} numbers and {} labels: a sample has {} numbers and one label",
                x.len(),
                y.len(),
                self.size
            )));
        }
        match y.iter().find(|&&label| label as usize >= self.classes) {
            None => Ok(()),
            Some(label) => Err(Error::data(format!(
                "there is a label {label}, and {} classes, counted from 0",
                self.classes
            ))),
        }
    }

    /// Run a program over all samples in some order; `each` is called after every batch with its number of real samples.
    fn pass(
        &mut self,
        program: usize,
        x: &[f32],
        y: &[u32],
        order: &[u32],
        mut each: impl FnMut(&mut Session<'g>, usize) -> Result<()>,
    ) -> Result<()> {
        let zeros = [0f32; 4];
        let totals = format!("output {}", TOTALS[program]);
        self.session
            .write_buffer(&totals, bytemuck::cast_slice(&zeros))?;
        let (batch, rate) = (self.learning.batch, self.learning.rate);
        for part in order.chunks(batch) {
            let mut step = Step::full(part.len());
            if program == 0 {
                self.steps += 1;
                step.seed = (self.learning.seed ^ (self.learning.seed >> 32)) as u32;
                step.step = self.steps as u32;
                step.learning_rate = rate as f32;
                step.alpha = Adam::default().alpha(rate, self.steps) as f32;
            }
            // Padding repeats a sample, so that its values are finite.
            let padded = part.iter().chain(std::iter::repeat(&part[0])).take(batch);
            let (mut samples, mut labels) = (Vec::new(), Vec::new());
            for &i in padded {
                samples.extend_from_slice(&x[i as usize * self.size..][..self.size]);
                labels.push(y[i as usize]);
            }
            let [x_name, y_name] = BATCH;
            let data = vec![
                (x_name, bytemuck::cast_slice(&samples)),
                (y_name, bytemuck::cast_slice(&labels)),
            ];
            self.session.run(program, &[StepInputs { step, data }])?;
            each(&mut self.session, part.len())?;
        }
        Ok(())
    }

    /// Mean loss and accuracy of a program's pass.
    fn means(&mut self, program: usize) -> Result<(f64, f64)> {
        let totals = format!("output {}", TOTALS[program]);
        let bytes = self.session.read_buffer(&totals)?;
        Ok(means(&bytemuck::pod_collect_to_vec::<u8, f32>(&bytes)))
    }
}
