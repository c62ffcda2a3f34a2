//! One recorded op application.

use super::Phase;
use crate::ops::{AnyOp, Io, Pass};
use crate::tensor::Tensor;
use std::sync::Arc;

/// One op application, in one direction.
#[derive(Debug, Clone)]
pub struct Node {
    /// The op.
    pub op: Arc<dyn AnyOp>,
    /// The direction.
    pub pass: Pass,
    /// Its tensors.
    pub io: Io,
    /// The layer or purpose, e.g. `block1/conv2d`.
    pub label: String,
    /// When it runs.
    pub phase: Phase,
}

impl Node {
    /// Tensors that the node reads, those it changes in place included.
    pub fn reads(&self) -> Vec<&Tensor> {
        let written = usize::from(self.pass == Pass::Recompute);
        let y = match self.pass {
            Pass::Forward => &[][..],
            _ => &self.io.y[written.min(self.io.y.len())..],
        };
        self.io
            .x
            .iter()
            .chain(y)
            .flatten()
            .chain(&self.io.dy)
            .collect()
    }

    /// Tensors that the node writes whole.
    pub fn writes(&self) -> Vec<&Tensor> {
        match self.pass {
            Pass::Forward => self.io.y.iter().flatten().collect(),
            Pass::Recompute => self.io.y.iter().take(1).flatten().collect(),
            Pass::Backward => self.io.dx.iter().flatten().collect(),
        }
    }

    /// Tensors that the node changes in place.
    pub fn mutates(&self) -> Vec<&Tensor> {
        match self.pass {
            Pass::Forward => {
                let io = &self.io;
                self.op.mutates().iter().map(|&i| io.x(i)).collect()
            }
            _ => Vec::new(),
        }
    }
}
