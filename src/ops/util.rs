//! Plumbing that the tape itself records: constants, copies, sums of gradients.

use super::{Array, Io, Lowering, Op, Real, Step, grid_1d};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{Shape, Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// Workgroup size of the elementwise kernels.
pub(crate) const WORKGROUP: usize = 64;

/// Params of an elementwise kernel over vec4s, as WGSL declares them: `struct Params { quads: u32, value: f32, elements: u32, pad: u32 }`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct Elementwise {
    /// Number of vec4s, the last one rounded up.
    pub quads: u32,
    /// A constant.
    pub value: f32,
    /// Number of elements: what lies beyond them in the last vec4 is nobody's.
    pub elements: u32,
    /// Always 0: a uniform is a multiple of 16 bytes.
    pub pad: u32,
}

impl Elementwise {
    /// For this many elements, and a kernel that reads `value` if it has a use for it.
    pub fn new(elements: usize, value: f32) -> Self {
        Self {
            quads: elements.div_ceil(4) as u32,
            value,
            elements: elements as u32,
            pad: 0,
        }
    }

    /// The grid of a kernel that does a vec4 per invocation in workgroups of 64; which one is `id.y * groups.x * 64u + id.x`.
    pub fn grid(&self) -> [u32; 3] {
        grid_1d(self.quads as usize, WORKGROUP)
    }
}

/// A tensor full of one value: the gradient of a loss with respect to itself is `Constant { value: 1.0, .. }`.
#[derive(Debug, Clone)]
pub struct Constant {
    /// The value.
    pub value: f32,
    /// Shape of the output.
    pub shape: Shape,
}

impl Op for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }
    fn output_specs(&self, _: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::f32(self.shape.clone())])
    }
    fn differentiable(&self) -> &'static [usize] {
        &[]
    }
    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let p = Elementwise::new(io.y(0).numel(), self.value);
        l.dispatch(kernel!("util/fill"), &[io.y(0)], p, p.grid())
    }
    fn forward_reference<T: Real>(&self, _: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let mut y = Array::zeros(self.shape.clone());
        y.data.fill(T::lit(f64::from(self.value)));
        vec![y]
    }
}

/// `y = x`.
#[derive(Debug, Clone, Copy)]
pub struct Copy;

/// Push a copy of `from` into `to`.
pub(crate) fn copy(from: &Tensor, to: &Tensor, l: &mut Lowering) -> Result<()> {
    let p = Elementwise::new((to.numel() * to.spec().dtype.size()).div_ceil(4), 0.0);
    let tail = !p.elements.is_multiple_of(4);
    let kernel = kernel!("util/copy").with("TAIL", u32::from(tail));
    l.dispatch(kernel, &[from, to], p, p.grid())
}

impl Op for Copy {
    fn name(&self) -> &'static str {
        "copy"
    }
    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![x[0].clone()])
    }
    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }
    fn gradient_is_dy(&self) -> bool {
        true
    }
    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        copy(io.x(0), io.y(0), l)
    }
    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        vec![x[0].clone()]
    }
}

/// `x0 += x1`, in place: how a second gradient of a parameter is added, and micro-batches are summed.
#[derive(Debug, Clone, Copy)]
pub struct AddAssign;

impl Op for AddAssign {
    fn name(&self) -> &'static str {
        "add_assign"
    }
    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        if x[0].numel() != x[1].numel() {
            return Err(Error::shape(
                "add_assign",
                format!("{} and {} differ in size", x[0].shape, x[1].shape),
            ));
        }
        Ok(vec![])
    }
    fn differentiable(&self) -> &'static [usize] {
        &[]
    }
    fn mutates(&self) -> &'static [usize] {
        &[0]
    }
    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let p = Elementwise::new(io.x(0).numel(), 0.0);
        l.dispatch(kernel!("add/forward"), &[io.x(0), io.x(1)], p, p.grid())
    }
    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let mut sum = x[0].clone();
        for (s, &v) in sum.data.iter_mut().zip(&x[1].data) {
            *s = *s + v;
        }
        vec![sum]
    }
}
