//! Two-dimensional convolution with an optional fused epilogue (ReLU; ReLU and 2x2 max-pooling).

mod argmax;
mod batch_cuts;
mod cases;
mod correlation;
mod geometry;
mod image;
mod ladder;
mod reference;
mod rungs;
mod weight_gradient;

pub use ladder::{BACKWARD_BIAS, BACKWARD_INPUT, BACKWARD_WEIGHT, FORWARD};

use super::util::Elementwise;
use super::{Array, Entry, Io, Lowering, Op, Pass, Real, Saved, Step};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{DType, Spec};
use geometry::Geometry;

/// Zeros around the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Padding {
    /// None: the window stays inside x.
    Valid,
    /// TensorFlow's and Keras' rule: `ceil(size / stride)` outputs, what is needed for that split evenly between both
    /// sides, the odd row below and the odd column on the right.
    Same,
    /// As given, per side.
    Explicit {
        /// Rows above.
        top: usize,
        /// Rows below.
        bottom: usize,
        /// Columns on the left.
        left: usize,
        /// Columns on the right.
        right: usize,
    },
}

/// What happens to the convolution before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Epilogue {
    /// Nothing: `y = w * x + b`.
    None = 0,
    /// `y = max(w * x + b, 0)`.
    Relu = 1,
    /// ReLU, then the maximum of each 2x2 window (stride 2, floor). The convolution itself, four times as large as y, is
    /// never in memory; argmax says for backward where each maximum was.
    ReluMaxPool2 = 2,
}

impl Epilogue {
    /// Rows (and columns) of the convolution that become one of the output.
    fn rows(self) -> usize {
        match self {
            Self::ReluMaxPool2 => 2,
            _ => 1,
        }
    }
}

/// Cross-correlation with zero padding and an optional bias (what every framework calls convolution):
/// `y[n,k,i,j] = b[k] + Σ w[k,c,u,v] · x[n, c, i·stride + u − top, j·stride + v − left]`.
///
/// Inputs: x `[N,C,H,W]`, w `[K,C,KH,KW]`, and b `[K]` unless the convolution has none. Outputs: y `[N,K,OH,OW]`; under
/// [`Epilogue::ReluMaxPool2`] y is `[N,K,OH/2,OW/2]`, and output 1 is argmax (u8, same shape): the window index of the
/// maximum, `2·row + column`, the first one in a tie, or 255 where y is 0 because ReLU cut it off (so no gradient passes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
    /// Zeros around x.
    pub padding: Padding,
    /// What is fused behind.
    pub epilogue: Epilogue,
}

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "conv2d",
    cases: cases::cases,
    ladders: ladder::ALL,
};

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn output_specs(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let (x, w, b) = match inputs {
            [x, w] => (x, w, None),
            [x, w, b] => (x, w, Some(b)),
            _ => {
                return Err(Error::shape(
                    "conv2d",
                    format!(
                        "takes x, weight and perhaps a bias, got {} inputs",
                        inputs.len()
                    ),
                ));
            }
        };
        if inputs.iter().any(|s| s.dtype != DType::F32) {
            return Err(Error::shape("conv2d", "x, weight and bias must be f32"));
        }
        let g = Geometry::new(self, &x.shape, &w.shape)?;
        if let Some(b) = b
            && b.shape.dims() != [g.k]
        {
            return Err(Error::shape(
                "conv2d",
                format!("bias is {}, weight has {} filters", b.shape, g.k),
            ));
        }
        let shape = [g.n, g.k, g.ph, g.pw];
        Ok(match self.epilogue {
            Epilogue::ReluMaxPool2 => vec![Spec::f32(shape), Spec::u8(shape)],
            _ => vec![Spec::f32(shape)],
        })
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0, 1, 2]
    }

    /// y > 0 tells where ReLU passed; argmax tells that and where the maximum was, in a quarter of the bytes.
    fn saved(&self) -> Saved {
        Saved {
            inputs: &[0, 1],
            outputs: match self.epilogue {
                Epilogue::None => &[],
                Epilogue::Relu => &[0],
                Epilogue::ReluMaxPool2 => &[1],
            },
        }
    }

    fn flops(&self, pass: Pass, inputs: &[Spec], _: &[Spec]) -> u64 {
        let directions = if pass == Pass::Backward { 2 } else { 1 };
        Geometry::new(self, &inputs[0].shape, &inputs[1].shape)
            .map_or(0, |g| 2 * directions * g.multiply_adds())
    }

    fn chosen(&self, x: &[&Array<f64>], y: &[&Array<f64>]) -> Option<Array<f64>> {
        let (&[y, argmax], Epilogue::ReluMaxPool2) = (y, self.epilogue) else {
            return None;
        };
        let g = self.geometry(x);
        let zeros = Array::zeros([g.k]);
        let b = x.get(2).copied().unwrap_or(&zeros);
        Some(reference::chosen(&g, [x[0], x[1], b], y, argmax))
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let g = Geometry::of(self, io)?;
        if io.x.len() > 2 {
            return l.run(&FORWARD, &g, io);
        }
        // Zeros of a few hundred bytes for as long as the node runs: no rung needs a second kernel, and nothing is kept.
        let zeros = l.workspace("no bias", Spec::f32([g.k]));
        let fill = Elementwise::new(g.k, 0.0);
        l.dispatch(kernel!("util/fill"), &[&zeros], fill, fill.grid())?;
        let mut io = io.clone();
        io.x.push(Some(zeros));
        l.run(&FORWARD, &g, &io)
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let g = Geometry::of(self, io)?;
        for (input, ladder) in [
            (2, &BACKWARD_BIAS),
            (1, &BACKWARD_WEIGHT),
            (0, &BACKWARD_INPUT),
        ] {
            if io.dx.get(input).is_some_and(Option::is_some) {
                l.run(ladder, &g, io)?;
            }
        }
        Ok(())
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let g = self.geometry(x);
        let zeros = Array::zeros([g.k]);
        reference::forward(&g, x[0], x[1], x.get(2).copied().unwrap_or(&zeros))
    }

    fn backward_reference<T: Real>(
        &self,
        x: &[&Array<T>],
        y: &[&Array<T>],
        dy: &Array<T>,
        _: &Step,
    ) -> Vec<Array<T>> {
        let g = self.geometry(x);
        let dz = reference::through_epilogue(&g, y, dy);
        vec![
            reference::backward_input(&g, x[1], &dz),
            reference::backward_weight(&g, x[0], &dz),
            reference::backward_bias(&g, &dz),
        ]
    }
}

impl Conv2d {
    fn geometry<T: Real>(&self, x: &[&Array<T>]) -> Geometry {
        Geometry::new(self, &x[0].shape, &x[1].shape)
            .expect("shapes were checked when the op was recorded")
    }
}
