//! Matrix products whose factors are read through uniform windows: the shape that a CPU driver runs best, and what convolutions
//! are turned into (im2col, Winograd).
//!
//! A factor is packed into panels of vec4s along the contraction, each small enough for a window; one dispatch multiplies four
//! panels of rows with four panels of columns.

use super::{Capabilities, DeviceClass, Lowering, Window};
use crate::error::Result;
use crate::kernel;
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// vec4s in a window.
pub(crate) const WINDOW: usize = Window::BYTES as usize / 16;
/// Row panels and column panels that one product reads.
pub(crate) const PANELS: usize = 4;
/// Lanes of the subgroups that the kernels are written for; panels are whole multiples of it.
pub(crate) const LANES: usize = 8;

/// Whether a device runs kernels that read through windows, in subgroups of [`LANES`].
pub(crate) fn windows(c: &Capabilities) -> Result<(), String> {
    if c.class != DeviceClass::Software {
        return Err("made for CPU drivers; a GPU does not gather from uniform blocks".into());
    }
    if c.subgroup_size != Some(LANES as u32) {
        return Err(format!("needs subgroups of exactly {LANES}"));
    }
    Ok(())
}

/// Rows or columns of a product, cut into panels that each fit a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panels {
    /// Rows (columns) of one panel.
    pub width: usize,
    /// Blocks of [`PANELS`] panels: one product per pair of blocks.
    pub blocks: usize,
    /// From one panel to the next, in vec4s.
    pub stride: usize,
}

impl Panels {
    /// `count` rows (columns), with `k4` vec4s along the contraction: at most [`WINDOW`] / [`LANES`].
    pub fn new(count: usize, k4: usize) -> Self {
        let fits = WINDOW / k4 / LANES * LANES;
        let blocks = count.div_ceil(PANELS * fits);
        let width = count.div_ceil(blocks * PANELS).next_multiple_of(LANES);
        Self {
            width,
            blocks,
            stride: (width * k4).next_multiple_of(16),
        }
    }

    /// All panels, in vec4s.
    pub fn size(&self) -> usize {
        self.blocks * PANELS * self.stride
    }

    /// Rows (columns) of all blocks, padding included.
    pub fn padded(&self) -> usize {
        self.blocks * PANELS * self.width
    }

    /// A workspace for `matrices` factors of this shape, one after the other.
    pub fn workspace(&self, name: &str, matrices: usize, l: &mut Lowering) -> Tensor {
        l.workspace(name, Spec::f32([matrices * self.size() * 4]))
    }
}

/// A window that starts at vec4 `first`, a multiple of 16.
pub(crate) fn window(tensor: &Tensor, first: usize) -> Window {
    Window::at(tensor, 4 * first).0
}

/// One factor: where its panels are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factor<'a> {
    pub tensor: &'a Tensor,
    pub panels: &'a Panels,
    /// Its first vec4, a multiple of 16.
    pub first: usize,
}

impl Factor<'_> {
    fn window(&self, panel: usize) -> Window {
        window(self.tensor, self.first + panel * self.panels.stride)
    }
}

/// Where a product goes: `[rows / 4][columns]` vec4s over four rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub tensor: &'a Tensor,
    /// The first vec4.
    pub first: usize,
    /// From one quad of rows to the next, in vec4s.
    pub row_stride: usize,
    pub quads: usize,
    pub columns: usize,
    /// Add to what is there.
    pub add: bool,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    k4: u32,
    quads: u32,
    a_panel: u32,
    b_panel: u32,
    first: u32,
    row_stride: u32,
    first_quad: u32,
    columns: u32,
}

/// `m = aᵀ b` over `k4` vec4s of the contraction, for all blocks of row panels and column panels.
pub(crate) fn product(k4: usize, a: Factor, b: Factor, m: &Placed, l: &mut Lowering) -> Result<()> {
    let (rows, columns) = (a.panels, b.panels);
    for (i, j) in (0..rows.blocks).flat_map(|i| (0..columns.blocks).map(move |j| (i, j))) {
        let first_column = j * PANELS * columns.width;
        let first_quad = i * PANELS * rows.width / 4;
        if first_column >= m.columns || first_quad >= m.quads {
            continue;
        }
        let params = Params {
            k4: k4 as u32,
            quads: m.quads as u32,
            a_panel: rows.width as u32,
            b_panel: columns.width as u32,
            first: (m.first + first_column) as u32,
            row_stride: m.row_stride as u32,
            first_quad: first_quad as u32,
            columns: (m.columns - first_column) as u32,
        };
        let windows = (0..PANELS)
            .map(|p| a.window(i * PANELS + p))
            .chain((0..PANELS).map(|p| b.window(j * PANELS + p)));
        let kernel = kernel!("matmul/product_windows").with("ACCUMULATE", u32::from(m.add));
        let grid = [columns.width / LANES, rows.width / LANES, 1].map(|v| v as u32);
        l.dispatch_windows(kernel, &[m.tensor], windows.collect(), params, grid)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_window_of_columns_fits_whatever_the_contraction() {
        for k4 in 1..=WINDOW / LANES {
            let mut before = 0;
            for count in 1..=WINDOW / 2 {
                let padded = Panels::new(count, k4).padded();
                assert!(before <= padded && padded <= WINDOW, "{count} by {k4}");
                before = padded;
            }
        }
    }

    #[test]
    fn panels_fit_windows_and_cover_everything() {
        for k4 in [1, 2, 16, 33, 144, 512] {
            for count in [1, 8, 31, 64, 128, 408, 1000] {
                let p = Panels::new(count, k4);
                assert!(p.width > 0 && p.width.is_multiple_of(LANES));
                assert!(p.width * k4 <= WINDOW && p.padded() >= count);
                assert!(p.padded() - count < p.blocks * PANELS * LANES);
            }
        }
    }
}
