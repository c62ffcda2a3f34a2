//! Forward and the gradient of x, which is forward over dy with turned filters: told here, once. All rungs but the naive one
//! take a [`Correlation`], whichever of the two it is.

use super::Epilogue;
use super::argmax;
use super::geometry::Geometry;
use super::image::Image;
use crate::ops::{Io, Iterations, Rung, Window};
use crate::tensor::Tensor;
use std::ops::Range;

/// A rung that serves both directions.
pub struct Directions {
    pub forward: Rung<Geometry>,
    pub backward_input: Rung<Geometry>,
}

impl Directions {
    /// With loops that grow with the problem, in each direction.
    pub const fn iterations(
        self,
        forward: fn(&Geometry) -> Iterations,
        backward_input: fn(&Geometry) -> Iterations,
    ) -> Self {
        Self {
            forward: self.forward.iterations(forward),
            backward_input: self.backward_input.iterations(backward_input),
        }
    }

    /// With another rounding than 1.
    pub const fn rounding(self, rounding: f64) -> Self {
        Self {
            forward: self.forward.rounding(rounding),
            backward_input: self.backward_input.rounding(rounding),
        }
    }
}

/// `directions!(name, gpu or cpu_driver, supports, run)`: the rung in both directions; `run` takes the [`Correlation`].
macro_rules! directions {
    ($name:literal, $class:ident, $supports:expr, $run:expr) => {
        $crate::ops::conv2d::correlation::Directions {
            forward: $crate::ops::Rung::$class($name, $supports, |g, io, l| {
                $run(
                    &$crate::ops::conv2d::correlation::Correlation::forward(g, io),
                    l,
                )
            }),
            backward_input: $crate::ops::Rung::$class($name, $supports, |g, io, l| {
                $run(
                    &$crate::ops::conv2d::correlation::Correlation::backward_input(g, io),
                    l,
                )
            }),
        }
    };
}
pub(super) use directions;

/// One correlation: which pixel of the source each tap of each output reads, and where the result goes.
pub struct Correlation<'a> {
    /// Samples.
    pub n: usize,
    pub source: Image<'a>,
    /// Rows and columns of the source before pooling.
    pub extent: [usize; 2],
    pub weight: &'a Tensor,
    pub turned: bool,
    pub taps: [usize; 2],
    /// Tap u of output row i reads source row `(up·i + u − before) / down`, if that is whole and exists.
    pub up: [usize; 2],
    pub down: [usize; 2],
    pub before: [isize; 2],
    /// Positions that are computed: rows, and columns of a row.
    pub positions: [usize; 2],
    pub bias: Option<&'a Tensor>,
    pub y: &'a Tensor,
    pub argmax: Option<&'a Tensor>,
    pub epilogue: Epilogue,
    /// Channels of y.
    pub channels: usize,
}

impl<'a> Correlation<'a> {
    pub fn forward(g: &Geometry, io: &'a Io) -> Self {
        let pooled = g.epilogue == Epilogue::ReluMaxPool2;
        Self {
            n: g.n,
            source: Image::x(g, io),
            extent: [g.h, g.w],
            weight: io.x(1),
            turned: false,
            taps: [g.kh, g.kw],
            up: [g.stride_h, g.stride_w],
            down: [1, 1],
            before: [g.pad_top as isize, g.pad_left as isize],
            // A last odd row is not pooled.
            positions: [g.ph * g.epilogue.rows(), g.ow],
            bias: Some(io.x(2)),
            y: io.y(0),
            argmax: pooled.then(|| io.y(1)),
            epilogue: g.epilogue,
            channels: g.k,
        }
    }

    /// The same over dy, with every filter turned by 180° and the roles of k and c exchanged; a stride in forward means here that
    /// only every so many-th tap meets a row of dy.
    pub fn backward_input(g: &Geometry, io: &'a Io) -> Self {
        Self {
            n: g.n,
            source: Image::dy(g, io),
            extent: [g.oh, g.ow],
            weight: io.x(1),
            turned: true,
            taps: [g.kh, g.kw],
            up: [1, 1],
            down: [g.stride_h, g.stride_w],
            before: [
                g.kh as isize - 1 - g.pad_top as isize,
                g.kw as isize - 1 - g.pad_left as isize,
            ],
            positions: [g.h, g.w],
            bias: None,
            y: io.wanted(0),
            argmax: None,
            epilogue: Epilogue::None,
            channels: g.c,
        }
    }
}

impl Correlation<'_> {
    /// In the weight: from one channel of the result to the next, from one channel of the source to the next.
    pub fn weight_strides(&self) -> [usize; 2] {
        let taps = self.taps[0] * self.taps[1];
        match self.turned {
            false => [self.source.channels * taps, taps],
            true => [taps, self.channels * taps],
        }
    }

    /// See [`argmax::samples_per_word`].
    pub fn samples_per_word(&self) -> usize {
        argmax::samples_per_word(self.y.numel() / self.n, self.argmax.is_some())
    }

    /// Stored rows of the source that `rows` of the output read.
    pub fn source_rows(&self, rows: &Range<usize>) -> Range<usize> {
        let [up, down] = [self.up[0], self.down[0]].map(|s| s as isize);
        let first = (rows.start as isize * up - self.before[0]).div_euclid(down);
        let last = ((rows.end as isize - 1) * up - self.before[0] + self.taps[0] as isize - 1)
            .div_euclid(down);
        self.source.stored_rows(first, last, self.extent[0])
    }

    /// Whether the source rows of every band of `rows` output rows fit a window.
    pub fn band_fits(&self, height: usize, rows: usize) -> bool {
        (0..height).step_by(rows).all(|first| {
            let read = self.source_rows(&(first..height.min(first + rows)));
            read.len() * self.source.pw <= Window::ELEMENTS
        })
    }
}
