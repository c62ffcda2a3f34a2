//! The autograd tape: ops are recorded symbolically, gradients are appended by [`Tape::backward`], nothing is computed.
//!
//! Every tensor is written by exactly one node (parameters, optimizer moments and running statistics apart, which ops
//! change in place and say so). The tape is plain data: [`crate::plan`] places it in memory, `gpu` replays it, and
//! [`crate::reference`] runs it on the CPU.

mod apart;
mod backward;
mod layout;
mod node;

pub use layout::{ALIGNMENT, Init, initial_values};
pub(crate) use layout::{glorot_limit, initial_key};
pub use node::Node;

use crate::error::{Error, Result};
use crate::ops::{AnyOp, Io, Pass};
use crate::tensor::{DType, Shape, Spec, Tensor, TensorId};
use std::collections::HashMap;
use std::sync::Arc;

/// What a tensor is for; decides in which buffer it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Written from outside before a step: a batch, labels, class weights.
    Input,
    /// Trained by the optimizer; part of the flat parameter buffer.
    Parameter,
    /// The gradient of a parameter; part of the flat gradient buffer, at the parameter's offset.
    Gradient,
    /// Kept from step to step but not trained: running statistics.
    State,
    /// A whole flat buffer as one tensor.
    Flat(Flat),
    /// The [`crate::ops::Step`] of the current micro-batch.
    Control,
    /// Read back by the host, so it has a buffer of its own.
    Output,
    /// Everything else: lives in an arena from its first write to its last read.
    Activation,
}

/// The flat buffers that hold one value per parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flat {
    /// All parameters.
    Parameters,
    /// All gradients of one micro-batch (of the batch, when it is not split).
    Gradients,
    /// Gradients summed over the micro-batches of a step.
    GradientSum,
    /// Adam's first moments.
    Moment1,
    /// Adam's second moments.
    Moment2,
    /// Moving averages of the parameters.
    Average,
}

/// When a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// For every micro-batch.
    Batch,
    /// For every micro-batch, after [`Phase::Batch`]: what adds it to those before it, where [`Tape::sum_apart`] has put that apart.
    Sum,
    /// Once per optimizer step, after all micro-batches.
    Update,
}

/// What the tape knows of a tensor.
#[derive(Debug, Clone)]
pub struct Value {
    /// For tables and messages, e.g. `conv1.weight`, `block2/conv2d:y`.
    pub name: String,
    /// Shape and type.
    pub spec: Spec,
    /// What it is for.
    pub role: Role,
    /// Whether [`Tape::backward`] computes its gradient.
    pub requires_grad: bool,
    /// How a parameter or a state tensor starts.
    pub init: Init,
}

/// A recorded computation. See the [module](self).
#[derive(Debug, Clone)]
pub struct Tape {
    values: Vec<Value>,
    nodes: Vec<Node>,
    gradients: HashMap<TensorId, Tensor>,
    scope: String,
    phase: Phase,
    control: Tensor,
    forward_nodes: Option<usize>,
}

