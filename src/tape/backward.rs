//! Reverse mode: the gradient nodes of everything recorded, last node first.

use super::{Node, Role, Tape};
use crate::error::{Error, Result};
use crate::ops::{Add, Io, Pass, util};
use crate::tensor::{Tensor, TensorId};
use std::sync::Arc;

impl Tape {
    /// Append the gradient nodes of a scalar loss, for every parameter and variable that it depends on.
    ///
    /// A second call adds to the gradients of the first, as if the sum of both losses had been differentiated (PyTorch's
    /// convention); recording that sum and calling this once shares the nodes that both have in common.
    ///
    /// # Errors
    /// When `loss` is not a scalar or depends on nothing trainable.
    pub fn backward(&mut self, loss: &Tensor) -> Result<()> {
        if loss.numel() != 1 {
            return Err(Error::shape(
                "backward",
                format!("the loss must be one number, it is {}", loss.shape()),
            ));
        }
        self.forward_nodes.get_or_insert(self.nodes.len());
        let one = self.apply(
            util::Constant {
                value: 1.0,
                shape: loss.shape().clone(),
            },
            &[],
        )?;
        self.backward_from(loss, &one)
    }

    /// Append the gradient nodes of `output` under the upstream gradient `dy`. Calls add up, as those of [`Tape::backward`] do.
    ///
    /// # Errors
    /// When shapes differ or `output` depends on nothing trainable.
    pub fn backward_from(&mut self, output: &Tensor, dy: &Tensor) -> Result<()> {
        if output.shape() != dy.shape() {
            return Err(Error::shape(
                "backward",
                format!(
                    "the upstream gradient is {}, the output {}",
                    dy.shape(),
                    output.shape()
                ),
            ));
        }
        if !self.values[output.id.index()].requires_grad {
            return Err(Error::shape(
                "backward",
                format!(
                    "{} depends on no parameter",
                    self.values[output.id.index()].name
                ),
            ));
        }
        self.forward_nodes.get_or_insert(self.nodes.len());
        let scope = std::mem::take(&mut self.scope);
        // What an earlier call left at tensors between leaves and its output has been passed on already.
        let mut gradients = std::mem::take(&mut self.gradients);
        gradients.retain(|&id, _| self.is_leaf(id));
        self.gradients = gradients;
        self.contribute(output, dy.clone(), false)?;
        for index in (0..self.nodes.len()).rev() {
            let node = self.nodes[index].clone();
            if node.pass != Pass::Forward || node.io.y.is_empty() {
                continue;
            }
            let Some(dy) = self.gradients.get(&node.io.y(0).id).cloned() else {
                continue;
            };
            let dy = self.reshape(&dy, node.io.y(0).shape().clone())?;
            self.scope = node
                .label
                .rsplit_once('/')
                .map(|(s, _)| s.to_owned())
                .unwrap_or_default();
            self.backward_node(&node, dy)?;
        }
        self.scope = scope;
        Ok(())
    }

    fn backward_node(&mut self, node: &Node, dy: Tensor) -> Result<()> {
        let wanted: Vec<usize> = node
            .op
            .differentiable()
            .iter()
            .copied()
            .filter(|&i| i < node.io.x.len())
            .filter(|&i| self.values[node.io.x(i).id.index()].requires_grad)
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        if node.op.gradient_is_dy() {
            for i in wanted {
                let x = node.io.x(i).clone();
                self.contribute(&x, dy.clone(), false)?;
            }
            return Ok(());
        }
        let mut dx = vec![None; node.io.x.len()];
        for &i in &wanted {
            dx[i] = Some(self.new_gradient(node.io.x(i)));
        }
        let saved = node.op.saved();
        let keep = |all: &[Option<Tensor>], named: &[usize]| -> Vec<Option<Tensor>> {
            let pick = |(i, t): (usize, &Option<Tensor>)| t.clone().filter(|_| named.contains(&i));
            all.iter().enumerate().map(pick).collect()
        };
        let io = Io {
            x: keep(&node.io.x, saved.inputs),
            y: keep(&node.io.y, saved.outputs),
            dy: Some(dy),
            dx: dx.clone(),
        };
        self.push_node(node.op.clone(), Pass::Backward, io);
        for i in wanted {
            if let Some(gradient) = dx[i].take() {
                let x = node.io.x(i).clone();
                self.contribute(&x, gradient, true)?;
            }
        }
        Ok(())
    }

    /// The first gradient of a parameter or variable is written straight to its final place; later ones are added to it.
    fn new_gradient(&mut self, x: &Tensor) -> Tensor {
        let value = &self.values[x.id.index()];
        let (name, first) = (
            format!("d({})", value.name),
            !self.gradients.contains_key(&x.id),
        );
        let role = match value.role {
            Role::Parameter if first => Role::Gradient,
            Role::Input if first => Role::Output,
            _ => Role::Activation,
        };
        let scope = std::mem::take(&mut self.scope);
        let tensor = self.push_value(&name, x.spec.clone(), role, false);
        self.scope = scope;
        tensor
    }

    /// Parameters and variables: where gradients end.
    fn is_leaf(&self, id: TensorId) -> bool {
        matches!(self.values[id.index()].role, Role::Parameter | Role::Input)
    }

    /// Add `gradient` to what is already known of the gradient of `x`. `fresh`: it was made for `x` alone by `new_gradient`.
    fn contribute(&mut self, x: &Tensor, gradient: Tensor, fresh: bool) -> Result<()> {
        let gradient = self.reshape(&gradient, x.shape().clone())?;
        let leaf = self.is_leaf(x.id);
        match self.gradients.get(&x.id).cloned() {
            None if leaf && !fresh => {
                let slot = self.new_gradient(x);
                let io = Io {
                    x: vec![Some(gradient)],
                    y: vec![Some(slot.clone())],
                    ..Io::default()
                };
                self.push_node(Arc::new(util::Copy), Pass::Forward, io);
                self.gradients.insert(x.id, slot);
            }
            None => {
                self.gradients.insert(x.id, gradient);
            }
            Some(sum) if leaf => {
                self.apply_all(Arc::new(util::AddAssign), &[&sum, &gradient])?;
            }
            Some(sum) => {
                let sum = self.reshape(&sum, x.shape().clone())?;
                let total = self.apply(Add, &[&sum, &gradient])?;
                self.gradients.insert(x.id, total);
            }
        }
        Ok(())
    }

    /// The gradient of a parameter or variable, after [`Tape::backward`].
    pub fn gradient(&self, tensor: &Tensor) -> Option<&Tensor> {
        self.gradients.get(&tensor.id)
    }

    /// The parameter that a gradient tensor belongs to.
    pub fn parameter_of(&self, gradient: TensorId) -> Option<TensorId> {
        self.gradients
            .iter()
            .find(|(p, g)| g.id == gradient && self.values[p.index()].role == Role::Parameter)
            .map(|(p, _)| *p)
    }
}
