//! Padded planes in [`Texels::Planes`]: x, or dy read through the epilogue, four channels to a texel.

use super::Epilogue;
use super::source::Source;
use crate::error::Result;
use crate::kernel;
use crate::ops::{Lowering, Texels, Window};
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    columns: u32,
    ph: u32,
    pw: u32,
    pitch: u32,
    pixels: u32,
    top: i32,
    left: i32,
    first_pixel: u32,
    count: u32,
    skip: u32,
    channels: u32,
    first_quad: u32,
    quads: u32,
    first: u32,
    all_quads: u32,
    shift: [u32; 4],
    mask_shift: [u32; 4],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct PooledParams {
    rows: u32,
    columns: u32,
    ph: u32,
    pw: u32,
    pitch: u32,
    pixels: u32,
    top: i32,
    left: i32,
    first_row: i32,
    end_row: i32,
    first_cell: i32,
    cells: u32,
    first_column: i32,
    cell_rows: u32,
    skip: u32,
    channels: u32,
    first_quad: u32,
    quads: u32,
    first: u32,
    reserved: u32,
    shift: [u32; 4],
    mask_shift: [u32; 4],
}

/// How planes are padded: pixel (r, s) of a padded plane is pixel `((r − top) / down, (s − left) / down)` of the source, if these are
/// whole and it exists, else zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Padded {
    /// Rows of a padded plane.
    pub rows: usize,
    /// Pixels of a padded row.
    pub pitch: usize,
    /// Rows of padding above the source; negative where its first rows are left out.
    pub top: isize,
    /// Columns of padding at its left.
    pub left: isize,
    /// Padded rows and columns from one source row or column to the next.
    pub down: [usize; 2],
}

impl Padded {
    /// Pixels of a padded plane.
    pub fn pixels(&self) -> usize {
        self.rows * self.pitch
    }

    /// Texels of a sample of `channels` channels.
    pub fn texels(&self, channels: usize) -> usize {
        channels.div_ceil(4) * self.pixels()
    }

    /// Stored rows of the source, whose planes had `height` rows before pooling, that some padded rows show; one at least.
    fn source_rows(&self, rows: &Range<usize>, source: &Source, height: usize) -> Range<usize> {
        let down = self.down[0] as isize;
        let stored = |row: usize| {
            let row = (row as isize - self.top).div_euclid(down);
            let row = row.clamp(0, height as isize - 1) as usize / source.epilogue.rows();
            // An odd last row is not stored.
            row.min(source.ph - 1)
        };
        stored(rows.start)..stored(rows.end - 1) + 1
    }

    /// The padded rows in bands, each of which shows what fits a window of the source.
    fn bands(&self, source: &Source, height: usize) -> Vec<Range<usize>> {
        let mut bands = Vec::new();
        let mut start = 0;
        for row in 0..self.rows {
            let read = self.source_rows(&(start..row + 1), source, height);
            if read.len() * source.pw > Window::ELEMENTS && row > start {
                bands.push(start..row);
                start = row;
            }
        }
        bands.push(start..self.rows);
        bands
    }
}

/// Put the planes of one sample into the texels from `first` on. `extent`: rows and columns of the source before pooling.
pub(super) fn pack(
    source: &Source,
    extent: [usize; 2],
    padded: &Padded,
    sample: usize,
    first: usize,
    l: &mut Lowering,
) -> Result<()> {
    l.need_texels(Texels::Planes, first + padded.texels(source.channels));
    let all = source.channels.div_ceil(4);
    for band in padded.bands(source, extent[0]) {
        let read = padded.source_rows(&band, source, extent[0]);
        let skip = read.start * source.pw;
        // Window i shows channels i, i + 4, i + 8, … of this dispatch.
        let shown = Window::pieces(read.len() * source.pw, 4 * source.plane()).min(all);
        let start = |channel: usize| {
            (sample * source.channels + channel.min(source.channels - 1)) * source.plane() + skip
        };
        // Where nothing masks, the windows for masks show more channels.
        let sets = match source.epilogue {
            Epilogue::None => 2,
            _ => 1,
        };
        for quad in (0..all).step_by(sets * shown) {
            let planes = [0, 1, 2, 3].map(|i| source.window_at(start(4 * quad + i)));
            let masks = [0, 1, 2, 3].map(|i| match source.epilogue {
                Epilogue::None => source.window_at(start(4 * (quad + shown) + i)),
                _ => source.mask_window_at(start(4 * quad + i)),
            });
            let count = band.len() * padded.pitch;
            let params = Params {
                rows: extent[0] as u32,
                columns: extent[1] as u32,
                ph: source.ph as u32,
                pw: source.pw as u32,
                pitch: padded.pitch as u32,
                pixels: padded.pixels() as u32,
                top: padded.top as i32,
                left: padded.left as i32,
                first_pixel: (band.start * padded.pitch) as u32,
                count: count as u32,
                skip: skip as u32,
                channels: source.channels as u32,
                first_quad: quad as u32,
                quads: shown as u32,
                first: first as u32,
                all_quads: all as u32,
                shift: planes.each_ref().map(|w| w.1),
                mask_shift: masks.each_ref().map(|w| w.1),
            };
            let windows = planes.into_iter().chain(masks).map(|w| w.0).collect();
            let here = shown.min(all - quad) as u32;
            if source.epilogue == Epilogue::ReluMaxPool2 && padded.down == [1, 1] {
                let cell = |padding: isize, pixel: usize| (pixel as isize - padding).div_euclid(2);
                let (top, left) = (padded.top, padded.left);
                let first_column = cell(left, 0);
                let cells = cell(left, padded.pitch - 1) - first_column + 1;
                let cell_rows = cell(top, band.end - 1) - cell(top, band.start) + 1;
                let params = PooledParams {
                    rows: params.rows,
                    columns: params.columns,
                    ph: params.ph,
                    pw: params.pw,
                    pitch: params.pitch,
                    pixels: params.pixels,
                    top: params.top,
                    left: params.left,
                    first_row: band.start as i32,
                    end_row: band.end as i32,
                    first_cell: cell(top, band.start) as i32,
                    cells: cells as u32,
                    first_column: first_column as i32,
                    cell_rows: cell_rows as u32,
                    skip: params.skip,
                    channels: params.channels,
                    first_quad: params.first_quad,
                    quads: params.quads,
                    first: params.first,
                    reserved: 0,
                    shift: params.shift,
                    mask_shift: params.mask_shift,
                };
                let kernel = kernel!("conv2d/planes_pooled_windows");
                let grid = [((cells * cell_rows) as u32).div_ceil(64), here, 1];
                l.dispatch_windows(kernel, &[], windows, params, grid)?;
                continue;
            }
            let kernel = kernel!("conv2d/planes_windows")
                .with("EPILOGUE", source.epilogue as u32)
                .with("DOWN_H", padded.down[0] as u32)
                .with("DOWN_W", padded.down[1] as u32);
            let grid = [(count as u32).div_ceil(64), here, 1];
            l.dispatch_windows(kernel, &[], windows, params, grid)?;
        }
    }
    Ok(())
}
