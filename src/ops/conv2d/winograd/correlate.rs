//! Forward and the gradient of x: both correlate planes with 3x3 filters.

use super::{CACHE, Epilogue, LEAST_TILES, Tiles, Variant, chunk_size, transform_tiles};
use crate::error::Result;
use crate::ops::conv2d::codes;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::planes;
use crate::ops::conv2d::source::Source;
use crate::ops::product::{LANES, WINDOW, window};
use crate::ops::texel_product::{self, BLOCK, Factor, Placed};
use crate::ops::{Io, Lowering, Texels};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct WeightParams {
    rows: u32,
    contracted: u32,
    row_stride: u32,
    contracted_stride: u32,
    turned: u32,
    quads: u32,
    position_stride: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct OutputParams {
    oh: u32,
    ow: u32,
    ph: u32,
    pw: u32,
    tiles_x: u32,
    tiles: u32,
    samples: u32,
    first_sample: u32,
    columns: u32,
    filters: u32,
    first_quad: u32,
    first_column: u32,
}

/// y (and argmax) from x, w, b.
pub(super) fn forward(
    variant: &'static Variant,
    g: &Geometry,
    io: &Io,
    l: &mut Lowering,
) -> Result<()> {
    let pooled = g.epilogue == Epilogue::ReluMaxPool2;
    let target = Target {
        weight: io.x(1),
        bias: Some(io.x(2)),
        y: io.y(0),
        argmax: pooled.then(|| io.y(1)),
        epilogue: g.epilogue,
        channels: g.k,
        turned: false,
    };
    correlate(variant, g, &Source::x(g, io), &target, l)
}

/// dx: the same correlation over dy, with every filter turned by 180° and the roles of k and c exchanged.
pub(super) fn backward_input(
    variant: &'static Variant,
    g: &Geometry,
    io: &Io,
    l: &mut Lowering,
) -> Result<()> {
    let target = Target {
        weight: io.x(1),
        bias: None,
        y: io.wanted(0),
        argmax: None,
        epilogue: Epilogue::None,
        channels: g.c,
        turned: true,
    };
    correlate(variant, g, &Source::dy(g, io), &target, l)
}

/// What a correlation writes, and with which weight.
struct Target<'a> {
    weight: &'a Tensor,
    bias: Option<&'a Tensor>,
    y: &'a Tensor,
    argmax: Option<&'a Tensor>,
    epilogue: Epilogue,
    channels: usize,
    turned: bool,
}

fn correlate(
    variant: &'static Variant,
    g: &Geometry,
    source: &Source,
    target: &Target,
    l: &mut Lowering,
) -> Result<()> {
    let tiles = Tiles::new(variant, g);
    let padded = tiles.padded();
    let (positions, shown) = (variant.positions, variant.shown);
    let (c4, k4) = (source.channels.div_ceil(4), target.channels.div_ceil(4));
    let output = target.y.numel() / g.n;
    let group = codes::samples_per_word(output, target.argmax.is_some());
    let sample = padded.texels(source.channels);
    let cap = l.workspace_cap().min(planes::CACHE as u64);
    let chunk = chunk_size(g.n, group, sample * Texels::BYTES as usize, cap);
    let codes = match target.argmax {
        Some(_) => chunk * output,
        None => 1,
    };
    let codes = l.workspace("winograd argmax", Spec::u32([codes]));
    // Tiles and products go through in blocks, from one kernel to the next while they are in the cache.
    let most = (WINDOW / shown).min((chunk * tiles.all).next_multiple_of(BLOCK));
    let block = CACHE / (positions * 16 * c4.max(k4)) / BLOCK * BLOCK;
    let block = block.max(LEAST_TILES).min(most);
    let m = l.workspace("winograd products", Spec::f32([positions * k4 * 4 * block]));

    let u = Factor::new(0, target.channels, c4);
    let v = Factor::new(u.end(positions), block, c4);
    transform_weight(variant, g, target, &u, l)?;
    for first in (0..g.n).step_by(chunk) {
        let samples = chunk.min(g.n - first);
        for s in 0..samples {
            planes::pack(source, [g.oh, g.ow], &padded, first + s, s * sample, l)?;
        }
        let all = samples * tiles.all;
        for start in (0..all).step_by(block) {
            let range = start..all.min(start + block);
            transform_tiles((variant.tiles)(), tiles, 0, &range, &v, l)?;
            // Products are stored so that one window shows some positions of a few filter quads.
            let place = Placed {
                tensor: &m,
                row_stride: shown * block,
                quads: k4,
                columns: range.len(),
                products: positions,
                group: shown,
                stride: block,
                group_stride: shown * block * k4,
            };
            texel_product::product(&u, &v, &place, l)?;
            let params = OutputParams {
                oh: g.oh as u32,
                ow: g.ow as u32,
                ph: target.y.dims()[2] as u32,
                pw: target.y.dims()[3] as u32,
                tiles_x: tiles.x as u32,
                tiles: tiles.all as u32,
                samples: samples as u32,
                first_sample: first as u32,
                columns: block as u32,
                filters: target.channels as u32,
                first_quad: 0,
                first_column: start as u32,
            };
            transform_products(variant, target, k4, &m, &codes, params, l)?;
        }
        if let Some(argmax) = target.argmax {
            codes::pack(&codes, samples * output, argmax, first * output, l)?;
        }
    }
    Ok(())
}

/// The outputs of a block of tiles: as many filter quads to a dispatch as a window shows.
fn transform_products(
    variant: &Variant,
    target: &Target,
    k4: usize,
    m: &Tensor,
    codes: &Tensor,
    params: OutputParams,
    l: &mut Lowering,
) -> Result<()> {
    let (shown, block) = (variant.shown, params.columns as usize);
    let step = WINDOW / (shown * block);
    let bias = target.bias.unwrap_or(target.weight);
    for quad in (0..k4).step_by(step) {
        let params = OutputParams {
            first_quad: quad as u32,
            ..params
        };
        let first = |q: usize| (q * k4 + quad) * shown * block;
        let windows = (0..variant.positions / shown).map(|q| window(m, first(q)));
        let kernel = (variant.output)()
            .with("EPILOGUE", target.epilogue as u32)
            .with("BIAS", u32::from(target.bias.is_some()));
        let grid = [block / LANES, step.min(k4 - quad), 1].map(|v| v as u32);
        l.dispatch_windows(
            kernel,
            &[bias, target.y, codes],
            windows.collect(),
            params,
            grid,
        )?;
    }
    Ok(())
}

fn transform_weight(
    variant: &Variant,
    g: &Geometry,
    target: &Target,
    u: &Factor,
    l: &mut Lowering,
) -> Result<()> {
    let (filter, channel) = (9 * g.c as u32, 9);
    let (row_stride, contracted_stride, contracted) = match target.turned {
        false => (filter, channel, g.c),
        true => (channel, filter, g.k),
    };
    let params = WeightParams {
        rows: target.channels as u32,
        contracted: contracted as u32,
        row_stride,
        contracted_stride,
        turned: u32::from(target.turned),
        quads: u.quads as u32,
        position_stride: u.product as u32,
        reserved: 0,
    };
    l.need_texels(Texels::Factors, u.end(variant.positions));
    let grid = [target.channels.div_ceil(64) as u32, u.quads as u32, 1];
    l.dispatch((variant.weight)(), &[target.weight], params, grid)
}
