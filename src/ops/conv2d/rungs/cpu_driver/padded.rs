//! Padded planes in [`Texels::Planes`]: x, or dy read through the epilogue, four channels to a texel.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::batch_cuts::longest_bands;
use crate::ops::conv2d::image::Image;
use crate::ops::{Lowering, Texels, Window};
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

/// Bytes of padded planes between two kernels, where a sample takes less: what the caches hold.
pub const CACHE: usize = 4 << 20;

/// Invocations of a workgroup of these kernels.
const WORKGROUP: usize = 64;

/// What both kernels want to know.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Common {
    rows: u32,
    columns: u32,
    ph: u32,
    pw: u32,
    pitch: u32,
    pixels: u32,
    top: i32,
    left: i32,
    skip: u32,
    channels: u32,
    first: u32,
    all_quads: u32,
    first_quad: u32,
    quads: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    common: Common,
    first_pixel: u32,
    count: u32,
    shift: [u32; 4],
    mask_shift: [u32; 4],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct PooledParams {
    common: Common,
    first_row: i32,
    end_row: i32,
    first_cell: i32,
    cells: u32,
    first_column: i32,
    cell_rows: u32,
    shift: [u32; 4],
    more_shift: [u32; 4],
    mask_shift: u32,
    reserved: [u32; 3],
}

/// How planes are padded: pixel (r, s) of a padded plane is pixel `((r − top) / down, (s − left) / down)` of the source, if these are
/// whole and it exists, else zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Padded {
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
    fn source_rows(&self, rows: &Range<usize>, source: &Image, height: usize) -> Range<usize> {
        let down = self.down[0] as isize;
        let row = |padded: usize| (padded as isize - self.top).div_euclid(down);
        source.stored_rows(row(rows.start), row(rows.end - 1), height)
    }

    /// The padded rows in bands, each of which shows what fits a window of the source.
    fn bands(&self, source: &Image, height: usize) -> Vec<Range<usize>> {
        longest_bands(self.rows, |rows| {
            self.source_rows(rows, source, height).len() * source.pw <= Window::ELEMENTS
        })
    }
}

/// Put the planes of some samples into the texels from `first` on. `extent`: rows and columns of the source before pooling.
pub fn pack(
    source: &Image,
    extent: [usize; 2],
    padded: &Padded,
    samples: Range<usize>,
    first: usize,
    l: &mut Lowering,
) -> Result<()> {
    let texels = padded.texels(source.channels);
    l.need_texels(Texels::Planes, first + samples.len() * texels);
    // Planes of samples follow each other, and so do their texels where no quad has planes of two samples: then they are as many channels
    // of one, and small ones share a launch.
    let together = match source.channels % 4 {
        0 => samples.len(),
        _ => 1,
    };
    let source = &Image {
        channels: source.channels * together,
        ..*source
    };
    for (i, sample) in samples.step_by(together).enumerate() {
        let first_plane = sample * source.channels / together;
        pack_planes(source, extent, padded, first_plane, first + i * texels, l)?;
    }
    Ok(())
}

/// The same for all channels of `source`, from plane `first_plane` on.
fn pack_planes(
    source: &Image,
    extent: [usize; 2],
    padded: &Padded,
    first_plane: usize,
    first: usize,
    l: &mut Lowering,
) -> Result<()> {
    for rows in padded.bands(source, extent[0]) {
        let read = padded.source_rows(&rows, source, extent[0]);
        let band = Band {
            source,
            extent,
            padded,
            first,
            first_plane,
            rows,
            skip: read.start * source.pw,
            len: read.len() * source.pw,
        };
        match band.pooled_quads() {
            Some(shown) => band.pack_pooled(shown, l)?,
            None => band.pack(l)?,
        }
    }
    Ok(())
}

/// Some padded rows of all channels.
struct Band<'a> {
    source: &'a Image<'a>,
    extent: [usize; 2],
    padded: &'a Padded,
    /// Texel of channel 0.
    first: usize,
    /// Plane of channel 0.
    first_plane: usize,
    /// The padded rows.
    rows: Range<usize>,
    /// Elements of a plane in front of those that the rows show, and how many they show.
    skip: usize,
    len: usize,
}

