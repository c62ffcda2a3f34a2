//! The kernels around the product: weight and columns before it, outputs after it.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::argmax::Codes;
use crate::ops::conv2d::correlation::Correlation;
use crate::ops::products::windows::{LANES, Panels, WINDOW, window};
use crate::ops::{Lowering, Window};
use crate::tensor::Tensor;
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

impl Correlation<'_> {
    pub fn pack_weight(
        &self,
        rows: &Panels,
        range: usize,
        a: &Tensor,
        l: &mut Lowering,
    ) -> Result<()> {
        let taps = self.taps[0] * self.taps[1];
        let contracted = self.source.channels;
        let strides = self.weight_strides();
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
            kernel!("conv2d/im2col_windows/pack_weight"),
            &[self.weight, a],
            params,
            grid.map(|v| v as u32),
        )
    }

    /// Windows on four channels of a sample and on their masks, `skip` elements into each plane; where they start in the windows,
    /// and where the masks do.
    pub fn four_channels(
        &self,
        sample: usize,
        quad: usize,
        skip: usize,
    ) -> (Vec<Window>, [u32; 4], [u32; 4]) {
        let source = &self.source;
        let start = |i: usize| {
            let channel = (4 * quad + i).min(source.channels - 1);
            (sample * source.channels + channel) * source.plane() + skip
        };
        let planes = [0, 1, 2, 3].map(|i| source.window_at(start(i)));
        let masks = [0, 1, 2, 3].map(|i| source.mask_window_at(start(i)));
        let shifts = (
            planes.each_ref().map(|w| w.1),
            masks.each_ref().map(|w| w.1),
        );
        let windows = planes.into_iter().chain(masks).map(|w| w.0).collect();
        (windows, shifts.0, shifts.1)
    }

    /// Columns of channel quads `quads`, for `rows` of one sample; its first position becomes column `first`.
    #[allow(clippy::too_many_arguments)]
    pub fn pack_columns(
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
        let step = Window::pieces(read.len() * source.pw, 4 * source.plane());
        for quad in quads.clone().step_by(step) {
            let (windows, shift, mask_shift) = self.four_channels(sample, quad, skip);
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
                shift,
                mask_shift,
            };
            let kernel = kernel!("conv2d/im2col_windows/pack_columns")
                .with("EPILOGUE", source.epilogue as u32)
                .with("UP_H", self.up[0] as u32)
                .with("UP_W", self.up[1] as u32)
                .with("DOWN_H", self.down[0] as u32)
                .with("DOWN_W", self.down[1] as u32);
            let grid = [positions.div_ceil(LANES), step.min(quads.end - quad), 1];
            l.dispatch_windows(kernel, &[b], windows, params, grid.map(|v| v as u32))?;
        }
        Ok(())
    }

    /// `rows` of one sample from the product m, whose rows are `columns` long; its first position is column `first`.
    #[allow(clippy::too_many_arguments)]
    pub fn write(
        &self,
        sample: usize,
        rows: &Range<usize>,
        first: usize,
        m: &Tensor,
        columns: usize,
        codes: &Codes,
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
                first_code: codes.first(sample) as u32,
                bias: shift / 4,
                reserved: [0; 3],
            };
            let shown = (0..4).map(|i| window(m, (quad + i * quads).min(k4 - 1) * columns));
            let windows = std::iter::once(bias.clone()).chain(shown);
            let kernel = kernel!("conv2d/im2col_windows/write_outputs", "pooled")
                .with("EPILOGUE", self.epilogue as u32)
                .with("BIAS", u32::from(self.bias.is_some()));
            let grid = [outputs.div_ceil(LANES) as u32, quads as u32, 1];
            l.dispatch_windows(
                kernel,
                &[self.y, &codes.tensor],
                windows.collect(),
                params,
                grid,
            )?;
        }
        Ok(())
    }
}
