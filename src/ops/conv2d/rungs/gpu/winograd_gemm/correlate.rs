//! Forward and the gradient of x: both correlate planes with 3x3 filters.

use super::{Params, Planes, Product, STEP, Variant, pitch};
use crate::error::Result;
use crate::ops::Lowering;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::argmax::Quads;
use crate::ops::conv2d::batch_cuts::chunks;
use crate::ops::conv2d::correlation::Correlation;
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
    padded: u32,
    pitch: u32,
    reserved: u32,
}

/// The outputs of a correlation of 3x3 windows.
pub fn correlate(variant: &Variant, c: &Correlation, l: &mut Lowering) -> Result<()> {
    let products = variant.products();
    let [down, across] = variant.tiles_of(c.positions);
    let contracted = c.source.channels.next_multiple_of(STEP);
    // Five eighths of the cap: the transformed weight lives beside tiles and products, and whole activations do.
    let cap = l.workspace_cap() as usize / 8 * 5;
    let all = chunks(c.n, down, 1, c.n, |samples, rows| {
        products * pitch(samples * rows * across) * (contracted + c.channels) * 4 <= cap
    });
    // The first is the largest.
    let most = pitch(all[0].samples.len() * all[0].rows.len() * across);
    let weight_pitch = c.channels.next_multiple_of(4);
    let u = l.workspace(
        "transformed weight",
        Spec::f32([products, contracted, weight_pitch]),
    );
    let v = l.workspace("transformed tiles", Spec::f32([products, contracted, most]));
    let m = l.workspace("products of tiles", Spec::f32([products, c.channels, most]));
    let codes = c.argmax.map(|argmax| Quads::of(argmax, l));

    transform_weight(variant, c, contracted, weight_pitch, &u, l)?;
    let source = Planes {
        image: c.source,
        extent: c.extent,
        before: c.before,
        padded: contracted,
    };
    for chunk in &all {
        let params = variant.params(across, chunk);
        source.transform((variant.tiles)(), params, &v, l)?;
        let pitch = params.pitch as usize;
        Product {
            batch: products,
            a: &v,
            b: &u,
            c: &m,
            rows: pitch,
            columns: c.channels,
            steps: contracted,
            row_pitch: pitch,
            column_pitch: weight_pitch,
            c_pitch: pitch,
            split: contracted,
            along: false,
            add: false,
        }
        .run(l)?;
        transform_outputs(variant, c, &m, codes.as_ref(), params, l)?;
    }
    match codes {
        Some(codes) => codes.order(l),
        None => Ok(()),
    }
}

/// From the products of a chunk's tiles to its outputs.
fn transform_outputs(
    variant: &Variant,
    c: &Correlation,
    m: &Tensor,
    codes: Option<&Quads>,
    params: Params,
    l: &mut Lowering,
) -> Result<()> {
    let [rows, columns] = [2, 3].map(|d| c.y.dims()[d] as u32);
    let params = Params {
        channels: c.channels as u32,
        h: rows,
        w: columns,
        ph: rows,
        pw: columns,
        n: c.n as u32,
        ..params
    };
    let grid = [
        params.tiles.div_ceil(64),
        (c.channels.div_ceil(4)) as u32,
        1,
    ];
    // w stands in for the binding where there is no bias.
    let bias = c.bias.unwrap_or(c.weight);
    let has_bias = u32::from(c.bias.is_some());
    match codes {
        Some(codes) => {
            let kernel = (variant.pooled)().with("BIAS", has_bias);
            l.dispatch(kernel, &[m, bias, c.y, &codes.tensor], params, grid)
        }
        None => {
            let relu = u32::from(c.epilogue == Epilogue::Relu);
            let kernel = (variant.plain)().with("BIAS", has_bias).with("RELU", relu);
            l.dispatch(kernel, &[m, bias, c.y], params, grid)
        }
    }
}

fn transform_weight(
    variant: &Variant,
    c: &Correlation,
    contracted: usize,
    pitch: usize,
    u: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let [row_stride, contracted_stride] = c.weight_strides().map(|s| s as u32);
    let params = WeightParams {
        rows: c.channels as u32,
        contracted: c.source.channels as u32,
        row_stride,
        contracted_stride,
        turned: u32::from(c.turned),
        padded: contracted as u32,
        pitch: pitch as u32,
        reserved: 0,
    };
    let grid = [pitch.div_ceil(64), contracted, 1].map(|v| v as u32);
    l.dispatch((variant.weight)(), &[c.weight, u], params, grid)
}
