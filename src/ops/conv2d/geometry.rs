//! All sizes of one convolution, computed once from the op's attributes and the shapes of x and w.

use super::{Conv2d, Epilogue, Padding};
use crate::error::{Error, Result};
use crate::ops::{Capabilities, Io, Problem, Work};
use crate::tensor::{Shape, Tensor};
use bytemuck::{Pod, Zeroable};

/// Sizes of a convolution: what every rung plans from. `y[n,k,i,j]` before the epilogue is
/// `b[k] + Σ w[k,c,u,v] · x[n, c, i·stride_h + u − pad_top, j·stride_w + v − pad_left]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Samples.
    pub n: usize,
    /// Input channels.
    pub c: usize,
    /// Input rows.
    pub h: usize,
    /// Input columns.
    pub w: usize,
    /// Output channels (filters).
    pub k: usize,
    /// Weight rows.
    pub kh: usize,
    /// Weight columns.
    pub kw: usize,
    /// Rows from one output to the next.
    pub stride_h: usize,
    /// Columns from one output to the next.
    pub stride_w: usize,
    /// Zero rows above x. Those below only show in `oh`.
    pub pad_top: usize,
    /// Zero columns left of x. Those on the right only show in `ow`.
    pub pad_left: usize,
    /// Rows of the convolution.
    pub oh: usize,
    /// Columns of the convolution.
    pub ow: usize,
    /// Rows of the output y: `oh`, or `oh / 2` when pooled.
    pub ph: usize,
    /// Columns of the output y: `ow`, or `ow / 2` when pooled.
    pub pw: usize,
    /// What is done to the convolution before it is written.
    pub epilogue: Epilogue,
}

/// [`Geometry`] as the naive kernels read it.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Params {
    pub n: u32,
    pub c: u32,
    pub h: u32,
    pub w: u32,
    pub k: u32,
    pub kh: u32,
    pub kw: u32,
    pub stride_h: u32,
    pub stride_w: u32,
    pub pad_top: u32,
    pub pad_left: u32,
    pub oh: u32,
    pub ow: u32,
    pub ph: u32,
    pub pw: u32,
    pub splits: u32,
}

impl Geometry {
    /// Sizes for x `[N,C,H,W]` and w `[K,C,KH,KW]`.
    ///
    /// # Errors
    /// Names the shapes when they don't fit each other, or leave no output.
    pub fn new(op: &Conv2d, x: &Shape, w: &Shape) -> Result<Self> {
        let fail = |message: String| Err(Error::shape("conv2d", message));
        let (&[n, c, height, width], &[k, wc, kh, kw]) = (x.dims(), w.dims()) else {
            return fail(format!(
                "x must be [N, C, H, W] and weight [K, C, KH, KW]; x is {x}, weight {w}"
            ));
        };
        if wc != c {
            return fail(format!(
                "weight has {wc} input channels, x has {c} (x is {x})"
            ));
        }
        if x.numel() == 0 || w.numel() == 0 {
            return fail(format!(
                "x and weight need at least 1 of everything; x is {x}, weight {w}"
            ));
        }
        let [stride_h, stride_w] = op.stride;
        if stride_h == 0 || stride_w == 0 {
            return fail(format!(
                "the stride is {stride_h}x{stride_w}; it must be at least 1x1"
            ));
        }
        let (pad_top, oh) = op.padding.rows(height, kh, stride_h);
        let (pad_left, ow) = op.padding.columns(width, kw, stride_w);
        let (ph, pw) = match op.epilogue {
            Epilogue::ReluMaxPool2 => (oh / 2, ow / 2),
            _ => (oh, ow),
        };
        if ph == 0 || pw == 0 {
            return fail(format!(
                "x {x} under weight {w} and {:?} padding gives {oh}x{ow} outputs{}; make x larger or pad it",
                op.padding,
                if ph == oh {
                    ""
                } else {
                    ", too few to pool 2x2"
                }
            ));
        }
        Ok(Self {
            n,
            c,
            h: height,
            w: width,
            k,
            kh,
            kw,
            stride_h,
            stride_w,
            pad_top,
            pad_left,
            oh,
            ow,
            ph,
            pw,
            epilogue: op.epilogue,
        })
    }

    /// Sizes of a recorded node; forward and backward both have x and w.
    pub fn of(op: &Conv2d, io: &Io) -> Result<Self> {
        Self::new(op, io.x(0).shape(), io.x(1).shape())
    }

    /// The uniform of the naive kernels.
    pub(super) fn params(&self) -> Params {
        Params {
            n: self.n as u32,
            c: self.c as u32,
            h: self.h as u32,
            w: self.w as u32,
            k: self.k as u32,
            kh: self.kh as u32,
            kw: self.kw as u32,
            stride_h: self.stride_h as u32,
            stride_w: self.stride_w as u32,
            pad_top: self.pad_top as u32,
            pad_left: self.pad_left as u32,
            oh: self.oh as u32,
            ow: self.ow as u32,
            ph: self.ph as u32,
            pw: self.pw as u32,
            splits: 1,
        }
    }

    /// The same for sums cut into `splits`.
    pub(super) fn params_of_splits(&self, splits: usize) -> Params {
        Params {
            splits: splits as u32,
            ..self.params()
        }
    }

    /// Whether windows are 3x3 at stride 1 under one row of zeros on every side, so that y is as large as x before pooling: what the
    /// rungs with fixed taps take.
    ///
    /// # Errors
    /// Says that they take nothing else.
    pub fn same_3x3(&self, _: &Capabilities) -> Result<(), String> {
        let window = [self.kh, self.kw, self.stride_h, self.stride_w] == [3, 3, 1, 1];
        let padding = [self.pad_top, self.pad_left, self.oh, self.ow] == [1, 1, self.h, self.w];
        if window && padding {
            return Ok(());
        }
        Err("takes 3x3 windows with stride 1 and 'same' padding only".to_owned())
    }

