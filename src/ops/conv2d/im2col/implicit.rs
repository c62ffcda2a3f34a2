//! Implicit GEMM: the product of im2col without its columns. The source is packed once, in blocks that a window shows, and the
//! product reads every tap where it is (Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", 2014).

use super::correlate::{Correlation, chunk_codes};
use super::cut::{Cut, Shape};
use super::{Chunk, chunks};
use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::codes;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::product::{LANES, PANELS, Panels, WINDOW, window};
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

/// Whether the rung can run a problem here, forward and for the gradient of x.
pub(in super::super) fn supports(p: &Problem, c: &Capabilities) -> std::result::Result<(), String> {
    super::supports(p, c)?;
    match (Shape::forward(p).cut(), Shape::backward_input(p).cut()) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err("rows are so long, or positions so few, that im2col copies less".into()),
    }
}

/// y (and argmax) from x, w, b.
pub(in super::super) fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    Correlation::forward(g, io).run_implicit(Shape::forward(&g.problem()), g.n, l)
}

/// dx from w and dy, read through the epilogue.
pub(in super::super) fn backward_input(
    g: &Geometry,
    io: &Io,
    dx: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let shape = Shape::backward_input(&g.problem());
    Correlation::backward_input(g, io, dx).run_implicit(shape, g.n, l)
}

impl Correlation<'_> {
    fn run_implicit(&self, shape: Shape, n: usize, l: &mut Lowering) -> Result<()> {
        let taps = self.taps[0] * self.taps[1];
        let quads = self.source.channels.div_ceil(4);
        let k4 = self.channels.div_ceil(4);
        let [height, width] = self.positions;
        let cut = shape.cut().expect("supports() has found a cut");
        let ranges = quads.div_ceil(cut.range);
        let rows = Panels::new(self.channels, cut.range * taps);
        let a = rows.workspace("implicit weight", ranges, l);
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
