//! Shapes and tensor handles. A handle owns no memory: the memory plan decides later where a tensor lives.

use std::fmt;

/// Extents of a tensor, outermost first (`[N, C, H, W]` for activations). Row-major, no strides.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape from its extents.
    pub fn new(dims: impl Into<Vec<usize>>) -> Self {
        Self(dims.into())
    }

    /// The extents.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Number of elements: the product of the extents.
    pub fn numel(&self) -> usize {
        self.0.iter().product()
    }

    /// The most elements that a tensor can have: kernels count them in 32 bits.
    pub const MOST_ELEMENTS: usize = u32::MAX as usize;

    /// Whether every product of extents stays within [`Self::MOST_ELEMENTS`], so that [`Self::numel`] and what is computed
    /// from it can't overflow.
    pub fn is_countable(&self) -> bool {
        let product = self
            .0
            .iter()
            .try_fold(1, |n: usize, &extent| n.checked_mul(extent.max(1)));
        product.is_some_and(|n| n <= Self::MOST_ELEMENTS)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self(dims.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Self(dims)
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self(dims.to_vec())
    }
}

/// `8x64x93x65`, the form used in every message.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("x")?;
            }
            write!(f, "{d}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Element type of a tensor on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float: everything that has a gradient.
    F32,
    /// 32-bit unsigned integer: labels, sample orders.
    U32,
    /// Unsigned bytes, packed four to a `u32`, element 0 in the low byte: window indices of max-pooling.
    U8,
}

impl DType {
    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            DType::F32 | DType::U32 => 4,
            DType::U8 => 1,
        }
    }
}

/// Shape and element type: all that is known of a tensor before it has a place in memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Extents.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

impl Spec {
    /// An f32 tensor of this shape.
    pub fn f32(shape: impl Into<Shape>) -> Self {
        Self {
            shape: shape.into(),
            dtype: DType::F32,
        }
    }

    /// A u32 tensor of this shape.
    pub fn u32(shape: impl Into<Shape>) -> Self {
        Self {
            shape: shape.into(),
            dtype: DType::U32,
        }
    }

    /// A byte tensor of this shape, packed four to a word.
    pub fn u8(shape: impl Into<Shape>) -> Self {
        Self {
            shape: shape.into(),
            dtype: DType::U8,
        }
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.shape.numel()
    }

    /// Size in bytes, rounded up to whole vec4s (16 bytes), so that a kernel may view any tensor as `array<vec4<f32>>`.
    pub fn bytes(&self) -> u64 {
        ((self.numel() * self.dtype.size()) as u64).next_multiple_of(16)
    }
}

/// Identity of a tensor within one [`crate::tape::Tape`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub(crate) u32);

impl TensorId {
    /// Position in the tape's list of tensors.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A handle to a tensor on a tape: its identity and its spec, no memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub(crate) id: TensorId,
    pub(crate) spec: Spec,
}

impl Tensor {
    /// Identity on the tape.
    pub fn id(&self) -> TensorId {
        self.id
    }

    /// Shape and element type.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Extents.
    pub fn shape(&self) -> &Shape {
        &self.spec.shape
    }

    /// Extents as a slice, for destructuring: `let &[n, c, h, w] = x.dims() else { .. }`.
    pub fn dims(&self) -> &[usize] {
        self.spec.shape.dims()
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.spec.numel()
    }
}