impl Band<'_> {
    fn quads(&self) -> usize {
        self.source.channels.div_ceil(4)
    }

    /// Channel quads that four windows show, the first of which starts with the first channel.
    fn shown(&self) -> usize {
        Window::pieces(self.len, 4 * self.source.plane()).min(self.quads())
    }

    /// The element where a channel starts, or the last channel if there is none.
    fn start(&self, channel: usize) -> usize {
        let channel = channel.min(self.source.channels - 1);
        (self.first_plane + channel) * self.source.plane() + self.skip
    }

    /// Windows on the four channels of a quad: window i shows channels i, i + 4, i + 8, … from there on.
    fn windows(&self, quad: usize) -> [(Window, u32); 4] {
        [0, 1, 2, 3].map(|i| self.source.window_at(self.start(4 * quad + i)))
    }

    fn common(&self, first_quad: usize, shown: usize) -> Common {
        let (source, padded) = (self.source, self.padded);
        Common {
            rows: self.extent[0] as u32,
            columns: self.extent[1] as u32,
            ph: source.ph as u32,
            pw: source.pw as u32,
            pitch: padded.pitch as u32,
            pixels: padded.pixels() as u32,
            top: padded.top as i32,
            left: padded.left as i32,
            skip: self.skip as u32,
            channels: source.channels as u32,
            first: self.first as u32,
            all_quads: self.quads() as u32,
            first_quad: first_quad as u32,
            quads: shown as u32,
        }
    }

    fn pack(&self, l: &mut Lowering) -> Result<()> {
        let (source, shown) = (self.source, self.shown());
        // Where nothing masks, the windows for masks show more channels.
        let plain = source.epilogue == Epilogue::None;
        let sets = if plain { 2 } else { 1 };
        for quad in (0..self.quads()).step_by(sets * shown) {
            let planes = self.windows(quad);
            let masks = match plain {
                true => self.windows(quad + shown),
                false => [0, 1, 2, 3].map(|i| source.mask_window_at(self.start(4 * quad + i))),
            };
            let count = self.rows.len() * self.padded.pitch;
            let params = Params {
                common: self.common(quad, shown),
                first_pixel: (self.rows.start * self.padded.pitch) as u32,
                count: count as u32,
                shift: planes.each_ref().map(|w| w.1),
                mask_shift: masks.each_ref().map(|w| w.1),
            };
            let kernel = kernel!("conv2d/texels/pad")
                .with("EPILOGUE", source.epilogue as u32)
                .with("DOWN_H", self.padded.down[0] as u32)
                .with("DOWN_W", self.padded.down[1] as u32);
            let windows = planes.into_iter().chain(masks).map(|w| w.0).collect();
            let grid = [count.div_ceil(WORKGROUP), shown.min(self.quads() - quad), 1];
            l.dispatch_windows(kernel, &[], windows, params, grid.map(|v| v as u32))?;
        }
        Ok(())
    }

    /// Quads of a set of windows for the kernel that takes an element of a pooled dy at a time, whose two sets share a window on
    /// argmax; none where it can't run.
    fn pooled_quads(&self) -> Option<usize> {
        let pooled = self.source.epilogue == Epilogue::ReluMaxPool2;
        if !pooled || self.padded.down != [1, 1] {
            return None;
        }
        // Argmax has a byte for each element, and starts within a word.
        let bytes = 4 * (Window::ELEMENTS - 1);
        let channels = bytes.checked_sub(self.len)? / self.source.plane() + 1;
        let shown = self.shown().min(channels / 8);
        (shown > 0).then_some(shown)
    }

    fn pack_pooled(&self, shown: usize, l: &mut Lowering) -> Result<()> {
        let Padded { top, left, .. } = *self.padded;
        let cell = |padding: isize, pixel: usize| (pixel as isize - padding).div_euclid(2);
        let (first_cell, first_column) = (cell(top, self.rows.start), cell(left, 0));
        let cell_rows = (cell(top, self.rows.end - 1) - first_cell + 1) as usize;
        let cells = (cell(left, self.padded.pitch - 1) - first_column + 1) as usize;
        for quad in (0..self.quads()).step_by(2 * shown) {
            let (planes, more) = (self.windows(quad), self.windows(quad + shown));
            let (mask, mask_shift) = self.source.mask_window_at(self.start(4 * quad));
            let params = PooledParams {
                common: self.common(quad, shown),
                first_row: self.rows.start as i32,
                end_row: self.rows.end as i32,
                first_cell: first_cell as i32,
                cells: cells as u32,
                first_column: first_column as i32,
                cell_rows: cell_rows as u32,
                shift: planes.each_ref().map(|w| w.1),
                more_shift: more.each_ref().map(|w| w.1),
                mask_shift,
                reserved: [0; 3],
            };
            let windows = planes.into_iter().chain(more).map(|w| w.0);
            let windows = windows.chain([mask]).collect();
            let grid = [
                (cells * cell_rows).div_ceil(WORKGROUP),
                shown.min(self.quads() - quad),
                1,
            ];
            let kernel = kernel!("conv2d/texels/pad_pooled");
            l.dispatch_windows(kernel, &[], windows, params, grid.map(|v| v as u32))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Spec, Tensor, TensorId};

    #[test]
    fn bands_follow_each_other_and_fit_a_window() {
        let tensor = Tensor {
            id: TensorId(0),
            spec: Spec::f32([1]),
        };
        for (height, width, epilogue, down, top) in [
            (301, 261, Epilogue::ReluMaxPool2, [1, 1], 1),
            (300, 1000, Epilogue::Relu, [1, 1], 0),
            (41, 16_000, Epilogue::None, [2, 2], -7),
            (9, 7, Epilogue::None, [3, 1], 4),
        ] {
            let half = epilogue.rows();
            let source = Image {
                planes: &tensor,
                mask: &tensor,
                epilogue,
                channels: 1,
                ph: height / half,
                pw: width / half,
            };
            let padded = Padded {
                rows: height * down[0] + 3,
                pitch: width * down[1] + 2,
                top,
                left: 1,
                down,
            };
            let bands = padded.bands(&source, height);
            let mut next = 0;
            for band in &bands {
                assert!(band.start == next && band.end > next, "{bands:?}");
                next = band.end;
                let read = padded.source_rows(band, &source, height);
                assert!(
                    read.len() * source.pw <= Window::ELEMENTS,
                    "{band:?} {read:?}"
                );
                // What a row of the band shows is among them.
                for row in band.clone() {
                    let shown = (row as isize - top).div_euclid(down[0] as isize);
                    if (0..(height / half * half) as isize).contains(&shown) {
                        assert!(read.contains(&(shown as usize / half)), "{band:?} {row}");
                    }
                }
            }
            assert_eq!(next, padded.rows);
        }
    }
}
