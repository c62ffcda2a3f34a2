//! A run's tensors by name, going to and coming from the device: parameters, running statistics, Adam's moments.

use super::Engine;
use crate::error::{Error, Result};
use crate::plan::flat_buffer;
use crate::tape::{Flat, Role, Tape, initial_values};
use crate::tensor::{Shape, TensorId};
use std::collections::HashMap;

/// The buffer of the weights' moving average.
const AVERAGE: &str = "average";

/// Named tensors: parameters and running statistics under PyTorch's names.
pub type Weights = Vec<(String, Shape, Vec<f32>)>;

impl Engine<'_> {
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
        self.start_average()
    }

    /// Let the moving average of the weights, where there is one, begin with the weights as they are.
    ///
    /// # Errors
    /// When the device fails.
    pub fn start_average(&mut self) -> Result<()> {
        if !self.session.has_buffer(AVERAGE) {
            return Ok(());
        }
        // Kernels may look beyond the end of the parameters, so their buffer may be the longer one.
        let bytes = self.empty(AVERAGE).len();
        let parameters = self.session.read_buffer("parameters")?;
        self.session.write_buffer(AVERAGE, &parameters[..bytes])
    }

    /// Do something with the averaged weights in place of the trained ones, where there is an average. Batch norm's running
    /// statistics stay as they are: they are averages themselves.
    ///
    /// # Errors
    /// Those of `what`, and when the device fails.
    pub fn averaged<T>(&mut self, what: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if !self.session.has_buffer(AVERAGE) {
            return what(self);
        }
        let trained = self.session.read_buffer("parameters")?;
        let average = self.session.read_buffer(AVERAGE)?;
        self.session.write_buffer("parameters", &average)?;
        let done = what(self);
        self.session.write_buffer("parameters", &trained)?;
        done
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
        check_weights(tape, weights)?;
        let given: HashMap<&str, &Vec<f32>> =
            weights.iter().map(|(n, _, d)| (n.as_str(), d)).collect();
        let mut parameters = self.empty("parameters");
        let mut state = self.empty("state");
        let (flat, _) = tape.flat_layout();
        let (states, _) = tape.state_layout();
        for (name, _, id) in &named(tape) {
            let bytes: &[u8] = bytemuck::cast_slice(given[name.as_str()]);
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

    /// The gradients of the last step by their parameters' names, summed over its micro-batches, before clipping.
    ///
    /// # Errors
    /// When the device fails.
    pub fn gradients(&mut self) -> Result<Weights> {
        let [sum, one] = [Flat::GradientSum, Flat::Gradients].map(|which| flat_buffer(which).0);
        let buffer = if self.session.has_buffer(sum) {
            sum
        } else {
            one
        };
        let gradients = self.session.read_buffer(buffer)?;
        let tape = &self.programs[0].tape;
        let (flat, _) = tape.flat_layout();
        let of = |(name, shape, id): (String, Shape, TensorId)| {
            let offset = *flat.get(&id)? as usize;
            let data = &gradients[offset..offset + shape.numel() * 4];
            Some((name, shape, bytemuck::pod_collect_to_vec(data)))
        };
        Ok(named(tape).into_iter().filter_map(of).collect())
    }

    /// Adam's moments, as flat vectors.
    ///
    /// # Errors
    /// When the device fails.
    pub fn moments(&mut self) -> Result<[Vec<f32>; 2]> {
        let mut all = [Vec::new(), Vec::new()];
        for (which, into) in [Flat::Moment1, Flat::Moment2].into_iter().zip(&mut all) {
            let bytes = self.session.read_buffer(flat_buffer(which).0)?;
            *into = bytemuck::pod_collect_to_vec(&bytes);
        }
        Ok(all)
    }

    /// The moving average of the weights, flat; empty where there is none.
    ///
    /// # Errors
    /// When the device fails.
    pub fn average(&mut self) -> Result<Vec<f32>> {
        if !self.session.has_buffer(AVERAGE) {
            return Ok(Vec::new());
        }
        let bytes = self.session.read_buffer(AVERAGE)?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Set the moving average of the weights.
    ///
    /// # Errors
    /// When its size is not the model's, or the device fails.
    pub fn set_average(&mut self, average: &[f32]) -> Result<()> {
        let expected = self.empty(AVERAGE).len() / 4;
        if expected != average.len() {
            return Err(Error::model(format!(
                "the checkpoint's average of the weights has {} numbers, the run needs {expected}",
                average.len()
            )));
        }
        if average.is_empty() {
            return Ok(());
        }
        self.session
            .write_buffer(AVERAGE, bytemuck::cast_slice(average))
    }

    /// Set Adam's moments.
    ///
    /// # Errors
    /// When their size is not the model's, or the device fails.
    pub fn set_moments(&mut self, moments: &[Vec<f32>; 2]) -> Result<()> {
        for (which, data) in [Flat::Moment1, Flat::Moment2].into_iter().zip(moments) {
            let name = flat_buffer(which).0;
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
}

/// Whether `weights` are those of the recorded model: the same names, the same shapes.
///
/// # Errors
/// With the first name that is missing, unknown or of another shape.
pub fn check_weights(tape: &Tape, weights: &Weights) -> Result<()> {
    const OTHER: &str = "this is another architecture, or one for other classes";
    let given: HashMap<&str, &Shape> = weights.iter().map(|(n, s, _)| (n.as_str(), s)).collect();
    let expected = named(tape);
    for (name, shape, _) in &expected {
        let found = given
            .get(name.as_str())
            .ok_or_else(|| Error::model(format!("the weights have no {name}; {OTHER}")))?;
        if *found != shape {
            return Err(Error::model(format!(
                "{name} is {found} in the weights, {shape} in the model; {OTHER}"
            )));
        }
    }
    if let Some((extra, ..)) = weights
        .iter()
        .find(|(n, ..)| !expected.iter().any(|(e, ..)| e == n))
    {
        return Err(Error::model(format!(
            "the weights hold {extra}, which the model lacks; {OTHER}"
        )));
    }
    Ok(())
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
