//! The CPU executor: runs a whole tape with the ops' references, in f32 or f64. Slow and obvious, it is what the GPU is
//! checked against.

use crate::ops::{Array, Pass, Reference, Step};
use crate::tape::{ALIGNMENT, Flat, Node, Phase, Role, Tape};
use crate::tensor::{Tensor, TensorId};
use std::borrow::Cow;
use std::collections::HashMap;

/// Values of all tensors of a tape, on the CPU.
pub struct Executor<'t, T> {
    tape: &'t Tape,
    values: Vec<Array<T>>,
    moments: HashMap<Flat, Array<T>>,
}

impl<'t, T: Reference> Executor<'t, T> {
    /// An executor with zeros everywhere.
    pub fn new(tape: &'t Tape) -> Self {
        let values = tape
            .values()
            .iter()
            .map(|v| match v.role {
                Role::Parameter | Role::State | Role::Output => Array::zeros(v.spec.shape.clone()),
                _ => Array::empty(),
            })
            .collect();
        Self {
            tape,
            values,
            moments: HashMap::new(),
        }
    }

    /// Set an input, a parameter or a state tensor.
    ///
    /// # Panics
    /// When the number of elements is not the tensor's.
    pub fn set(&mut self, tensor: &Tensor, data: &[f32]) {
        self.values[tensor.id().index()] = Array::from_f32(tensor.shape().clone(), data);
    }

    /// Change one element, for finite differences.
    pub fn nudge(&mut self, tensor: &Tensor, element: usize, by: T) {
        let v = &mut self.values[tensor.id().index()].data[element];
        *v = *v + by;
    }

    /// The value of a tensor.
    pub fn get(&self, tensor: &Tensor) -> &Array<T> {
        &self.values[tensor.id().index()]
    }

    /// Run every node once: a step over one undivided batch.
    pub fn run(&mut self, step: &Step) {
        self.run_phase(Phase::Batch, step);
        self.run_phase(Phase::Sum, step);
        self.run_phase(Phase::Update, step);
    }

    /// Run the nodes of one phase.
    pub fn run_phase(&mut self, phase: Phase, step: &Step) {
        for node in self.tape.nodes().iter().filter(|n| n.phase == phase) {
            self.run_node(node, step);
        }
    }

    /// Run one node, on the values that its inputs have now.
    pub fn run_node(&mut self, node: &Node, step: &Step) {
        let outputs = {
            let empty = Array::empty();
            let load = |slot: &Option<Tensor>| match slot {
                Some(t) => self.load(t),
                None => Cow::Owned(empty.clone()),
            };
            // An input that backward does not read still has the shape of its gradient.
            let load_input = |(i, slot): (usize, &Option<Tensor>)| match node.io.dx.get(i) {
                Some(Some(dx)) if slot.is_none() => Cow::Owned(Array {
                    shape: dx.shape().clone(),
                    data: Vec::new(),
                }),
                _ => load(slot),
            };
            let x: Vec<Cow<Array<T>>> = node.io.x.iter().enumerate().map(load_input).collect();
            let x: Vec<&Array<T>> = x.iter().map(AsRef::as_ref).collect();
            if node.pass == Pass::Backward {
                let y: Vec<Cow<Array<T>>> = node.io.y.iter().map(load).collect();
                let y: Vec<&Array<T>> = y.iter().map(AsRef::as_ref).collect();
                let dy = load(&node.io.dy);
                T::backward(node.op.as_ref(), &x, &y, &dy, step)
            } else {
                T::forward(node.op.as_ref(), &x, step)
            }
        };
        let mutated: Vec<Tensor> = node.mutates().into_iter().cloned().collect();
        match node.pass {
            Pass::Backward => {
                for (&i, gradient) in node.op.differentiable().iter().zip(outputs) {
                    if let Some(Some(dx)) = node.io.dx.get(i) {
                        self.store(&dx.clone(), gradient);
                    }
                }
            }
            _ if !mutated.is_empty() => {
                for (tensor, value) in mutated.iter().zip(outputs) {
                    self.store(tensor, value);
                }
            }
            pass => {
                let count = if pass == Pass::Recompute {
                    1
                } else {
                    node.io.y.len()
                };
                for (slot, value) in node.io.y.iter().take(count).zip(outputs) {
                    if let Some(tensor) = slot {
                        self.store(&tensor.clone(), value);
                    }
                }
            }
        }
    }

    fn load(&self, tensor: &Tensor) -> Cow<'_, Array<T>> {
        if let Role::Flat(which) = self.tape.value(tensor.id()).role {
            return Cow::Owned(self.load_flat(which, tensor));
        }
        let value = &self.values[tensor.id().index()];
        if &value.shape == tensor.shape() {
            Cow::Borrowed(value)
        } else {
            Cow::Owned(Array {
                shape: tensor.shape().clone(),
                data: value.data.clone(),
            })
        }
    }

    fn store(&mut self, tensor: &Tensor, value: Array<T>) {
        if let Role::Flat(which) = self.tape.value(tensor.id()).role {
            return self.store_flat(which, value);
        }
        let shape = self.tape.value(tensor.id()).spec.shape.clone();
        self.values[tensor.id().index()] = Array {
            shape,
            data: value.data,
        };
    }

    /// Parameters (or their gradients) and their offsets in elements.
    fn pieces(&self, which: Flat) -> Vec<(TensorId, usize)> {
        let (offsets, _) = self.tape.flat_layout();
        let mut pieces = Vec::new();
        for p in self.tape.tensors(Role::Parameter) {
            let offset = offsets[&p.id()] as usize / 4;
            debug_assert_eq!(offsets[&p.id()] % ALIGNMENT, 0);
            match which {
                Flat::Parameters => pieces.push((p.id(), offset)),
                Flat::Gradients => {
                    pieces.extend(self.tape.gradient(&p).map(|g| (g.id(), offset)));
                }
                _ => {}
            }
        }
        pieces
    }

    fn load_flat(&self, which: Flat, tensor: &Tensor) -> Array<T> {
        if let Some(moment) = self.moments.get(&which) {
            return moment.clone();
        }
        let mut flat = Array::zeros(tensor.shape().clone());
        for (id, offset) in self.pieces(which) {
            let data = &self.values[id.index()].data;
            flat.data[offset..offset + data.len()].copy_from_slice(data);
        }
        flat
    }

    fn store_flat(&mut self, which: Flat, value: Array<T>) {
        if !matches!(which, Flat::Parameters | Flat::Gradients) {
            self.moments.insert(which, value);
            return;
        }
        for (id, offset) in self.pieces(which) {
            let data = &mut self.values[id.index()].data;
            let n = data.len();
            data.copy_from_slice(&value.data[offset..offset + n]);
        }
    }
}
