//! Forward and the gradient of x.

use super::RANGE;
use crate::error::Result;
use crate::ops::Lowering;
use crate::ops::conv2d::argmax::Codes;
use crate::ops::conv2d::batch_cuts::chunks;
use crate::ops::conv2d::correlation::Correlation;
use crate::ops::products::windows::{PanelFactor, PanelTarget, Panels, WINDOW, multiply_panels};
use crate::tensor::Spec;

impl Correlation<'_> {
    pub fn by_columns(&self, l: &mut Lowering) -> Result<()> {
        let n = self.n;
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
        let pool = self.epilogue.rows();
        // Samples after which the codes of argmax fill whole words: then any chunk of samples can pack its own.
        let words = self.samples_per_word();
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
        let codes = Codes::of_chunks(self.argmax, n, words, &all, l);

        for chunk in &all {
            let band = chunk.rows.len() * width;
            for index in 0..ranges {
                let part = index * range..quads.min((index + 1) * range);
                for (sample, first) in chunk.placed(band) {
                    self.pack_columns(sample, &chunk.rows, part.clone(), first, &columns, &b, l)?;
                }
                let mut factor_a = PanelFactor::all(&a, &rows);
                factor_a.first = index * rows.size();
                let columns_here = chunk.samples.len() * band;
                let placed =
                    PanelTarget::new(&m, k4, columns_here, columns.padded()).added(index > 0);
                let factor_b = PanelFactor::all(&b, &columns);
                multiply_panels(part.len() * taps, &factor_a, &factor_b, &placed, l)?;
            }
            for (sample, first) in chunk.placed(band) {
                self.write(sample, &chunk.rows, first, &m, columns.padded(), &codes, l)?;
            }
            if chunk.rows.end == height {
                codes.pack_until(chunk.samples.end, l)?;
            }
        }
        Ok(())
    }
}
