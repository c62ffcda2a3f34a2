//! Pooling: maximum and mean over windows, mean over whole planes. None pads; windows that don't fit are left out (floor).

pub(super) mod average;
pub(super) mod global_average;
pub(super) mod max;

use super::{Capabilities, DeviceClass, Kernel, Problem, Work};
use crate::error::{Error, Result};
use crate::tensor::{DType, Shape, Spec};
use bytemuck::{Pod, Zeroable};

/// Workgroup size of the pooling kernels.
const WORKGROUP: usize = 64;

/// Sizes of a pooling over windows; every plane (sample and channel) is pooled alike.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct Geometry {
    /// Samples times channels.
    planes: u32,
    h: u32,
    w: u32,
    window_h: u32,
    window_w: u32,
    stride_h: u32,
    stride_w: u32,
    oh: u32,
    ow: u32,
    reserved: [u32; 3],
}

/// A pipeline of its own for every shape pays where divisions are dear and windows are small enough to be written out.
fn small_window(g: &Geometry, _: &Capabilities) -> Result<(), String> {
    match g.window_h * g.window_w {
        0..=64 => Ok(()),
        area => Err(format!(
            "a window has {area} elements; more than 64 are not written out"
        )),
    }
}

/// Whether `fixed` is the default. Divisions by sizes known only at run time, three for each element, are most of `naive`'s
/// instructions. A CPU driver needs 50 to 100 ms to compile a pipeline for one shape, and saves some 20 ns per element of x backward, 4 forward
/// (lavapipe): from 2^18 elements on, both have paid after some 30 steps.
fn fixed_pays(g: &Geometry, class: DeviceClass) -> bool {
    let elements = u64::from(g.planes) * u64::from(g.h) * u64::from(g.w);
    class == DeviceClass::Hardware || elements >= 1 << 18
}

impl Geometry {
    /// Sizes for x `[N,C,H,W]`.
    fn new(op: &'static str, window: [usize; 2], stride: [usize; 2], x: &Shape) -> Result<Self> {
        let fail = |message: String| Err(Error::shape(op, message));
        let &[n, c, h, w] = x.dims() else {
            return fail(format!("x must be [N, C, H, W], it is {x}"));
        };
        let ([wh, ww], [sh, sw]) = (window, stride);
        if wh * ww == 0 || sh * sw == 0 {
            return fail(format!(
                "window {wh}x{ww} and stride {sh}x{sw} must be at least 1x1"
            ));
        }
        if n * c == 0 || h < wh || w < ww {
            return fail(format!(
                "x is {x}, which holds no window of {wh}x{ww}; use a smaller window or a larger input"
            ));
        }
        Ok(Self {
            planes: (n * c) as u32,
            h: h as u32,
            w: w as u32,
            window_h: wh as u32,
            window_w: ww as u32,
            stride_h: sh as u32,
            stride_w: sw as u32,
            oh: ((h - wh) / sh + 1) as u32,
            ow: ((w - ww) / sw + 1) as u32,
            reserved: [0; 3],
        })
    }

    /// Rows and columns of a window.
    fn window(&self) -> [usize; 2] {
        [self.window_h as usize, self.window_w as usize]
    }

    /// Windows that one element is in, at most: down and across.
    fn overlap(&self) -> [usize; 2] {
        let [h, w] = self.window();
        [
            h.div_ceil(self.stride_h as usize),
            w.div_ceil(self.stride_w as usize),
        ]
    }

    /// Shape of y for x `[N,C,..]`.
    fn output(&self, x: &Shape) -> [usize; 4] {
        let [n, c] = [x.dims()[0], x.dims()[1]];
        [n, c, self.oh as usize, self.ow as usize]
    }

    /// `kernel` with the sizes of lib/fixed_pooling.
    fn fixed(&self, kernel: Kernel) -> Kernel {
        kernel
            .with("H", self.h)
            .with("W", self.w)
            .with("WINDOW_H", self.window_h)
            .with("WINDOW_W", self.window_w)
            .with("STRIDE_H", self.stride_h)
            .with("STRIDE_W", self.stride_w)
            .with("OH", self.oh)
            .with("OW", self.ow)
    }

    /// Work in either direction: one operation per tap; the larger and the smaller tensor once each, and `argmax` bytes per window.
    fn work(&self, argmax: u64) -> Work {
        let product = |sizes: &[u32]| sizes.iter().map(|&s| u64::from(s)).product::<u64>();
        let y = product(&[self.planes, self.oh, self.ow]);
        Work {
            flops: y * product(&[self.window_h, self.window_w]),
            bytes: 4 * product(&[self.planes, self.h, self.w]) + (4 + argmax) * y,
        }
    }

    /// Calls `f(output, input, tap)` for every element of every window: flat indices, and the element's number in its window.
    fn for_each_tap(&self, mut f: impl FnMut(usize, usize, usize)) {
        let (h, w) = (self.h as usize, self.w as usize);
        let (oh, ow) = (self.oh as usize, self.ow as usize);
        let (wh, ww) = (self.window_h as usize, self.window_w as usize);
        let (sh, sw) = (self.stride_h as usize, self.stride_w as usize);
        for output in 0..self.planes as usize * oh * ow {
            let (plane, i, j) = (output / (oh * ow), output / ow % oh, output % ow);
            for tap in 0..wh * ww {
                let (u, v) = (tap / ww, tap % ww);
                f(output, (plane * h + i * sh + u) * w + j * sw + v, tap);
            }
        }
    }
}

impl crate::ops::Geometry for Geometry {
    fn problem(&self) -> Problem {
        Problem(vec![
            ("planes", self.planes as usize),
            ("h", self.h as usize),
            ("w", self.w as usize),
            ("window_h", self.window_h as usize),
            ("window_w", self.window_w as usize),
            ("stride_h", self.stride_h as usize),
            ("stride_w", self.stride_w as usize),
        ])
    }
}

/// The one input of a pooling.
fn only_input<'a>(op: &'static str, inputs: &'a [Spec]) -> Result<&'a Shape> {
    match inputs {
        [x] if x.dtype == DType::F32 => Ok(&x.shape),
        [_] => Err(Error::shape(op, "x must be f32")),
        _ => Err(Error::shape(
            op,
            format!("takes 1 input, got {}", inputs.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeviceClass::{Hardware, Software};

    #[test]
    fn a_cpu_driver_compiles_for_a_shape_where_that_pays() {
        let pays = |n, c, h, w, class| {
            let g = Geometry::new("pooling", [2, 2], [2, 2], &Shape::from([n, c, h, w]));
            fixed_pays(&g.expect("fits"), class)
        };
        assert!(pays(2, 24, 46, 32, Hardware));
        assert!(!pays(2, 24, 46, 32, Software));
        assert!(pays(32, 24, 93, 65, Software));
        // Sizes whose product is beyond u32.
        assert!(pays(1024, 1024, 64, 64, Software));
    }
}
