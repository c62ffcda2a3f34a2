//! Forward and the gradient of x: both correlate planes with filters.

use super::{Chunk, RANGE, chunks};
use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::source::Source;
use crate::ops::conv2d::winograd::{group, pack_codes};
use crate::ops::product::{Factor, LANES, Panels, Placed, WINDOW, product, window};
use crate::ops::{Io, Lowering, Window};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct WeightParams {
    rows: u32,
    contracted: u32,
    row_stride: u32,
    contracted_stride: u32,
    taps: u32,
    turned: u32,
    panel: u32,
    panel_stride: u32,
    range: u32,
    range_stride: u32,
    reserved: [u32; 2],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct ColumnParams {
    rows: u32,
    columns: u32,
    ph: u32,
    pw: u32,
    width: u32,
    positions: u32,
    first_row: u32,
    first_column: u32,
    kh: u32,
    kw: u32,
    top: i32,
    left: i32,
    skip: u32,
    channels: u32,
    first_channel: u32,
    first_quad: u32,
    panel: u32,
    panel_stride: u32,
    reserved: [u32; 2],
    shift: [u32; 4],
    mask_shift: [u32; 4],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct OutputParams {
    plane: u32,
    outputs: u32,
    first_output: u32,
    first_column: u32,
    width: u32,
    pw: u32,
    columns: u32,
    filters: u32,
    first_quad: u32,
    quads: u32,
    sample: u32,
    first_code: u32,
    bias: u32,
    reserved: [u32; 3],
}

/// One correlation: which pixel of the source each tap of each output reads, and where the result goes.
struct Correlation<'a> {
    source: Source<'a>,
    /// Rows and columns of the source before pooling.
    extent: [usize; 2],
    weight: &'a Tensor,
    turned: bool,
    taps: [usize; 2],
    /// Tap u of output row i reads source row `(up·i + u − before) / down`, if that is whole and exists.
    up: [usize; 2],
    down: [usize; 2],
    before: [isize; 2],
    /// Positions that are computed: rows, and columns of a row.
    positions: [usize; 2],
    bias: Option<&'a Tensor>,
    y: &'a Tensor,
    argmax: Option<&'a Tensor>,
    epilogue: Epilogue,
    /// Channels of y.
    channels: usize,
}

/// y (and argmax) from x, w, b.
pub(in super::super) fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let pooled = g.epilogue == Epilogue::ReluMaxPool2;
    Correlation {
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
    .run(g.n, l)
}

/// dx: the same over dy, with every filter turned by 180° and the roles of k and c exchanged; a stride in forward means here that
/// only every so many-th tap meets a row of dy.
pub(in super::super) fn backward_input(
    g: &Geometry,
    io: &Io,
    dx: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    Correlation {
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
        y: dx,
        argmax: None,
        epilogue: Epilogue::None,
        channels: g.c,
    }
    .run(g.n, l)
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
        let words = group(output, self.argmax.is_some());
        let group = if words == 1 { n } else { words };
        let cap = l.workspace_cap() as usize;
        let all = chunks(n, height, pool, group, |samples, rows| {
            let columns = samples * rows * width;
            let panels = Panels::new(columns, range * taps);
            let bytes = 16 * panels.padded() * (range * taps).max(k4);
            panels.padded() <= WINDOW && bytes <= cap && self.band_fits(height, rows)
        });
        let most = all
            .iter()
            .map(|c| c.samples.len() * c.rows.len() * width)
            .max();
        let columns = Panels::new(most.unwrap_or(1), range * taps);
        let b = columns.workspace("im2col columns", 1, l);
        let m = l.workspace("im2col product", Spec::f32([k4 * 4 * columns.padded()]));
        let most = all.iter().map(|c| c.samples.len()).max();
        let coded = if words == 1 {
            most.unwrap_or(1)
        } else {
            words.min(n)
        };
        let codes = match self.argmax {
            Some(_) => coded * output,
            None => 1,
        };
        let codes = l.workspace("argmax, unpacked", Spec::u32([codes]));

        for chunk in &all {
            let band = chunk.rows.len() * width;
            for index in 0..ranges {
                let part = index * range..quads.min((index + 1) * range);
                for (sample, first) in chunk.placed(band) {
                    self.pack_columns(sample, &chunk.rows, part.clone(), first, &columns, &b, l)?;
                }
                let factor_a = Factor {
                    tensor: &a,
                    panels: &rows,
                    first: index * rows.size(),
                };
                let factor_b = Factor {
                    tensor: &b,
                    panels: &columns,
                    first: 0,
                };
                let placed = Placed {
                    tensor: &m,
                    first: 0,
                    row_stride: columns.padded(),
                    quads: k4,
                    columns: chunk.samples.len() * band,
                    add: index > 0,
                };
                product(part.len() * taps, factor_a, factor_b, &placed, l)?;
            }
            for (sample, first) in chunk.placed(band) {
                let first_coded = first_coded(chunk, words);
                let code = (sample - first_coded) * output;
                self.write(
                    sample,
                    &chunk.rows,
                    first,
                    [&m, &codes],
                    columns.padded(),
                    code,
                    l,
                )?;
            }
            let end = chunk.samples.end;
            let complete = end.is_multiple_of(words) || end == n;
            if let (Some(argmax), true, true) = (self.argmax, complete, chunk.rows.end == height) {
                let first = first_coded(chunk, words);
                pack_codes(&codes, (end - first) * output, argmax, first * output, l)?;
            }
        }
        Ok(())
    }

    /// Stored rows of the source that `rows` of the output read.
    fn source_rows(&self, rows: &Range<usize>) -> Range<usize> {
        let [up, down] = [self.up[0], self.down[0]].map(|s| s as isize);
        let first = (rows.start as isize * up - self.before[0]).div_euclid(down);
        let last = ((rows.end as isize - 1) * up - self.before[0] + self.taps[0] as isize - 1)
            .div_euclid(down);
        let limit = self.extent[0] as isize - 1;
        let half = self.source.epilogue.rows();
        let first = first.clamp(0, limit) as usize / half;
        let last = last.clamp(0, limit) as usize / half;
        // An odd last row is not stored.
        first.min(self.source.ph - 1)..last.min(self.source.ph - 1) + 1
    }

    /// Whether the source rows of every band of `rows` output rows fit a window.
    fn band_fits(&self, height: usize, rows: usize) -> bool {
        (0..height).step_by(rows).all(|first| {
            let read = self.source_rows(&(first..height.min(first + rows)));
            read.len() * self.source.pw <= Window::ELEMENTS
        })
    }

    fn pack_weight(&self, rows: &Panels, range: usize, a: &Tensor, l: &mut Lowering) -> Result<()> {
        let taps = self.taps[0] * self.taps[1];
        let contracted = self.source.channels;
        let strides = match self.turned {
            false => [contracted * taps, taps],
            true => [taps, self.channels * taps],
        };
        let params = WeightParams {
            rows: self.channels as u32,
            contracted: contracted as u32,
            row_stride: strides[0] as u32,
            contracted_stride: strides[1] as u32,
            taps: taps as u32,
            turned: u32::from(self.turned),
            panel: rows.width as u32,
            panel_stride: rows.stride as u32,
            range: range as u32,
            range_stride: rows.size() as u32,
            reserved: [0; 2],
        };
        let grid = [self.channels.div_ceil(64), contracted.div_ceil(4) * taps, 1];
        l.dispatch(
            kernel!("im2col/weight"),
            &[self.weight, a],
            params,
            grid.map(|v| v as u32),
        )
    }

    /// Columns of channel quads `quads`, for `rows` of one sample; its first position becomes column `first`.
    #[allow(clippy::too_many_arguments)]
    fn pack_columns(
        &self,
        sample: usize,
        rows: &Range<usize>,
        quads: Range<usize>,
        first: usize,
        columns: &Panels,
        b: &Tensor,
        l: &mut Lowering,
    ) -> Result<()> {
        let source = &self.source;
        let read = self.source_rows(rows);
        let skip = read.start * source.pw;
        let positions = rows.len() * self.positions[1];
        // Window i shows channels i, i + 4, i + 8, … of this dispatch.
        let step = (Window::ELEMENTS - read.len() * source.pw) / (4 * source.plane()) + 1;
        for quad in quads.clone().step_by(step) {
            let start = |i: usize| {
                let channel = (4 * quad + i).min(source.channels - 1);
                (sample * source.channels + channel) * source.plane() + skip
            };
            let planes = [0, 1, 2, 3].map(|i| source.window_at(start(i)));
            let masks = [0, 1, 2, 3].map(|i| source.mask_window_at(start(i)));
            let params = ColumnParams {
                rows: self.extent[0] as u32,
                columns: self.extent[1] as u32,
                ph: source.ph as u32,
                pw: source.pw as u32,
                width: self.positions[1] as u32,
                positions: positions as u32,
                first_row: rows.start as u32,
                first_column: first as u32,
                kh: self.taps[0] as u32,
                kw: self.taps[1] as u32,
                top: self.before[0] as i32,
                left: self.before[1] as i32,
                skip: skip as u32,
                channels: source.channels as u32,
                first_channel: 4 * quad as u32,
                first_quad: (quad - quads.start) as u32,
                panel: columns.width as u32,
                panel_stride: columns.stride as u32,
                reserved: [0; 2],
                shift: planes.each_ref().map(|w| w.1),
                mask_shift: masks.each_ref().map(|w| w.1),
            };
            let kernel = kernel!("im2col/columns_windows")
                .with("EPILOGUE", source.epilogue as u32)
                .with("UP_H", self.up[0] as u32)
                .with("UP_W", self.up[1] as u32)
                .with("DOWN_H", self.down[0] as u32)
                .with("DOWN_W", self.down[1] as u32);
            let windows = planes.into_iter().chain(masks).map(|w| w.0);
            let grid = [positions.div_ceil(LANES), step.min(quads.end - quad), 1];
            l.dispatch_windows(
                kernel,
                &[b],
                windows.collect(),
                params,
                grid.map(|v| v as u32),
            )?;
        }
        Ok(())
    }

    /// `rows` of one sample from the product m, whose rows are `columns` long; its first position is column `first`.
    #[allow(clippy::too_many_arguments)]
    fn write(
        &self,
        sample: usize,
        rows: &Range<usize>,
        first: usize,
        [m, codes]: [&Tensor; 2],
        columns: usize,
        first_code: usize,
        l: &mut Lowering,
    ) -> Result<()> {
        let pool = self.epilogue.rows();
        let [ph, pw] = [self.y.dims()[2], self.y.dims()[3]];
        let outputs = rows.len() / pool * pw;
        let k4 = self.channels.div_ceil(4);
        let (bias, shift) = Window::at(self.bias.unwrap_or(self.weight), 0);
        let quads = (WINDOW / columns).min(k4.div_ceil(4));
        for quad in (0..k4).step_by(4 * quads) {
            let params = OutputParams {
                plane: (ph * pw) as u32,
                outputs: outputs as u32,
                first_output: (rows.start / pool * pw) as u32,
                first_column: first as u32,
                width: self.positions[1] as u32,
                pw: pw as u32,
                columns: columns as u32,
                filters: self.channels as u32,
                first_quad: quad as u32,
                quads: quads as u32,
                sample: sample as u32,
                first_code: first_code as u32,
                bias: shift / 4,
                reserved: [0; 3],
            };
            let shown = (0..4).map(|i| window(m, (quad + i * quads).min(k4 - 1) * columns));
            let windows = std::iter::once(bias.clone()).chain(shown);
            let kernel = kernel!("im2col/output_windows")
                .with("EPILOGUE", self.epilogue as u32)
                .with("BIAS", u32::from(self.bias.is_some()));
            let grid = [outputs.div_ceil(LANES) as u32, quads as u32, 1];
            l.dispatch_windows(kernel, &[self.y, codes], windows.collect(), params, grid)?;
        }
        Ok(())
    }
}

/// The sample at which the codes start that hold those of a chunk.
fn first_coded(chunk: &Chunk, words: usize) -> usize {
    match words {
        1 => chunk.samples.start,
        _ => chunk.samples.start / words * words,
    }
}
