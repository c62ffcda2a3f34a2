//! Sizes of a dense layer, which every rung plans from.

use crate::ops::{Io, Problem, Work};
use crate::tensor::Tensor;
use bytemuck::{Pod, Zeroable};

/// Sizes of a dense layer.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    /// Samples.
    pub n: usize,
    /// Inputs.
    pub i: usize,
    /// Outputs.
    pub o: usize,
    /// Whether ReLU follows.
    pub relu: bool,
}

/// [`Geometry`] as the kernels read it.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Params {
    n: u32,
    i: u32,
    o: u32,
    reserved: u32,
}

impl Geometry {
    pub(super) fn params(&self) -> Params {
        Params {
            n: self.n as u32,
            i: self.i as u32,
            o: self.o as u32,
            reserved: 0,
        }
    }

    pub(super) fn relu(&self) -> u32 {
        u32::from(self.relu)
    }

    /// The tensor that tells where ReLU let dy pass; without ReLU dy itself stands in, so that the bindings stay the same.
    pub(super) fn mask<'a>(&self, io: &'a Io) -> &'a Tensor {
        if self.relu { io.y(0) } else { io.dy() }
    }

    /// Elements of x, w and y, and multiply-adds.
    fn sizes(&self) -> [u64; 4] {
        let [n, i, o] = [self.n, self.i, self.o].map(|size| size as u64);
        [n * i, o * i, n * o, n * i * o]
    }

    /// How often y's size is read to know dy: once, and y itself for ReLU.
    fn reads_of_dy(&self) -> u64 {
        1 + u64::from(self.relu)
    }

    /// Forward reads x, w, b; it writes y.
    pub(super) fn forward_work(&self) -> Work {
        let [x, w, y, multiply_adds] = self.sizes();
        Work {
            flops: 2 * multiply_adds,
            bytes: 4 * (x + w + self.o as u64 + y),
        }
    }

    /// A gradient reads dy (and y for ReLU) and one of x and w; it writes the gradient of the other.
    pub(super) fn gradient_work(&self) -> Work {
        let [x, w, y, multiply_adds] = self.sizes();
        Work {
            flops: 2 * multiply_adds,
            bytes: 4 * (x + w + y * self.reads_of_dy()),
        }
    }

    /// The gradient of b reads dy (and y for ReLU).
    pub(super) fn bias_work(&self) -> Work {
        let [_, _, y, _] = self.sizes();
        Work {
            flops: y,
            bytes: 4 * (y * self.reads_of_dy() + self.o as u64),
        }
    }
}

impl crate::ops::Geometry for Geometry {
    fn problem(&self) -> Problem {
        Problem(vec![
            ("n", self.n),
            ("i", self.i),
            ("o", self.o),
            ("relu", usize::from(self.relu)),
        ])
    }
}
