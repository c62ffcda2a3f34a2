//! Convolution on matrix units, by the product that dense layers have: the windows are laid out as columns in half precision, some samples at
//! a time, and what the units leave is brought into planes. wgpu loads their fragments from memory only, so nothing is implicit here.

use super::direct::{through_epilogue, turn};
use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::argmax::Quads;
use crate::ops::conv2d::batch_cuts::equal_chunks;
use crate::ops::conv2d::correlation::Correlation;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::image::Image;
use crate::ops::conv2d::weight_gradient::{partials, sum};
use crate::ops::{Capabilities, HALF_ROUNDING, Io, Lowering, Rung, grid_1d};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

/// Forward.
pub const FORWARD: Rung<Geometry> = Rung::gpu("cooperative", supports, |g, io, l| {
    correlate(&Correlation::forward(g, io), l)
})
.rounding(HALF_ROUNDING);
/// The gradient of x. That of a strided convolution multiplies zeros between the rows of dy: phases would need a product each.
pub const BACKWARD_INPUT: Rung<Geometry> = Rung::gpu("cooperative", supports, |g, io, l| {
    correlate(&Correlation::backward_input(g, io), l)
})
.rounding(HALF_ROUNDING);
/// The gradient of w.
pub const BACKWARD_WEIGHT: Rung<Geometry> =
    Rung::gpu("cooperative", supports, backward_weight).rounding(HALF_ROUNDING);

/// Rows of a factor are padded to whole tiles of this, and the contraction to whole fragments.
const TILE: usize = 64;
const FRAGMENT: usize = 16;
/// Workgroups of a grid in one dimension, as whole fragments.
const MOST: usize = 65_520;

fn supports(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    c.matrix_units()?;
    let steps = g.c.max(g.k) * g.kh * g.kw;
    let positions = (g.oh * g.ow).max(g.h * g.w);
    if steps > MOST || positions > MOST {
        return Err("more steps or positions than a grid has workgroups".to_owned());
    }
    Ok(())
}

/// `Params` of `cooperative/pack_columns`: what is laid out of a source's samples `first` to `first + n`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Columns {
    first: u32,
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    rows: u32,
    columns: u32,
    kh: u32,
    kw: u32,
    up: [u32; 2],
    down: [u32; 2],
    before: [i32; 2],
    quads: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PackParams {
    rows: u32,
    k: u32,
    row: u32,
    step: u32,
    quads: u32,
    reserved: [u32; 3],
}

/// A factor in f16: `[steps of the contraction][row]`, and room for it.
struct Factor {
    tensor: Tensor,
    row: usize,
}

impl Factor {
    fn room(steps: usize, rows: usize, name: &str, l: &mut Lowering) -> Self {
        let row = rows.next_multiple_of(TILE);
        // Two f16 in a word.
        let words = steps.next_multiple_of(FRAGMENT) * row / 2;
        Self {
            tensor: l.workspace(name, Spec::u32([words])),
            row,
        }
    }

    /// A weight `[rows, steps]`, whatever its windows.
    fn of_weight(w: &Tensor, rows: usize, l: &mut Lowering) -> Result<Self> {
        let steps = w.numel() / rows;
        let factor = Self::room(steps, rows, "weight, f16", l);
        let params = PackParams {
            rows: rows as u32,
            k: steps as u32,
            row: steps as u32,
            step: 1,
            quads: (factor.row / 4) as u32,
            reserved: [0; 3],
        };
        let depth = steps.next_multiple_of(FRAGMENT);
        let grid = [factor.row / 32, depth / 8, 1].map(|v| v as u32);
        // w stands in for the mask, which is not read.
        let tensors = [w, w, &factor.tensor];
        l.dispatch(kernel!("dense/half/pack"), &tensors, params, grid)?;
        Ok(factor)
    }