impl Default for Tape {
    fn default() -> Self {
        Self::new()
    }
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        let spec = Spec::u32([size_of::<crate::ops::Step>() / 4]);
        let mut tape = Self {
            values: Vec::new(),
            nodes: Vec::new(),
            gradients: HashMap::new(),
            scope: String::new(),
            phase: Phase::Batch,
            forward_nodes: None,
            control: Tensor {
                id: TensorId(0),
                spec: spec.clone(),
            },
        };
        tape.control = tape.push_value("control", spec, Role::Control, false);
        tape
    }

    fn push_value(&mut self, name: &str, spec: Spec, role: Role, requires_grad: bool) -> Tensor {
        let id = TensorId(self.values.len() as u32);
        let name = if self.scope.is_empty() || role != Role::Activation {
            name.to_owned()
        } else {
            format!("{}/{name}", self.scope)
        };
        self.values.push(Value {
            name,
            spec: spec.clone(),
            role,
            requires_grad,
            init: Init::Constant(0.0),
        });
        Tensor { id, spec }
    }

    /// A tensor that is written from outside before each step.
    pub fn input(&mut self, name: &str, spec: Spec) -> Tensor {
        self.push_value(name, spec, Role::Input, false)
    }

    /// An input whose gradient is wanted too; its gradient is kept for reading back.
    pub fn variable(&mut self, name: &str, spec: Spec) -> Tensor {
        let wants = spec.dtype == DType::F32;
        self.push_value(name, spec, Role::Input, wants)
    }

    /// A trained tensor (f32).
    pub fn parameter(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> Tensor {
        let tensor = self.push_value(name, Spec::f32(shape), Role::Parameter, true);
        self.values[tensor.id.index()].init = init;
        tensor
    }

    /// A tensor that is kept from step to step but not trained (f32), filled with `value` at first.
    pub fn state(&mut self, name: &str, shape: impl Into<Shape>, value: f32) -> Tensor {
        let tensor = self.push_value(name, Spec::f32(shape), Role::State, false);
        self.values[tensor.id.index()].init = Init::Constant(value);
        tensor
    }

    /// A tensor that ops add up into and the host reads (metrics, predictions).
    pub fn output(&mut self, name: &str, spec: Spec) -> Tensor {
        self.push_value(name, spec, Role::Output, false)
    }

    /// A whole flat buffer as one f32 vector, laid out over the parameters recorded so far.
    pub fn flat(&mut self, which: Flat) -> Tensor {
        let elements = self.flat_layout().1 as usize / 4;
        let name = format!("{which:?}");
        self.push_value(&name, Spec::f32([elements]), Role::Flat(which), false)
    }

    /// The [`crate::ops::Step`] tensor.
    pub fn control(&self) -> &Tensor {
        &self.control
    }

    /// Label for the nodes recorded from now on, e.g. `block1`.
    pub fn set_scope(&mut self, scope: &str) {
        scope.clone_into(&mut self.scope);
    }

    /// Nodes recorded from now on run once per optimizer step, not per micro-batch.
    pub fn begin_update(&mut self) {
        self.phase = Phase::Update;
    }

    /// Keep an activation for reading back: it gets a buffer of its own, and where another that is kept has its name, a number behind it.
    pub fn keep(&mut self, tensor: &Tensor) {
        if self.value(tensor.id).role != Role::Activation {
            return;
        }
        let first = self.value(tensor.id).name.clone();
        let (mut name, mut number) = (first.clone(), 1);
        // Buffers go by name.
        while (self.values.iter()).any(|v| v.role == Role::Output && v.name == name) {
            number += 1;
            name = format!("{first} {number}");
        }
        let value = &mut self.values[tensor.id.index()];
        value.role = Role::Output;
        value.name = name;
    }

    /// The same elements under another shape; costs nothing.
    ///
    /// # Errors
    /// When the number of elements differs.
    pub fn reshape(&self, tensor: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if shape.numel() != tensor.numel() {
            return Err(Error::shape(
                "reshape",
                format!(
                    "{} elements of {} don't fill {shape}",
                    tensor.numel(),
                    tensor.shape()
                ),
            ));
        }
        let spec = Spec {
            shape,
            dtype: tensor.spec.dtype,
        };
        Ok(Tensor {
            id: tensor.id,
            spec,
        })
    }

    /// Record `op` on `inputs`; returns output 0.
    ///
    /// # Errors
    /// The op's shape error, with op, shapes and expectation.
    pub fn apply(&mut self, op: impl AnyOp, inputs: &[&Tensor]) -> Result<Tensor> {
        let outputs = self.apply_all(Arc::new(op), inputs)?;
        outputs.into_iter().next().ok_or_else(|| {
            Error::usage("the op has no output: record it with apply_all, not apply")
        })
    }

    /// Record `op` on `inputs`; returns all outputs (none for an op that only changes inputs in place).
    ///
    /// # Errors
    /// The op's shape error, with op, shapes and expectation.
    pub fn apply_all(&mut self, op: Arc<dyn AnyOp>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let specs: Vec<Spec> = inputs.iter().map(|t| t.spec.clone()).collect();
        // Before the op computes with sizes that may be a user's: whatever it derives from countable ones can't overflow.
        check_sizes(op.name(), &specs)?;
        let outputs = op.output_specs(&specs)?;
        check_sizes(op.name(), &outputs)?;
        let requires_grad = op
            .differentiable()
            .iter()
            .filter_map(|&i| inputs.get(i))
            .any(|x| self.values[x.id.index()].requires_grad);
        let name = op.name();
        let y: Vec<Tensor> = outputs
            .into_iter()
            .enumerate()
            .map(|(i, spec)| {
                let suffix = if i == 0 {
                    "y".to_owned()
                } else {
                    format!("y{i}")
                };
                let label = format!("{name}:{suffix}");
                self.push_value(&label, spec, Role::Activation, requires_grad && i == 0)
            })
            .collect();
        let io = Io {
            x: inputs.iter().map(|&t| Some(t.clone())).collect(),
            y: y.iter().cloned().map(Some).collect(),
            dy: None,
            dx: Vec::new(),
        };
        self.push_node(op, Pass::Forward, io);
        Ok(y)
    }

    fn push_node(&mut self, op: Arc<dyn AnyOp>, pass: Pass, io: Io) {
        let label = if self.scope.is_empty() {
            op.name().to_owned()
        } else {
            format!("{}/{}", self.scope, op.name())
        };
        self.nodes.push(Node {
            op,
            pass,
            io,
            label,
            phase: self.phase,
        });
    }

    /// All tensors, by id.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The tensor of this id.
    pub fn value(&self, id: TensorId) -> &Value {
        &self.values[id.index()]
    }

    /// A handle to the tensor of this id.
    pub fn handle(&self, id: TensorId) -> Tensor {
        Tensor {
            id,
            spec: self.values[id.index()].spec.clone(),
        }
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Tensors of one role, in recording order, as handles.
    pub fn tensors(&self, role: Role) -> Vec<Tensor> {
        self.values
            .iter()
            .enumerate()
            .filter(|(_, v)| v.role == role)
            .map(|(i, v)| Tensor {
                id: TensorId(i as u32),
                spec: v.spec.clone(),
            })
            .collect()
    }

    /// The same tape without its gradient and update nodes.
    pub fn forward_only(&self) -> Tape {
        let mut tape = self.clone();
        tape.nodes.truncate(self.forward_nodes());
        tape
    }

    /// Number of nodes recorded before the first call of [`Tape::backward`].
    pub fn forward_nodes(&self) -> usize {
        self.forward_nodes.unwrap_or(self.nodes.len())
    }

    /// Replace the list of nodes and add tensors: how the planner inserts recomputation.
    pub(crate) fn rewrite(&mut self, nodes: Vec<Node>) {
        self.nodes = nodes;
    }

    /// A new activation that stands for another computation of `original`.
    pub(crate) fn duplicate(&mut self, original: &Tensor) -> Tensor {
        let mut value = self.values[original.id.index()].clone();
        value.name.push('\'');
        value.role = Role::Activation;
        self.values.push(value);
        Tensor {
            id: TensorId(self.values.len() as u32 - 1),
            spec: original.spec.clone(),
        }
    }
}

/// Refuse tensors of more elements than kernels can count.
///
/// # Errors
/// With the tensor's shape.
pub(crate) fn check_sizes(op: &str, specs: &[Spec]) -> Result<()> {
    match specs.iter().find(|s| !s.shape.is_countable()) {
        None => Ok(()),
        Some(spec) => Err(Error::too_large(
            op,
            format!(
                "a tensor of {} has more than {} elements, the most that kernels count",
                spec.shape,
                Shape::MOST_ELEMENTS
            ),
        )),
    }
}
