//! Implicit GEMM: the product of im2col without its columns. The source is packed once, with its padding, into texels, and the
//! product reads every tap where it is (Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", 2014).

use super::padded::{self, Padded};
use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::argmax::Codes;
use crate::ops::conv2d::batch_cuts::{Chunk, chunks};
use crate::ops::conv2d::correlation::{Correlation, Directions, directions};
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::products::texels::{self, BLOCK};
use crate::ops::{Capabilities, Lowering, Texels, nested};
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
    k4: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct ProductParams {
    k4: u32,
    filters: u32,
    kw: u32,
    kh: u32,
    pitch: u32,
    pixels: u32,
    sample_stride: u32,
    reserved0: u32,
    outputs: u32,
    width: u32,
    plane: u32,
    first_output: u32,
    sample: u32,
    first_code: u32,
    reserved: [u32; 2],
}

/// Sizes of what lies in the textures.
#[derive(Debug, Clone, Copy)]
struct Shape {
    taps: [usize; 2],
    up: [usize; 2],
    /// Positions of a row.
    width: usize,
    /// Channel quads of the source.
    quads: usize,
    /// Channels of the result.
    channels: usize,
}

impl Shape {
    fn of(c: &Correlation) -> Self {
        Self {
            taps: c.taps,
            up: c.up,
            width: c.positions[1],
            quads: c.source.channels.div_ceil(4),
            channels: c.channels,
        }
    }

    /// Forward, and for the gradient of x.
    fn both(g: &Geometry) -> [Self; 2] {
        let shape = |up, width, channels: usize, filters| Self {
            taps: [g.kh, g.kw],
            up,
            width,
            quads: channels.div_ceil(4),
            channels: filters,
        };
        [
            shape([g.stride_h, g.stride_w], g.ow, g.c, g.k),
            shape([1, 1], g.w, g.k, g.c),
        ]
    }

    /// Texels along the contraction.
    fn k4(&self) -> usize {
        self.quads * self.taps[0] * self.taps[1]
    }

    /// Texels of the weight.
    fn weight(&self) -> usize {
        self.channels.next_multiple_of(BLOCK) * self.k4()
    }

    /// Pixels of a padded row: what the taps of a row's positions read.
    fn pitch(&self) -> usize {
        (self.width - 1) * self.up[1] + self.taps[1]
    }

    /// Padded rows that `rows` rows of positions read.
    fn rows(&self, rows: usize) -> usize {
        (rows - 1) * self.up[0] + self.taps[0]
    }

    /// Texels of what `rows` rows of positions of a sample read.
    fn source(&self, rows: usize) -> usize {
        self.quads * self.rows(rows) * self.pitch()
    }
}

/// Forward, and the gradient of x.
pub const CORRELATION: Directions = directions!(
    "implicit_texels",
    cpu_driver,
    supports,
    Correlation::in_place
)
.iterations(
    |g| nested([Shape::both(g)[0].k4()]) + nested([4]),
    |g| nested([Shape::both(g)[1].k4()]) + nested([4]),
);

/// Whether the rung can run a problem here, forward and for the gradient of x.
fn supports(g: &Geometry, c: &Capabilities) -> std::result::Result<(), String> {
    texels::supports(0, c)?;
    super::im2col::fits_windows(g)?;
    // The least that is packed at a time: two rows of positions where pooling follows.
    let shapes = Shape::both(g);
    if shapes.iter().any(|s| s.k4() > 2 * 65_535) {
        return Err("the sum for an output is too long for a grid".into());
    }
    let texels = shapes.map(|s| s.weight().max(s.source(2)));
    texels::supports(texels.into_iter().max().unwrap_or(0), c)
}

