//! Where parameters and states lie in their flat buffers, and what they start as.

use super::{Role, Tape};
use crate::ops::Fill;
use crate::tensor::{Tensor, TensorId};
use std::collections::HashMap;

/// How a parameter or state tensor starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All one value.
    Constant(f32),
    /// Glorot (Xavier) uniform: `U(-l, l)` with `l = sqrt(6 / (fan_in + fan_out))` (Glorot & Bengio 2010; the default of Keras).
    GlorotUniform {
        /// Inputs that meet in one output.
        fan_in: usize,
        /// Outputs that one input reaches.
        fan_out: usize,
    },
}

impl Tape {
    /// Offsets in bytes of all parameters within the flat buffers, and the flat buffers' size.
    pub fn flat_layout(&self) -> (HashMap<TensorId, u64>, u64) {
        layout(&self.tensors(Role::Parameter))
    }

    /// Offsets in bytes of all state tensors within the state buffer, and its size.
    pub fn state_layout(&self) -> (HashMap<TensorId, u64>, u64) {
        layout(&self.tensors(Role::State))
    }
}

/// Largest alignment that WebGPU devices ask of storage-buffer offsets.
pub const ALIGNMENT: u64 = 256;

fn layout(tensors: &[Tensor]) -> (HashMap<TensorId, u64>, u64) {
    let mut offset = 0;
    let mut offsets = HashMap::new();
    for t in tensors {
        offsets.insert(t.id, offset);
        offset += t.spec.bytes().next_multiple_of(ALIGNMENT);
    }
    (offsets, offset)
}

/// Values for all parameters and states of a fresh model: deterministic in `seed`, by name, so that adding a layer does not
/// change the others.
pub fn initial_values(tape: &Tape, seed: u64) -> HashMap<TensorId, Vec<f32>> {
    use rand::SeedableRng;
    let mut values = HashMap::new();
    for role in [Role::Parameter, Role::State] {
        for tensor in tape.tensors(role) {
            let value = tape.value(tensor.id);
            let n = tensor.numel();
            let data = match value.init {
                Init::Constant(c) => vec![c; n],
                Init::GlorotUniform { fan_in, fan_out } => {
                    let key = initial_key(seed, &value.name);
                    let mut rng = rand_chacha::ChaCha8Rng::from_seed(key);
                    let limit = glorot_limit(fan_in, fan_out);
                    Fill::Uniform(-limit, limit).values(n, &mut rng)
                }
            };
            values.insert(tensor.id, data);
        }
    }
    values
}

/// Key of the ChaCha8 generator that draws the tensor of this name.
pub(crate) fn initial_key(seed: u64, name: &str) -> [u8; 32] {
    *blake3::hash(format!("{seed}/{name}").as_bytes()).as_bytes()
}

/// The `l` of [`Init::GlorotUniform`].
pub(crate) fn glorot_limit(fan_in: usize, fan_out: usize) -> f32 {
    (6.0 / (fan_in + fan_out) as f64).sqrt() as f32
}
