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
                    let hash = blake3::hash(format!("{seed}/{}", value.name).as_bytes());
                    let mut rng = rand_chacha::ChaCha8Rng::from_seed(*hash.as_bytes());
                    let limit = (6.0 / (fan_in + fan_out) as f64).sqrt() as f32;
                    Fill::Uniform(-limit, limit).values(n, &mut rng)
                }
            };
            values.insert(tensor.id, data);
        }
    }
    values
}