    /// Lay windows out, in rows of `row` of which `rows` are written.
    fn lay_out(
        &self,
        source: &Tensor,
        columns: Columns,
        along_steps: bool,
        rows: usize,
        row: usize,
        l: &mut Lowering,
    ) -> Result<()> {
        let params = Columns {
            quads: (row / 4) as u32,
            ..columns
        };
        let kernel = kernel!("conv2d/cooperative/pack_columns", "to_half")
            .with("ALONG_STEPS", u32::from(along_steps));
        let rows = rows.next_multiple_of(FRAGMENT);
        let grid = [row.div_ceil(256) as u32, rows as u32, 1];
        l.dispatch(kernel, &[source, &self.tensor], params, grid)
    }
}

/// `c[m, n] = Σ a[step, m] · b[step, n]`, rows `b.row` long, of which `row` are used.
fn multiply(
    a: &Factor,
    b: &Factor,
    row: usize,
    steps: usize,
    c: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let steps = steps.next_multiple_of(FRAGMENT);
    let params = [steps, a.row, row, 0].map(|v| v as u32);
    let grid = [row / TILE, a.row / TILE, 1].map(|v| v as u32);
    let tensors = [&a.tensor, &b.tensor, c];
    l.dispatch(kernel!("dense/cooperative/product"), &tensors, params, grid)
}

/// The outputs of a correlation, some samples at a time.
fn correlate(c: &Correlation, l: &mut Lowering) -> Result<()> {
    let steps = c.source.channels * c.taps[0] * c.taps[1];
    let positions = c.positions[0] * c.positions[1];
    let weight = if c.turned {
        turn(c, l)?
    } else {
        c.weight.clone()
    };
    let a = Factor::of_weight(&weight, c.channels, l)?;
    let per_sample = positions * (steps * 2 + a.row * 4);
    let chunks = equal_chunks(c.n, per_sample, l.workspace_cap());
    let most = chunks[0].len();
    let widest = (most * positions).next_multiple_of(TILE);
    let b = Factor::room(steps, widest, "columns, f16", l);
    let product = l.workspace("product, padded", Spec::f32([a.row, widest]));
    let codes = c.argmax.map(|argmax| Quads::of(argmax, l));
    let masked = c.source.epilogue != Epilogue::None;
    let planes = masked.then(|| {
        let sample = c.source.channels * c.extent[0] * c.extent[1];
        l.workspace("gradient before the epilogue", Spec::f32([most * sample]))
    });
    for samples in chunks {
        let row = (samples.len() * positions).next_multiple_of(TILE);
        let (source, start) = match &planes {
            None => (c.source.planes, samples.start),
            Some(planes) => {
                through_epilogue(&c.source, c.extent, &samples, planes, l)?;
                (planes, 0)
            }
        };
        let columns = Columns {
            first: start as u32,
            n: samples.len() as u32,
            c: c.source.channels as u32,
            h: c.extent[0] as u32,
            w: c.extent[1] as u32,
            rows: c.positions[0] as u32,
            columns: c.positions[1] as u32,
            kh: c.taps[0] as u32,
            kw: c.taps[1] as u32,
            up: c.up.map(|v| v as u32),
            down: c.down.map(|v| v as u32),
            before: c.before.map(|v| v as i32),
            quads: 0,
        };
        b.lay_out(source, columns, false, steps, row, l)?;
        multiply(&a, &b, row, steps, &product, l)?;
        match &codes {
            None => finish(c, &product, row, samples, l)?,
            Some(codes) => finish_pooled(c, codes, &product, row, samples, l)?,
        }
    }
    codes.map_or(Ok(()), |codes| codes.order(l))
}

/// Bring a product into the planes of some samples.
fn finish(
    c: &Correlation,
    product: &Tensor,
    pitch: usize,
    samples: Range<usize>,
    l: &mut Lowering,
) -> Result<()> {
    let [rows, columns] = c.positions;
    // Where there is no bias, w stands in for the binding.
    let b = c.bias.unwrap_or(c.weight);
    let (first, n) = (samples.start, samples.len());
    let relu = c.bias.is_some() && c.epilogue == Epilogue::Relu;
    let kernel = kernel!("conv2d/cooperative/finish")
        .with("RELU", u32::from(relu))
        .with("BIAS", u32::from(c.bias.is_some()));
    let positions = rows * columns;
    let params = [first, n, c.channels, positions, pitch, 0, 0, 0].map(|v| v as u32);
    let grid = grid_1d(n * c.channels * positions, 64);
    l.dispatch(kernel, &[product, b, c.y], params, grid)
}

