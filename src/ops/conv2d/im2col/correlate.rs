//! Forward and the gradient of x: both correlate planes with filters.

use super::{Chunk, RANGE, chunks};
use crate::error::Result;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::codes;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::source::Source;
use crate::ops::product::{Factor, Panels, Placed, WINDOW, product};
use crate::ops::{Io, Lowering, Window};
use crate::tensor::{Spec, Tensor};
use std::ops::Range;

/// One correlation: which pixel of the source each tap of each output reads, and where the result goes.
pub(super) struct Correlation<'a> {
    pub source: Source<'a>,
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

/// y (and argmax) from x, w, b.
pub(super) fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    Correlation::forward(g, io).run(g.n, l)
}

/// dx from w and dy, read through the epilogue.
pub(super) fn backward_input(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    Correlation::backward_input(g, io).run(g.n, l)
}

impl<'a> Correlation<'a> {
    pub(super) fn forward(g: &Geometry, io: &'a Io) -> Self {
        let pooled = g.epilogue == Epilogue::ReluMaxPool2;
        Self {
            source: Source::x(g, io),
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
    pub(super) fn backward_input(g: &Geometry, io: &'a Io) -> Self {
        Self {
            source: Source::dy(g, io),
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
    fn run(&self, n: usize, l: &mut Lowering) -> Result<()> {
        let taps = self.taps[0] * self.taps[1];
        let quads = self.source.channels.div_ceil(4);
        // Channel quads that are packed and multiplied at a time, in equal ranges.
        let range = (RANGE / taps).clamp(1, quads);
        let range = quads.div_ceil(quads.div_ceil(range));
        let ranges = quads.div_ceil(range);
        let k4 = self.channels.div_ceil(4);
        let rows = Panels::new(self.channels, range * taps);
        let a = rows.workspace("im2col weight", ranges, l);
        self.pack_weight(&rows, range * taps, &a, l)?;

        let [height, width] = self.positions;
        let output = self.y.numel() / n;
        let pool = self.epilogue.rows();
        // Samples after which the codes of argmax fill whole words: then any chunk of samples can pack its own.
        let words = codes::samples_per_word(output, self.argmax.is_some());
        let group = if words == 1 { n } else { words };
        let cap = l.workspace_cap() as usize;
        let all = chunks(n, height, pool, group, |samples, rows| {
            let columns = samples * rows * width;
            let panels = Panels::new(columns, range * taps);
            let bytes = 16 * panels.padded() * (range * taps).max(k4);
            panels.padded() <= WINDOW && bytes <= cap && self.band_fits(height, rows)
        });
        let most = (all.iter())
            .map(|c| c.samples.len() * c.rows.len() * width)
            .max();
        let columns = Panels::new(most.unwrap_or(1), range * taps);
        let b = columns.workspace("im2col columns", 1, l);
        let m = l.workspace("im2col product", Spec::f32([k4 * 4 * columns.padded()]));
        let codes = chunk_codes(&all, words, n, output, self.argmax, l);

        for chunk in &all {
            let band = chunk.rows.len() * width;
            for index in 0..ranges {
                let part = index * range..quads.min((index + 1) * range);
                for (sample, first) in chunk.placed(band) {
                    self.pack_columns(sample, &chunk.rows, part.clone(), first, &columns, &b, l)?;
                }
                let mut factor_a = Factor::all(&a, &rows);
                factor_a.first = index * rows.size();
                let columns_here = chunk.samples.len() * band;
                let placed = Placed::new(&m, k4, columns_here, columns.padded()).added(index > 0);
                let factor_b = Factor::all(&b, &columns);
                product(part.len() * taps, &factor_a, &factor_b, &placed, l)?;
            }
            self.finish(chunk, n, words, band, columns.padded(), [&m, &codes], l)?;
        }
        Ok(())
    }

    /// The outputs of a chunk from the product m, whose rows are `columns` long, `per_sample` of them a sample's; and the packed
    /// argmax, once its last words are whole.
    #[allow(clippy::too_many_arguments)]
    fn finish(
        &self,
        chunk: &Chunk,
        n: usize,
        words: usize,
        per_sample: usize,
        columns: usize,
        [m, codes]: [&Tensor; 2],
        l: &mut Lowering,
    ) -> Result<()> {
        let output = self.y.numel() / n;
        let first_coded = first_coded(chunk, words);
        for (sample, first) in chunk.placed(per_sample) {
            let code = (sample - first_coded) * output;
            self.write(sample, &chunk.rows, first, [m, codes], columns, code, l)?;
        }
        self.pack_codes(chunk, n, words, codes, l)
    }

    /// The packed argmax, once a chunk has made its last words whole.
    pub(super) fn pack_codes(
        &self,
        chunk: &Chunk,
        n: usize,
        words: usize,
        codes: &Tensor,
        l: &mut Lowering,
    ) -> Result<()> {
        let output = self.y.numel() / n;
        let first_coded = first_coded(chunk, words);
        let end = chunk.samples.end;
        let complete = end.is_multiple_of(words) || end == n;
        match self.argmax {
            Some(argmax) if complete && chunk.rows.end == self.positions[0] => {
                let (count, first) = ((end - first_coded) * output, first_coded * output);
                codes::pack(codes, count, argmax, first, l)
            }
            _ => Ok(()),
        }
    }

    /// Stored rows of the source that `rows` of the output read.
    pub(super) fn source_rows(&self, rows: &Range<usize>) -> Range<usize> {
        let [up, down] = [self.up[0], self.down[0]].map(|s| s as isize);
        let first = (rows.start as isize * up - self.before[0]).div_euclid(down);
        let last = ((rows.end as isize - 1) * up - self.before[0] + self.taps[0] as isize - 1)
            .div_euclid(down);
        self.source.stored_rows(first, last, self.extent[0])
    }

    /// Whether the source rows of every band of `rows` output rows fit a window.
    pub(super) fn band_fits(&self, height: usize, rows: usize) -> bool {
        (0..height).step_by(rows).all(|first| {
            let read = self.source_rows(&(first..height.min(first + rows)));
            read.len() * self.source.pw <= Window::ELEMENTS
        })
    }
}

/// Room for the codes of what is packed at a time.
pub(super) fn chunk_codes(
    all: &[Chunk],
    words: usize,
    n: usize,
    output: usize,
    argmax: Option<&Tensor>,
    l: &mut Lowering,
) -> Tensor {
    let samples = match words {
        1 => all.iter().map(|c| c.samples.len()).max().unwrap_or(1),
        _ => words.min(n),
    };
    let count = match argmax {
        Some(_) => samples * output,
        None => 1,
    };
    l.workspace("argmax, unpacked", Spec::u32([count]))
}

/// The sample at which the codes start that hold those of a chunk.
pub(super) fn first_coded(chunk: &Chunk, words: usize) -> usize {
    match words {
        1 => chunk.samples.start,
        _ => chunk.samples.start / words * words,
    }
}
