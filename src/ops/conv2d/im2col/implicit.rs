//! Implicit GEMM: the product of im2col without its columns. The source is packed once, in blocks that a window shows, and the
//! product reads every tap where it is (Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", 2014).

use super::correlate::{Correlation, chunk_codes};
use super::{Chunk, chunks};
use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::{Epilogue, codes};
use crate::ops::product::{LANES, PANELS, Panels, WINDOW, window, windows};
use crate::ops::{Capabilities, Io, Lowering, Problem, Window};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct BlockParams {
    rows: u32,
    columns: u32,
    ph: u32,
    pw: u32,
    width: u32,
    pitch: u32,
    first_position: u32,
    blocks: u32,
    len: u32,
    block: u32,
    first_block: u32,
    block_stride: u32,
    top: i32,
    left: i32,
    skip: u32,
    channels: u32,
    first_channel: u32,
    first_quad: u32,
    reserved: [u32; 2],
    shift: [u32; 4],
    mask_shift: [u32; 4],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct ProductParams {
    k4: u32,
    quads: u32,
    a_panel: u32,
    len: u32,
    kw: u32,
    kh: u32,
    pitch: u32,
    block: u32,
    first: u32,
    row_stride: u32,
    first_quad: u32,
    first_block: u32,
    width: u32,
    blocks: u32,
    first_position: u32,
    reserved: u32,
}

/// Times that a pixel may be packed.
const MOST_COPIES: usize = 16;

/// How a correlation is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cut {
    /// Pixels of a row of the padded source.
    pitch: usize,
    /// Channel quads that are packed and multiplied at a time.
    range: usize,
    /// Positions of a block.
    len: usize,
    /// Pixels of a block: what its positions read.
    block: usize,
}

/// What a cut depends on.
#[derive(Debug, Clone, Copy)]
struct Shape {
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
    fn cut(&self) -> Option<Cut> {
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

/// Whether the rung can run a problem here, forward and for the gradient of x.
pub(in super::super) fn supports(p: &Problem, c: &Capabilities) -> std::result::Result<(), String> {
    windows(c)?;
    super::supports(p, c)?;
    let [kh, kw, h, w, oh, ow] = ["kh", "kw", "h", "w", "oh", "ow"].map(|name| p.get(name));
    // A last odd row is not pooled.
    let pooled = p.get("epilogue") == Epilogue::ReluMaxPool2 as usize;
    let rows = if pooled { oh / 2 * 2 } else { oh };
    let [quads_c, quads_k] = [p.get("c").div_ceil(4), p.get("k").div_ceil(4)];
    let forward = Shape {
        taps: [kh, kw],
        up: [p.get("stride_h"), p.get("stride_w")],
        positions: [rows, ow],
        quads: quads_c,
        channels: p.get("k"),
    };
    let gradient = Shape {
        up: [1, 1],
        positions: [h, w],
        quads: quads_k,
        channels: p.get("c"),
        ..forward
    };
    match (forward.cut(), gradient.cut()) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err("rows are so long, or positions so few, that im2col copies less".into()),
    }
}

/// y (and argmax) from x, w, b.
pub(in super::super) fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    Correlation::forward(g, io).run_implicit(g.n, l)
}

/// dx from w and dy, read through the epilogue.
pub(in super::super) fn backward_input(
    g: &Geometry,
    io: &Io,
    dx: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    Correlation::backward_input(g, io, dx).run_implicit(g.n, l)
}