impl Correlation<'_> {
    fn in_place(&self, l: &mut Lowering) -> Result<()> {
        let (shape, n) = (&Shape::of(self), self.n);
        let height = self.positions[0];
        let words = self.samples_per_word();
        let group = if words == 1 { n } else { words };
        let cap = (l.workspace_cap() as usize).min(padded::CACHE) / Texels::BYTES as usize;
        let all = chunks(n, height, self.epilogue.rows(), group, |samples, rows| {
            samples * shape.source(rows) <= cap
        });
        let codes = Codes::of_chunks(self.argmax, n, words, &all, l);
        self.texel_weight(shape, l)?;
        for chunk in &all {
            let padded = self.padded(shape, &chunk.rows);
            let samples = chunk.samples.clone();
            padded::pack(&self.source, self.extent, &padded, samples, 0, l)?;
            self.multiply(shape, chunk, &codes, l)?;
            if chunk.rows.end == height {
                codes.pack_until(chunk.samples.end, l)?;
            }
        }
        Ok(())
    }

    /// The weight, into the factors.
    fn texel_weight(&self, shape: &Shape, l: &mut Lowering) -> Result<()> {
        l.need_texels(Texels::Factors, shape.weight());
        let taps = self.taps[0] * self.taps[1];
        let contracted = self.source.channels;
        let [row_stride, contracted_stride] = self.weight_strides();
        let params = WeightParams {
            rows: self.channels as u32,
            contracted: contracted as u32,
            row_stride: row_stride as u32,
            contracted_stride: contracted_stride as u32,
            taps: taps as u32,
            turned: u32::from(self.turned),
            k4: shape.k4() as u32,
            reserved: 0,
        };
        let grid = [shape.k4().div_ceil(2), self.channels.div_ceil(BLOCK), 1];
        let kernel = kernel!("conv2d/implicit_texels/pack_weight");
        l.dispatch(kernel, &[self.weight], params, grid.map(|v| v as u32))
    }

    /// What `rows` of positions read, in row order.
    fn padded(&self, shape: &Shape, rows: &Range<usize>) -> Padded {
        Padded {
            rows: shape.rows(rows.len()),
            pitch: shape.pitch(),
            top: self.before[0] - (rows.start * self.up[0]) as isize,
            left: self.before[1],
            down: self.down,
        }
    }

    /// The outputs of a chunk, whose source is in the planes.
    fn multiply(
        &self,
        shape: &Shape,
        chunk: &Chunk,
        codes: &Codes,
        l: &mut Lowering,
    ) -> Result<()> {
        let rows = chunk.rows.len();
        let [ph, pw] = [self.y.dims()[2], self.y.dims()[3]];
        let pool = self.epilogue.rows();
        let outputs = rows / pool * pw;
        let pixels = shape.rows(rows) * shape.pitch();
        let params = ProductParams {
            k4: shape.k4() as u32,
            filters: self.channels as u32,
            kw: self.taps[1] as u32,
            kh: self.taps[0] as u32,
            pitch: shape.pitch() as u32,
            pixels: pixels as u32,
            sample_stride: (shape.quads * pixels) as u32,
            reserved0: 0,
            outputs: outputs as u32,
            width: pw as u32,
            plane: (ph * pw) as u32,
            first_output: (chunk.rows.start / pool * pw) as u32,
            sample: chunk.samples.start as u32,
            first_code: codes.start(chunk.samples.start) as u32,
            reserved: [0; 2],
        };
        let per_group = match self.epilogue {
            Epilogue::ReluMaxPool2 => BLOCK / 4,
            _ => BLOCK,
        };
        let kernel = kernel!("conv2d/implicit_texels/product", "shuffled_rows", "pooled")
            .with("UP_H", self.up[0] as u32)
            .with("UP_W", self.up[1] as u32)
            .with("EPILOGUE", self.epilogue as u32)
            .with("BIAS", u32::from(self.bias.is_some()));
        let tensors = [self.y, &codes.tensor, self.bias.unwrap_or(self.weight)];
        let blocks = self.channels.div_ceil(BLOCK);
        let grid = [blocks, outputs.div_ceil(per_group), chunk.samples.len()];
        l.dispatch(kernel, &tensors, params, grid.map(|v| v as u32))
    }
}
