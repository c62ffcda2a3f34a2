//! How the implicit rung cuts a correlation: which channels and how many positions share a window.

use crate::ops::Problem;
use crate::ops::conv2d::Epilogue;
use crate::ops::product::{LANES, PANELS, Panels, WINDOW};

/// Times that a pixel may be packed.
const MOST_COPIES: usize = 16;

/// How a correlation is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    /// Pixels of a row of the padded source.
    pub pitch: usize,
    /// Channel quads that are packed and multiplied at a time.
    pub range: usize,
    /// Positions of a block.
    pub len: usize,
    /// Pixels of a block: what its positions read.
    pub block: usize,
}

/// What a cut depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    taps: [usize; 2],
    up: [usize; 2],
    /// Rows of positions, and positions of a row.
    positions: [usize; 2],
    /// Channel quads of the source.
    quads: usize,
    /// Channels of the result.
    channels: usize,
}

impl Shape {
    /// That of y.
    pub fn forward(p: &Problem) -> Self {
        // A last odd row is not pooled.
        let pooled = p.get("epilogue") == Epilogue::ReluMaxPool2 as usize;
        let rows = if pooled {
            p.get("oh") / 2 * 2
        } else {
            p.get("oh")
        };
        Self {
            taps: ["kh", "kw"].map(|name| p.get(name)),
            up: ["stride_h", "stride_w"].map(|name| p.get(name)),
            positions: [rows, p.get("ow")],
            quads: p.get("c").div_ceil(4),
            channels: p.get("k"),
        }
    }

    /// That of dx.
    pub fn backward_input(p: &Problem) -> Self {
        Self {
            up: [1, 1],
            positions: ["h", "w"].map(|name| p.get(name)),
            quads: p.get("k").div_ceil(4),
            channels: p.get("c"),
            ..Self::forward(p)
        }
    }

    fn pitch(&self) -> usize {
        (self.positions[1] - 1) * self.up[1] + self.taps[1]
    }

    /// Pixels from the first to the last that `len` positions in row order read, wherever they start.
    fn span(&self, len: usize) -> usize {
        let [up, width, pitch] = [self.up[1], self.positions[1], self.pitch()];
        // A step to the next row passes over what the last position of a row reads and the first of the next does not.
        let crossings = (len + width - 2) / width;
        let extra = (self.up[0] * pitch).saturating_sub(width * up);
        (len - 1) * up + crossings * extra + (self.taps[0] - 1) * pitch + self.taps[1]
    }

    /// The cheapest cut, by what lavapipe takes for each part; none if what 8 positions read of one channel quad does not fit a window,
    /// or if blocks would overlap so much that im2col copies less.
    pub fn cut(&self) -> Option<Cut> {
        let taps = self.taps[0] * self.taps[1];
        let all = self.positions[0] * self.positions[1];
        (1..=self.quads)
            .map(|ranges| self.quads.div_ceil(ranges))
            .filter(|range| range * taps <= WINDOW / LANES)
            .filter_map(|range| {
                let room = WINDOW / range / 16 * 16;
                let len = (LANES..=all.next_multiple_of(LANES).min(WINDOW / PANELS))
                    .step_by(LANES)
                    .take_while(|&len| self.span(len) <= room)
                    .last()?;
                Some(Cut {
                    pitch: self.pitch(),
                    range,
                    len,
                    block: self.span(len).next_multiple_of(16),
                })
            })
            .filter(|cut| cut.block <= taps.min(MOST_COPIES) * cut.len + 16)
            .min_by(|a, b| f64::total_cmp(&self.cost(a), &self.cost(b)))
    }

    /// Microseconds of one core for a sample.
    fn cost(&self, cut: &Cut) -> f64 {
        let taps = self.taps[0] * self.taps[1];
        let ranges = self.quads.div_ceil(cut.range);
        let blocks = (self.positions[0] * self.positions[1]).div_ceil(cut.len);
        let rows = Panels::new(self.channels, cut.range * taps);
        let [quads, ranges, blocks, lanes] =
            [self.quads * taps, ranges, blocks, self.quads * cut.block].map(|v| v as f64);
        // A workgroup multiplies 32 rows with 32 positions: per vec4 of the contraction, per write and per addition to what is there.
        let group = 0.37 * quads + 3.4 * ranges + 3.6 * (ranges - 1.0);
        let groups = blocks * cut.len as f64 / 32.0 * (rows.padded() as f64 / 32.0);
        let dispatches = (blocks / PANELS as f64).ceil() * ranges * rows.blocks as f64;
        groups * group + blocks * lanes * 0.0125 + dispatches * 32.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_are_left_to_im2col() {
        let shape = |width| Shape {
            taps: [5, 4],
            up: [1, 1],
            positions: [90, width],
            quads: 16,
            channels: 8,
        };
        assert_eq!(shape(1011).cut(), None);
        let cut = shape(65).cut().expect("short rows");
        assert!(cut.block <= MOST_COPIES * cut.len && cut.range * cut.block <= WINDOW);
    }

    #[test]
    fn a_span_is_what_the_positions_read() {
        for (taps, up, positions) in [
            ([3, 3], [1, 1], [9, 7]),
            ([1, 1], [2, 2], [5, 6]),
            ([5, 2], [2, 3], [4, 3]),
            ([2, 5], [1, 4], [6, 1]),
            ([1, 1], [1, 3], [4, 5]),
        ] {
            let shape = Shape {
                taps,
                up,
                positions,
                quads: 1,
                channels: 1,
            };
            let pitch = shape.pitch();
            let reads = |q: usize| q / positions[1] * up[0] * pitch + q % positions[1] * up[1];
            let all = positions[0] * positions[1];
            for len in 1..=all {
                let most = (0..=all - len)
                    .map(|q| {
                        let last = (q..q + len).map(reads).max().unwrap_or(0);
                        last + (taps[0] - 1) * pitch + taps[1] - reads(q)
                    })
                    .max();
                assert!(most <= Some(shape.span(len)), "{shape:?} {len}");
            }
        }
    }
}