impl Correlation<'_> {
    fn run_implicit(&self, n: usize, l: &mut Lowering) -> Result<()> {
        let taps = self.taps[0] * self.taps[1];
        let quads = self.source.channels.div_ceil(4);
        let k4 = self.channels.div_ceil(4);
        let [height, width] = self.positions;
        let shape = Shape {
            taps: self.taps,
            up: self.up,
            positions: self.positions,
            quads,
            channels: self.channels,
        };
        let cut = shape.cut().expect("supports() has found a cut");
        let ranges = quads.div_ceil(cut.range);
        let rows = Panels::new(self.channels, cut.range * taps);
        let a = l.workspace("implicit weight", Spec::f32([ranges * rows.size() * 4]));
        self.pack_weight(&rows, cut.range * taps, &a, l)?;

        let output = self.y.numel() / n;
        let words = codes::samples_per_word(output, self.argmax.is_some());
        let group = if words == 1 { n } else { words };
        let cap = l.workspace_cap() as usize;
        let blocks = |samples: usize, rows: usize| {
            (samples * (rows * width).div_ceil(cut.len)).next_multiple_of(PANELS)
        };
        let all = chunks(n, height, self.epilogue.rows(), group, |samples, rows| {
            let blocks = blocks(samples, rows);
            let bytes = 16 * blocks * (cut.range * cut.block + k4 * cut.len);
            blocks * cut.len <= WINDOW && bytes <= cap && self.band_fits(height, rows)
        });
        let most = (all.iter().map(|c| blocks(c.samples.len(), c.rows.len()))).max();
        let most = most.unwrap_or(PANELS);
        let b = l.workspace(
            "implicit source",
            Spec::f32([most * cut.range * cut.block * 4]),
        );
        let m = l.workspace("implicit product", Spec::f32([k4 * 4 * most * cut.len]));
        let codes = chunk_codes(&all, words, n, output, self.argmax, l);

        for chunk in &all {
            let per_sample = (chunk.rows.len() * width).div_ceil(cut.len);
            for index in 0..ranges {
                let part = index * cut.range..quads.min((index + 1) * cut.range);
                for (sample, first) in chunk.placed(per_sample) {
                    self.pack_blocks(&cut, sample, &chunk.rows, part.clone(), first, &b, l)?;
                }
                let factors = [&a, &b, &m];
                self.multiply(&cut, chunk, index, part.len(), &rows, most, factors, l)?;
            }
            self.finish(
                chunk,
                n,
                words,
                per_sample * cut.len,
                most * cut.len,
                [&m, &codes],
                l,
            )?;
        }
        Ok(())
    }

    /// Blocks of channel quads `quads`, for `rows` of one sample; its first block becomes block `first`.
    #[allow(clippy::too_many_arguments)]
    fn pack_blocks(
        &self,
        cut: &Cut,
        sample: usize,
        rows: &Range<usize>,
        quads: Range<usize>,
        first: usize,
        b: &Tensor,
        l: &mut Lowering,
    ) -> Result<()> {
        let source = &self.source;
        let read = self.source_rows(rows);
        let skip = read.start * source.pw;
        let width = self.positions[1];
        let blocks = (rows.len() * width).div_ceil(cut.len);
        // Window i shows channels i, i + 4, i + 8, … of this dispatch.
        let step = Window::pieces(read.len() * source.pw, 4 * source.plane());
        for quad in quads.clone().step_by(step) {
            let (windows, shift, mask_shift) = self.four_channels(sample, quad, skip);
            let params = BlockParams {
                rows: self.extent[0] as u32,
                columns: self.extent[1] as u32,
                ph: source.ph as u32,
                pw: source.pw as u32,
                width: width as u32,
                pitch: cut.pitch as u32,
                first_position: (rows.start * width) as u32,
                blocks: blocks as u32,
                len: cut.len as u32,
                block: cut.block as u32,
                first_block: first as u32,
                block_stride: (cut.range * cut.block) as u32,
                top: self.before[0] as i32,
                left: self.before[1] as i32,
                skip: skip as u32,
                channels: source.channels as u32,
                first_channel: 4 * quad as u32,
                first_quad: (quad - quads.start) as u32,
                reserved: [0; 2],
                shift,
                mask_shift,
            };
            let kernel = kernel!("implicit/blocks_windows")
                .with("EPILOGUE", source.epilogue as u32)
                .with("UP_H", self.up[0] as u32)
                .with("UP_W", self.up[1] as u32)
                .with("DOWN_H", self.down[0] as u32)
                .with("DOWN_W", self.down[1] as u32);
            let lanes = (blocks * cut.block).div_ceil(LANES);
            let grid = [lanes, step.min(quads.end - quad), 1].map(|v| v as u32);
            l.dispatch_windows(kernel, &[b], windows, params, grid)?;
        }
        Ok(())
    }

    /// The product of one range of channel quads: four blocks and four panels of rows to a dispatch.
    #[allow(clippy::too_many_arguments)]
    fn multiply(
        &self,
        cut: &Cut,
        chunk: &Chunk,
        range: usize,
        quads: usize,
        rows: &Panels,
        most: usize,
        [a, b, m]: [&Tensor; 3],
        l: &mut Lowering,
    ) -> Result<()> {
        let width = self.positions[1];
        let per_sample = (chunk.rows.len() * width).div_ceil(cut.len);
        let k4 = self.channels.div_ceil(4);
        for first_block in (0..chunk.samples.len() * per_sample).step_by(PANELS) {
            for i in 0..rows.blocks {
                let first_quad = i * PANELS * rows.width / 4;
                if first_quad >= k4 {
                    continue;
                }
                let params = ProductParams {
                    k4: (quads * self.taps[0] * self.taps[1]) as u32,
                    quads: k4 as u32,
                    a_panel: rows.width as u32,
                    len: cut.len as u32,
                    kw: self.taps[1] as u32,
                    kh: self.taps[0] as u32,
                    pitch: cut.pitch as u32,
                    block: cut.block as u32,
                    first: (first_block * cut.len) as u32,
                    row_stride: (most * cut.len) as u32,
                    first_quad: first_quad as u32,
                    first_block: first_block as u32,
                    width: width as u32,
                    blocks: per_sample as u32,
                    first_position: (chunk.rows.start * width) as u32,
                    reserved: 0,
                };
                let panel = |p: usize| range * rows.size() + (i * PANELS + p) * rows.stride;
                let windows = (0..PANELS).map(|p| window(a, panel(p))).chain(
                    (0..PANELS).map(|p| window(b, (first_block + p) * cut.range * cut.block)),
                );
                let kernel = kernel!("implicit/product_windows")
                    .with("UP_H", self.up[0] as u32)
                    .with("UP_W", self.up[1] as u32)
                    .with("ACCUMULATE", u32::from(range > 0));
                let grid = [cut.len / LANES, rows.width / LANES, 1].map(|v| v as u32);
                l.dispatch_windows(kernel, &[m], windows.collect(), params, grid)?;
            }
        }
        Ok(())
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