    /// Whether ReLU and pooling follow.
    pub fn pooled(&self) -> bool {
        self.epilogue == Epilogue::ReluMaxPool2
    }

    /// Multiply-adds of one direction; the taps that meet padding are counted too, as is usual.
    pub fn multiply_adds(&self) -> u64 {
        product(&[self.n, self.k, self.oh, self.ow, self.c, self.kh, self.kw])
    }

    /// Elements of x, w and y.
    fn elements(&self) -> [u64; 3] {
        [
            product(&[self.n, self.c, self.h, self.w]),
            product(&[self.k, self.c, self.kh, self.kw]),
            product(&[self.n, self.k, self.ph, self.pw]),
        ]
    }

    /// Bytes of what tells backward where dy passes: nothing, y, or argmax.
    fn mask_bytes(&self) -> u64 {
        let [_, _, y] = self.elements();
        match self.epilogue {
            Epilogue::None => 0,
            Epilogue::Relu => 4 * y,
            Epilogue::ReluMaxPool2 => y,
        }
    }

    /// Forward reads x, w, b; it writes y, and argmax when pooled.
    pub fn forward_work(&self) -> Work {
        let [x, w, y] = self.elements();
        Work {
            flops: 2 * self.multiply_adds(),
            bytes: 4 * (x + w + self.k as u64 + y) + if self.pooled() { y } else { 0 },
        }
    }

    /// A gradient reads dy, its mask, and one of x and w; it writes the other's.
    pub fn gradient_work(&self) -> Work {
        Work {
            flops: 2 * self.multiply_adds(),
            bytes: 4 * self.elements().iter().sum::<u64>() + self.mask_bytes(),
        }
    }

    /// The gradient of b reads dy and its mask.
    pub fn bias_work(&self) -> Work {
        let [_, _, y] = self.elements();
        Work {
            flops: y,
            bytes: 4 * (y + self.k as u64) + self.mask_bytes(),
        }
    }

    /// The tensor through which a backward kernel reads dy: y under ReLU, argmax under ReLU and pooling. A plain
    /// convolution needs none; dy stands in, so that all three have the same bindings.
    pub fn mask<'a>(&self, io: &'a Io) -> &'a Tensor {
        match self.epilogue {
            Epilogue::None => io.dy(),
            Epilogue::Relu => io.y(0),
            Epilogue::ReluMaxPool2 => io.y(1),
        }
    }
}

impl crate::ops::Geometry for Geometry {
    fn problem(&self) -> Problem {
        Problem(vec![
            ("n", self.n),
            ("c", self.c),
            ("h", self.h),
            ("w", self.w),
            ("k", self.k),
            ("kh", self.kh),
            ("kw", self.kw),
            ("stride_h", self.stride_h),
            ("stride_w", self.stride_w),
            ("pad_top", self.pad_top),
            ("pad_left", self.pad_left),
            ("oh", self.oh),
            ("ow", self.ow),
            ("epilogue", self.epilogue as usize),
        ])
    }
}

fn product(sizes: &[usize]) -> u64 {
    sizes.iter().map(|&s| s as u64).product()
}

impl Padding {
    /// `(padding above, rows of output)`.
    fn rows(self, input: usize, kernel: usize, stride: usize) -> (usize, usize) {
        match self {
            Padding::Explicit { top, bottom, .. } => explicit(input, kernel, stride, top, bottom),
            _ => self.implied(input, kernel, stride),
        }
    }

    /// `(padding on the left, columns of output)`.
    fn columns(self, input: usize, kernel: usize, stride: usize) -> (usize, usize) {
        match self {
            Padding::Explicit { left, right, .. } => explicit(input, kernel, stride, left, right),
            _ => self.implied(input, kernel, stride),
        }
    }

    fn implied(self, input: usize, kernel: usize, stride: usize) -> (usize, usize) {
        if self == Padding::Valid {
            return explicit(input, kernel, stride, 0, 0);
        }
        let output = input.div_ceil(stride);
        let total = ((output - 1) * stride + kernel).saturating_sub(input);
        (total / 2, output)
    }
}

/// `(padding before, outputs)`; no output when the kernel is larger than the padded input.
fn explicit(
    input: usize,
    kernel: usize,
    stride: usize,
    before: usize,
    after: usize,
) -> (usize, usize) {
    let room = (input + before + after + 1).saturating_sub(kernel);
    (before, room.div_ceil(stride))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from `tf.nn.conv2d`'s documented rule: out = ceil(in / stride), the odd row of padding goes below.
    #[test]
    fn same_padding_follows_tensorflow() {
        let same = |input, kernel, stride| Padding::Same.rows(input, kernel, stride);
        assert_eq!(same(187, 3, 1), (1, 187));
        assert_eq!(same(5, 2, 1), (0, 5));
        assert_eq!(same(6, 3, 2), (0, 3));
        assert_eq!(same(7, 3, 2), (1, 4));
        assert_eq!(same(4, 1, 3), (0, 2));
        assert_eq!(same(1, 5, 1), (2, 1));
    }

    #[test]
    fn valid_and_explicit_padding_count_whole_windows() {
        assert_eq!(Padding::Valid.rows(7, 3, 2), (0, 3));
        assert_eq!(Padding::Valid.rows(8, 3, 2), (0, 3));
        assert_eq!(Padding::Valid.rows(2, 3, 1), (0, 0));
        let p = Padding::Explicit {
            top: 2,
            bottom: 1,
            left: 0,
            right: 3,
        };
        assert_eq!(p.rows(4, 3, 2), (2, 3));
        assert_eq!(p.columns(4, 3, 2), (0, 3));
    }
}