/// The same through ReLU and pooling, with the codes of argmax. (Only forward pools, and it has a bias.)
fn finish_pooled(
    c: &Correlation,
    codes: &Quads,
    product: &Tensor,
    pitch: usize,
    samples: Range<usize>,
    l: &mut Lowering,
) -> Result<()> {
    let [rows, columns] = c.positions;
    let [down, across] = [c.y.dims()[2], c.y.dims()[3]];
    let (first, n) = (samples.start, samples.len());
    let (k, positions) = (c.channels, rows * columns);
    let params = [
        first, n, k, positions, pitch, columns, down, across, c.n, 0, 0, 0,
    ]
    .map(|v| v as u32);
    let grid = grid_1d(k.div_ceil(4) * n * down * across, 64);
    let kernel = kernel!("conv2d/cooperative/finish_pooled", "pooled");
    let tensors = [product, c.bias.unwrap_or(c.weight), c.y, &codes.tensor];
    l.dispatch(kernel, &tensors, params, grid)
}

/// The gradient of w: a partial sum for each chunk of samples.
fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dw = io.wanted(1);
    let dy = Image::dy(g, io);
    let [size, positions] = [g.c * g.kh * g.kw, g.oh * g.ow];
    let [down, across] = [g.k, size].map(|v| v.next_multiple_of(TILE));
    // Positions are rows of both factors, and a grid has so many.
    let cap = l
        .workspace_cap()
        .min((MOST / positions * positions * (down + across) * 2) as u64);
    let chunks = equal_chunks(g.n, positions * (down + across) * 2, cap);
    let most = chunks[0].len();
    let a = Factor::room(most * positions, g.k, "gradient, f16", l);
    let b = Factor::room(most * positions, size, "columns, f16", l);
    let product = l.workspace("product, padded", Spec::f32([down, across]));
    let masked = g.epilogue != Epilogue::None;
    let planes = masked.then(|| {
        let name = "gradient before the epilogue";
        l.workspace(name, Spec::f32([most * g.k * positions]))
    });
    let partials = partials(chunks.len(), dw, l);
    for (index, samples) in chunks.iter().enumerate() {
        let (gradient, first) = match &planes {
            None => (dy.planes, samples.start),
            Some(planes) => {
                through_epilogue(&dy, [g.oh, g.ow], samples, planes, l)?;
                (planes, 0)
            }
        };
        let steps = samples.len() * positions;
        let of_x = Columns {
            first: samples.start as u32,
            n: samples.len() as u32,
            c: g.c as u32,
            h: g.h as u32,
            w: g.w as u32,
            rows: g.oh as u32,
            columns: g.ow as u32,
            kh: g.kh as u32,
            kw: g.kw as u32,
            up: [g.stride_h as u32, g.stride_w as u32],
            down: [1; 2],
            before: [g.pad_top as i32, g.pad_left as i32],
            quads: 0,
        };
        // g as it stands: windows of one tap.
        let of_g = Columns {
            first: first as u32,
            c: g.k as u32,
            h: g.oh as u32,
            w: g.ow as u32,
            kh: 1,
            kw: 1,
            up: [1; 2],
            before: [0; 2],
            ..of_x
        };
        a.lay_out(gradient, of_g, true, steps, a.row, l)?;
        b.lay_out(io.x(0), of_x, true, steps, b.row, l)?;
        multiply(&a, &b, b.row, steps, &product, l)?;
        let params = [index, 1, g.k, size, b.row, 0, 0, 0].map(|v| v as u32);
        // There is no bias; w's gradient has none.
        let tensors = [&product, dy.planes, &partials];
        let grid = grid_1d(g.k * size, 64);
        l.dispatch(kernel!("conv2d/cooperative/finish"), &tensors, params, grid)?;
    }
    sum(chunks.len(), &partials, dw, l)
}
