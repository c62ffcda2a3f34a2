//! Matrix products whose factors are read through uniform windows: what im2col turns convolutions into. (A CPU driver loads texels
//! faster: [`super::texels`].)
//!
//! A factor is packed into panels of vec4s along the contraction, each small enough for a window; one dispatch multiplies four
//! panels of rows with four panels of columns.

use crate::error::Result;
use crate::kernel;
use crate::ops::{Capabilities, DeviceClass, Lowering, Window};
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
    for_cpu_driver(
        c,
        "reads through uniform blocks, from which a GPU does not gather",
    )
}

/// Whether a device runs kernels made for CPU drivers, whose lanes are those of a vector register; `why` a GPU is not among them.
pub(crate) fn for_cpu_driver(c: &Capabilities, why: &str) -> Result<(), String> {
    if c.class != DeviceClass::Software {
        return Err(format!("made for CPU drivers: {why}"));
    }
    if c.subgroup_size != Some(LANES as u32) {
        return Err(format!("needs subgroups of exactly {LANES}"));
    }
    Ok(())
}

/// Rows or columns of products, cut into panels that each fit a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panels {
    /// Rows (columns) of one panel.
    pub width: usize,
    /// Blocks of [`PANELS`] panels: one product per pair of blocks.
    pub blocks: usize,
    /// From one panel to the next, in vec4s.
    pub stride: usize,
    /// In a panel, from one row (column) to the next, in vec4s.
    pub row_step: usize,
    /// In a panel, from one vec4 along the contraction to the next.
    pub k_step: usize,
}

impl Panels {
    /// `count` rows (columns) with `k4` vec4s along the contraction, at most [`WINDOW`] / [`LANES`]; neighbouring rows (columns) are
    /// neighbours in memory. For writers whose lanes run over rows (columns).
    pub fn new(count: usize, k4: usize) -> Self {
        let mut panels = Self::sized(count, k4);
        panels.k_step = panels.width;
        panels
    }

    /// The same as [`Panels::new`] with neighbours along the contraction: for writers whose lanes run along it. Rows start an odd
    /// number of cache lines (4 vec4s) apart, so that a subgroup that reads 8 of them does not meet the same sets of a cache.
    pub fn along(count: usize, k4: usize) -> Self {
        let row_step = Self::row_step(k4);
        let mut panels = Self::sized(count, row_step);
        panels.row_step = row_step;
        panels
    }

    /// vec4s of a row of [`Panels::along`].
    pub fn row_step(k4: usize) -> usize {
        let lines = k4.div_ceil(4);
        4 * (lines + usize::from(lines.is_multiple_of(2)))
    }

    fn sized(count: usize, k4: usize) -> Self {
        let fits = (WINDOW / k4).max(LANES) / LANES * LANES;
        let blocks = count.div_ceil(PANELS * fits);
        let width = count.div_ceil(blocks * PANELS).next_multiple_of(LANES);
        Self {
            width,
            blocks,
            stride: (width * k4).next_multiple_of(16),
            row_step: 1,
            k_step: 1,
        }
    }

    /// All panels, in vec4s.
    pub fn size(&self) -> usize {
        self.blocks * PANELS * self.stride
    }

    /// Rows (columns) of a block.
    pub fn block(&self) -> usize {
        PANELS * self.width
    }

    /// Rows (columns) of all blocks, padding included.
    pub fn padded(&self) -> usize {
        self.blocks * self.block()
    }

    /// A workspace for `count` factors of this shape, one after the other.
    pub fn workspace(&self, name: &str, count: usize, l: &mut Lowering) -> Tensor {
        l.workspace(name, Spec::f32([count * self.size() * 4]))
    }
}

/// A window that starts at vec4 `first`, a multiple of 16.
pub(crate) fn window(tensor: &Tensor, first: usize) -> Window {
    Window::at(tensor, 4 * first).0
}

/// One factor: where its panels are.
#[derive(Debug, Clone)]
pub(crate) struct PanelFactor<'a> {
    pub tensor: &'a Tensor,
    pub panels: &'a Panels,
    /// Its first vec4, a multiple of 16.
    pub first: usize,
}

impl<'a> PanelFactor<'a> {
    /// All blocks of a factor that begins with its tensor.
    pub fn all(tensor: &'a Tensor, panels: &'a Panels) -> Self {
        Self {
            tensor,
            panels,
            first: 0,
        }
    }

    fn window(&self, panel: usize) -> Window {
        window(self.tensor, self.first + panel * self.panels.stride)
    }
}

/// Where a product goes: `[rows / 4][columns]` vec4s over four rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PanelTarget<'a> {
    pub tensor: &'a Tensor,
    /// From one quad of rows to the next, in vec4s.
    pub row_stride: usize,
    pub quads: usize,
    pub columns: usize,
    /// Add to what is there.
    pub add: bool,
}

impl<'a> PanelTarget<'a> {
    /// Written, not added.
    pub fn new(tensor: &'a Tensor, quads: usize, columns: usize, row_stride: usize) -> Self {
        Self {
            tensor,
            row_stride,
            quads,
            columns,
            add: false,
        }
    }

    /// Added to what is there.
    pub fn added(mut self, add: bool) -> Self {
        self.add = add;
        self
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    k4: u32,
    quads: u32,
    a_panel: u32,
    b_panel: u32,
    a_row: u32,
    a_k: u32,
    b_column: u32,
    b_k: u32,
    first: u32,
    row_stride: u32,
    first_quad: u32,
    columns: u32,
}

/// `m = aᵀ b` over `k4` vec4s of the contraction, for all pairs of blocks of rows and columns.
pub(crate) fn multiply_panels(
    k4: usize,
    a: &PanelFactor,
    b: &PanelFactor,
    m: &PanelTarget,
    l: &mut Lowering,
) -> Result<()> {
    let (rows, columns) = (a.panels, b.panels);
    let pairs = (0..rows.blocks).flat_map(|i| (0..columns.blocks).map(move |j| (i, j)));
    for (i, j) in pairs {
        let first_column = j * columns.block();
        let first_quad = i * rows.block() / 4;
        if first_column >= m.columns || first_quad >= m.quads {
            continue;
        }
        let params = Params {
            k4: k4 as u32,
            quads: m.quads as u32,
            a_panel: rows.width as u32,
            b_panel: columns.width as u32,
            a_row: rows.row_step as u32,
            a_k: rows.k_step as u32,
            b_column: columns.row_step as u32,
            b_k: columns.k_step as u32,
            first: first_column as u32,
            row_stride: m.row_stride as u32,
            first_quad: first_quad as u32,
            columns: (m.columns - first_column) as u32,
        };
        let windows = (0..PANELS)
            .map(|p| a.window(i * PANELS + p))
            .chain((0..PANELS).map(|p| b.window(j * PANELS + p)));
        let kernel =
            kernel!("products/windows", "shuffled_rows").with("ACCUMULATE", u32::from(m.add));
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

    #[test]
    fn rows_along_the_contraction_start_in_different_sets_of_a_cache() {
        for k4 in 1..=WINDOW / LANES - 4 {
            let p = Panels::along(100, k4);
            assert!(p.row_step >= k4 && p.row_step % 8 == 4, "{k4}");
            assert!(p.width * p.row_step <= WINDOW, "{k4}");
        }
    }
}
