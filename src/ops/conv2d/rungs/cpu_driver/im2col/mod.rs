//! im2col: any convolution as one matrix product over columns of pixels (Chellapilla, Puri & Simard, "High Performance
//! Convolutional Neural Networks for Document Processing", 2006). Any window, stride and padding, in all three directions.
//!
//! The columns are KH·KW times as large as what they are made of, so they are made in chunks: bands of rows of one sample, or a
//! few small samples.

mod correlate;
mod pack;
mod weight_gradient;

use crate::ops::conv2d::correlation::{Correlation, Directions, directions};
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::products::windows::{LANES, WINDOW, windows};
use crate::ops::{Capabilities, Rung, Window};

/// vec4s along the contraction of one product at most, where a channel quad's taps allow it. Fewer leave wide panels, which makes
/// few dispatches; more save additions to what earlier products left.
const RANGE: usize = 256;

/// The longest row of which two, as pooling takes them, fit the panels of a product whatever the contraction.
const LONGEST_ROW: usize = WINDOW / 4;

/// Forward, and the gradient of x.
pub const CORRELATION: Directions = directions!(
    "im2col_windows",
    cpu_driver,
    supports,
    Correlation::by_columns
);
/// The gradient of w.
pub const BACKWARD_WEIGHT: Rung<Geometry> =
    Rung::cpu_driver("im2col_windows", supports, weight_gradient::backward_weight);

/// Whether the rung can run a problem here, in any direction.
fn supports(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    windows(c)?;
    fits_windows(g)
}

/// Whether taps and rows are few and short enough to be packed through windows.
pub fn fits_windows(g: &Geometry) -> Result<(), String> {
    let taps = g.kh * g.kw;
    if taps > WINDOW / LANES {
        return Err(format!("at most {} taps", WINDOW / LANES));
    }
    let row = g.w.max(g.ow);
    // The most rows that are read for one step: two rows of outputs in forward.
    let read = g.kh + g.stride_h;
    if row > LONGEST_ROW || read * row > Window::ELEMENTS {
        return Err("rows are too long for a uniform window".into());
    }
    Ok(())
}
