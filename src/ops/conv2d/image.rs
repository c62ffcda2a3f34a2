//! Planes read through uniform windows: x, or dy through the epilogue.

use super::Epilogue;
use super::geometry::Geometry;
use crate::ops::{Io, Window};
use crate::tensor::Tensor;
use std::ops::Range;

/// Planes that are read tile by tile: x, or dy through the epilogue.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    pub planes: &'a Tensor,
    /// y or argmax; `planes` itself where nothing masks.
    pub mask: &'a Tensor,
    pub epilogue: Epilogue,
    pub channels: usize,
    pub ph: usize,
    pub pw: usize,
}

impl<'a> Image<'a> {
    pub fn x(g: &Geometry, io: &'a Io) -> Self {
        Self {
            planes: io.x(0),
            mask: io.x(0),
            epilogue: Epilogue::None,
            channels: g.c,
            ph: g.h,
            pw: g.w,
        }
    }

    pub fn dy(g: &Geometry, io: &'a Io) -> Self {
        Self {
            planes: io.dy(),
            mask: g.mask(io),
            epilogue: g.epilogue,
            channels: g.k,
            ph: g.ph,
            pw: g.pw,
        }
    }

    /// Stored rows that hold rows `first` to `last` of the planes before pooling, which have `height` rows; those nearest to them
    /// where they don't exist, so one at least.
    pub fn stored_rows(&self, first: isize, last: isize, height: usize) -> Range<usize> {
        let stored = |row: isize| {
            let row = row.clamp(0, height as isize - 1) as usize / self.epilogue.rows();
            // An odd last row is not stored.
            row.min(self.ph - 1)
        };
        stored(first)..stored(last) + 1
    }

    pub fn plane(&self) -> usize {
        self.ph * self.pw
    }

    /// A window on `planes` that starts with plane `index`, and where in it.
    pub fn window(&self, index: usize) -> (Window, u32) {
        self.window_at(index * self.plane())
    }

    /// The same for the mask; for argmax the position is in bytes.
    pub fn mask_window(&self, index: usize) -> (Window, u32) {
        self.mask_window_at(index * self.plane())
    }

    /// A window on `planes` that starts with element `first`, and where in it.
    pub fn window_at(&self, first: usize) -> (Window, u32) {
        Window::at(self.planes, first)
    }

    /// The same for the mask; for argmax the position is in bytes.
    pub fn mask_window_at(&self, first: usize) -> (Window, u32) {
        if self.epilogue != Epilogue::ReluMaxPool2 {
            return Window::at(self.mask, first);
        }
        let (window, word) = Window::at(self.mask, first / 4);
        (window, 4 * word + (first % 4) as u32)
    }
}
