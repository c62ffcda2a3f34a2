//! Forward and the gradient of x: both correlate planes with 3x3 filters.

use super::{CACHE, LEAST_TILES, Tiles, Variant, transform_tiles};
use crate::error::Result;
use crate::ops::conv2d::argmax::Codes;
use crate::ops::conv2d::batch_cuts::whole_groups;
use crate::ops::conv2d::correlation::Correlation;
use crate::ops::conv2d::rungs::cpu_driver::padded;
use crate::ops::products::texels::{BLOCK, TexelFactor, TexelTarget, multiply_texels};
use crate::ops::products::windows::{LANES, WINDOW, window};
use crate::ops::{Lowering, Texels};
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

/// The outputs of a correlation of 3x3 windows.
pub fn correlate(variant: &'static Variant, c: &Correlation, l: &mut Lowering) -> Result<()> {
    let (n, extent) = (c.n, c.extent);
    let tiles = Tiles::new(variant, extent);
    let padded = tiles.padded();
    let (positions, shown) = (variant.positions, variant.shown);
    let (c4, k4) = (c.source.channels.div_ceil(4), c.channels.div_ceil(4));
    let group = c.samples_per_word();
    let sample = padded.texels(c.source.channels);
    let cap = l.workspace_cap().min(padded::CACHE as u64);
    let chunk = whole_groups(n, group, sample * Texels::BYTES as usize, cap);
    let codes = Codes::in_pieces(c.argmax, n, chunk, l);
    // Tiles and products go through in blocks, from one kernel to the next while they are in the cache.
    let most = (WINDOW / shown).min((chunk * tiles.all).next_multiple_of(BLOCK));
    let block = CACHE / (positions * 16 * c4.max(k4)) / BLOCK * BLOCK;
    let block = block.max(LEAST_TILES).min(most);
    let m = l.workspace("winograd products", Spec::f32([positions * k4 * 4 * block]));

    let u = TexelFactor::new(0, c.channels, c4);
    let v = TexelFactor::new(u.end(positions), block, c4);
    transform_weight(variant, c, &u, l)?;
    for first in (0..n).step_by(chunk) {
        let samples = chunk.min(n - first);
        let packed = first..first + samples;
        padded::pack(&c.source, extent, &padded, packed, 0, l)?;
        let all = samples * tiles.all;
        for start in (0..all).step_by(block) {
            let range = start..all.min(start + block);
            transform_tiles((variant.tiles)(), tiles, 0, &range, &v, l)?;
            // Products are stored so that one window shows some positions of a few filter quads.
            let place = TexelTarget {
                tensor: &m,
                row_stride: shown * block,
                quads: k4,
                columns: range.len(),
                products: positions,
                group: shown,
                stride: block,
                group_stride: shown * block * k4,
            };
            multiply_texels(&u, &v, &place, l)?;
            let params = OutputParams {
                oh: extent[0] as u32,
                ow: extent[1] as u32,
                ph: c.y.dims()[2] as u32,
                pw: c.y.dims()[3] as u32,
                tiles_x: tiles.x as u32,
                tiles: tiles.all as u32,
                samples: samples as u32,
                first_sample: first as u32,
                columns: block as u32,
                filters: c.channels as u32,
                first_quad: 0,
                first_column: start as u32,
            };
            transform_products(variant, c, k4, &m, &codes.tensor, params, l)?;
        }
        codes.pack_until(first + samples, l)?;
    }
    Ok(())
}

/// The outputs of a block of tiles: as many filter quads to a dispatch as a window shows.
fn transform_products(
    variant: &Variant,
    c: &Correlation,
    k4: usize,
    m: &Tensor,
    codes: &Tensor,
    params: OutputParams,
    l: &mut Lowering,
) -> Result<()> {
    let (shown, block) = (variant.shown, params.columns as usize);
    let step = WINDOW / (shown * block);
    let bias = c.bias.unwrap_or(c.weight);
    for quad in (0..k4).step_by(step) {
        let params = OutputParams {
            first_quad: quad as u32,
            ..params
        };
        let first = |q: usize| (q * k4 + quad) * shown * block;
        let windows = (0..variant.positions / shown).map(|q| window(m, first(q)));
        let kernel = (variant.output)()
            .with("EPILOGUE", c.epilogue as u32)
            .with("BIAS", u32::from(c.bias.is_some()));
        let grid = [block / LANES, step.min(k4 - quad), 1].map(|v| v as u32);
        l.dispatch_windows(kernel, &[bias, c.y, codes], windows.collect(), params, grid)?;
    }
    Ok(())
}

fn transform_weight(
    variant: &Variant,
    c: &Correlation,
    u: &TexelFactor,
    l: &mut Lowering,
) -> Result<()> {
    let [row_stride, contracted_stride] = c.weight_strides().map(|s| s as u32);
    let params = WeightParams {
        rows: c.channels as u32,
        contracted: c.source.channels as u32,
        row_stride,
        contracted_stride,
        turned: u32::from(c.turned),
        quads: u.quads as u32,
        position_stride: u.product as u32,
        reserved: 0,
    };
    l.need_texels(Texels::Factors, u.end(variant.positions));
    let grid = [c.channels.div_ceil(64) as u32, u.quads as u32, 1];
    l.dispatch((variant.weight)(), &[c.weight], params, grid)
}
