//! im2col: any convolution as one matrix product over columns of pixels (Chellapilla, Puri & Simard, "High Performance
//! Convolutional Neural Networks for Document Processing", 2006). Any window, stride and padding, in all three directions.
//!
//! The columns are KH·KW times as large as what they are made of, so they are made in chunks: bands of rows of one sample, or a
//! few small samples.

mod correlate;
pub(super) mod implicit;
mod pack;
mod weight;

use super::geometry::Geometry;
use crate::ops::product::{LANES, WINDOW, windows};
use crate::ops::{Capabilities, Rung, Window};

/// vec4s along the contraction of one product at most, where a channel quad's taps allow it. Fewer leave wide panels, which makes
/// few dispatches; more save additions to what earlier products left.
const RANGE: usize = 256;

/// The longest row of which two, as pooling takes them, fit the panels of a product whatever the contraction.
const LONGEST_ROW: usize = WINDOW / 4;

/// Forward.
pub(super) const FORWARD: Rung<Geometry> =
    Rung::cpu_driver("im2col_windows", supports, correlate::forward);
/// The gradient of x.
pub(super) const BACKWARD_INPUT: Rung<Geometry> =
    Rung::cpu_driver("im2col_windows", supports, correlate::backward_input);
/// The gradient of w.
pub(super) const BACKWARD_WEIGHT: Rung<Geometry> =
    Rung::cpu_driver("im2col_windows", supports, weight::backward_weight);

/// Whether the rung can run a problem here, in any direction.
fn supports(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    windows(c)?;
    fits_windows(g)
}

/// Whether taps and rows are few and short enough to be packed through windows.
fn fits_windows(g: &Geometry) -> Result<(), String> {
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

/// Some samples, all rows of each; or some rows of one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    samples: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
}

impl Chunk {
    /// `(sample, first column)` of each sample, when a sample takes `columns` columns.
    fn placed(&self, columns: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let first = self.samples.start;
        self.samples
            .clone()
            .map(move |s| (s, (s - first) * columns))
    }
}

/// `n` samples of `rows` rows, in chunks whose numbers of samples and rows `fit`, at `step` rows and one sample at least. No chunk
/// crosses a multiple of `group` samples.
fn chunks(
    n: usize,
    rows: usize,
    step: usize,
    group: usize,
    fit: impl Fn(usize, usize) -> bool,
) -> Vec<Chunk> {
    let most = (1..=group.min(n)).rev().find(|&samples| fit(samples, rows));
    let groups = (0..n)
        .step_by(group)
        .map(|first| first..n.min(first + group));
    if let Some(most) = most {
        let split = |g: std::ops::Range<usize>| {
            let end = g.end;
            g.step_by(most).map(move |first| Chunk {
                samples: first..end.min(first + most),
                rows: 0..rows,
            })
        };
        return groups.flat_map(split).collect();
    }
    let most = (1..=rows / step)
        .rev()
        .map(|r| r * step)
        .find(|&r| fit(1, r));
    let most = most.unwrap_or(step);
    // Bands of equal size, so that none is a remnant; unless they begin where more rows are read.
    let equal = rows.div_ceil(rows.div_ceil(most)).next_multiple_of(step);
    let band = if fit(1, equal) { equal } else { most };
    let bands = |sample| {
        (0..rows).step_by(band).map(move |first| Chunk {
            samples: sample..sample + 1,
            rows: first..rows.min(first + band),
        })
    };
    (0..n).flat_map(bands).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_row_once_and_respect_groups() {
        for (n, rows, step, group, most) in [
            (8, 93, 2, 1, 20),
            (9, 4, 2, 4, 9),
            (5, 7, 1, 5, 100),
            (3, 10, 2, 4, 1),
        ] {
            let all = chunks(n, rows, step, group, |s, r| s * r <= most);
            let mut seen = vec![0; n * rows];
            for chunk in &all {
                assert!(chunk.rows.start.is_multiple_of(step));
                assert_eq!(chunk.samples.start / group, (chunk.samples.end - 1) / group);
                for s in chunk.samples.clone() {
                    for r in chunk.rows.clone() {
                        seen[s * rows + r] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|&count| count == 1), "{all:?}");
        }
    }
}
