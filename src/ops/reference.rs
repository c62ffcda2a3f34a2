//! Arrays of the CPU reference: plain row-major vectors, generic over f32 and f64.

use crate::tensor::Shape;
use num_traits::Float;
use std::iter::Sum;

/// The float types that the reference runs in: f64 to prove gradients, f32 to compare rounding.
pub trait Real: Float + Sum + Send + Sync + std::fmt::Debug + 'static {
    /// From a literal.
    fn lit(x: f64) -> Self;
    /// To f64, for comparisons.
    fn f64(self) -> f64;
}

impl Real for f32 {
    fn lit(x: f64) -> Self {
        x as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn lit(x: f64) -> Self {
        x
    }
    fn f64(self) -> f64 {
        self
    }
}

/// A dense row-major array. Integers (labels, window indices) are stored as whole floats, which f32 holds exactly to 2^24.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<T> {
    /// Extents.
    pub shape: Shape,
    /// Elements, last extent fastest.
    pub data: Vec<T>,
}

impl<T: Real> Array<T> {
    /// All zeros.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let data = vec![T::zero(); shape.numel()];
        Self { shape, data }
    }

    /// From f32 data, e.g. what a GPU buffer was filled with.
    ///
    /// # Panics
    /// When the number of elements is not the shape's.
    pub fn from_f32(shape: impl Into<Shape>, data: &[f32]) -> Self {
        let shape = shape.into();
        assert_eq!(
            shape.numel(),
            data.len(),
            "{shape}: wrong number of elements"
        );
        Self {
            shape,
            data: data.iter().map(|&v| T::lit(f64::from(v))).collect(),
        }
    }

    /// `f` of each element.
    pub fn map(&self, f: impl Fn(T) -> T) -> Self {
        Self {
            shape: self.shape.clone(),
            data: self.data.iter().map(|&v| f(v)).collect(),
        }
    }

    /// `f` of each element and the one at its place in an array of the same shape.
    pub fn zip(&self, other: &Self, f: impl Fn(T, T) -> T) -> Self {
        let pairs = self.data.iter().zip(&other.data);
        Self {
            shape: self.shape.clone(),
            data: pairs.map(|(&a, &b)| f(a, b)).collect(),
        }
    }

    /// An array without elements: stands for a tensor that backward does not read.
    pub fn empty() -> Self {
        Self {
            shape: Shape::new([0]),
            data: Vec::new(),
        }
    }

    /// Extents.
    pub fn dims(&self) -> &[usize] {
        self.shape.dims()
    }

    /// Extents of a 4-d array `[N, C, H, W]`; a 2-d `[N, C]` counts as `[N, C, 1, 1]`.
    pub fn nchw(&self) -> [usize; 4] {
        match *self.dims() {
            [n, c, h, w] => [n, c, h, w],
            [n, c] => [n, c, 1, 1],
            _ => unreachable!("shapes were checked when the op was recorded"),
        }
    }
}
