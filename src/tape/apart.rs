//! A training step whose micro-batches are computed by several ranks: what adds them up stands apart from what computes them.

use super::{Flat, Phase, Role, Tape};
use crate::error::{Error, Result};
use crate::ops::Pass;
use crate::tensor::{Tensor, TensorId};
use std::collections::BTreeSet;

impl Tape {
    /// Put the nodes that add a micro-batch to those before it (the sum of gradients, running statistics, metrics) behind all
    /// others of a micro-batch, as [`Phase::Sum`], and keep what they read of it for the host. They can then be run for
    /// micro-batches that other ranks have computed, in the order of one process and by the same kernels, so that not a bit
    /// differs. Which kernels run, and on what, stays as it was.
    ///
    /// # Errors
    /// When a node of a micro-batch reads what is added up, so that micro-batches can't be computed apart from each other.
    pub fn sum_apart(&mut self) -> Result<()> {
        let lasts = |id: TensorId| {
            let role = self.value(id).role;
            matches!(role, Role::State | Role::Output)
                || matches!(role, Role::Flat(which) if which != Flat::Gradients)
        };
        let adds = |node: &super::Node| {
            node.phase == Phase::Batch
                && node.pass == Pass::Forward
                && node.mutates().iter().any(|t| lasts(t.id()))
        };
        let (mut sums, mut others): (Vec<_>, Vec<_>) =
            self.nodes.iter().cloned().partition(|n| adds(n));
        // State tensors are left out: ops that train are given the running statistics, which evaluation reads, and don't read them.
        // Whether that is so is seen when kernels are known: `Schedule::check_apart`.
        let summed: BTreeSet<TensorId> = (sums.iter())
            .flat_map(|n| n.mutates().into_iter().map(Tensor::id))
            .filter(|&id| self.value(id).role != Role::State)
            .collect();
        let early = others.iter().find(|n| {
            let touched = n.reads().into_iter().chain(n.writes());
            n.phase == Phase::Batch && touched.into_iter().any(|t| summed.contains(&t.id()))
        });
        if let Some(node) = early {
            return Err(Error::model(format!(
                "{}: reads what earlier micro-batches of the step have left, so ranks can't share a step; train with one rank",
                node.label
            )));
        }
        for node in &mut sums {
            node.phase = Phase::Sum;
        }
        if let Some(forward) = self.forward_nodes {
            let gone = self.nodes[..forward].iter().filter(|n| adds(n)).count();
            self.forward_nodes = Some(forward - gone);
        }
        let end = (others.iter())
            .position(|n| n.phase == Phase::Update)
            .unwrap_or(others.len());
        others.splice(end..end, sums);
        self.nodes = others;
        for (i, tensor) in self.shares().iter().enumerate() {
            let value = &mut self.values[tensor.id().index()];
            if value.role == Role::Activation {
                value.role = Role::Output;
                // Buffers go by name, and two layers' tensors may have one.
                value.name = format!("share {i} {}", value.name);
            }
        }
        Ok(())
    }

    /// What the nodes of [`Phase::Sum`] read of a micro-batch, each tensor once, in order: what its rank gives to the others.
    pub fn shares(&self) -> Vec<Tensor> {
        let mut found: Vec<Tensor> = Vec::new();
        for node in self.nodes.iter().filter(|n| n.phase == Phase::Sum) {
            let changed: Vec<TensorId> = node.mutates().into_iter().map(Tensor::id).collect();
            for tensor in node.reads() {
                let known = found.iter().any(|t| t.id() == tensor.id());
                if !known && !changed.contains(&tensor.id()) {
                    found.push(tensor.clone());
                }
            }
        }
        found
    }
}
