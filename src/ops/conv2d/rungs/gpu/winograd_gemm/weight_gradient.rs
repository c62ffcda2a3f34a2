//! The gradient of w: a sum over tiles.

use super::{LONGEST, Planes, Product, Variant, pitch};
use crate::error::Result;
use crate::ops::conv2d::batch_cuts::chunks;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::image::Image;
use crate::ops::{Io, Lowering};
use crate::tensor::Spec;

/// dw from x and dy: products of transformed tiles, summed over all tiles, and transformed back.
pub fn backward_weight(variant: &Variant, g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dw = io.wanted(1);
    let products = variant.products();
    let [down, across] = variant.tiles_of([g.ph, g.pw].map(|size| size * g.epilogue.rows()));
    let filters = g.k.next_multiple_of(4);
    let sums = products * g.c * filters;
    // Five eighths of the cap for tiles and a quarter for their sums: whole activations live beside them. Chunks have no more tiles than
    // these sums are enough for.
    let cap = l.workspace_cap() as usize;
    let most_sums = (cap / 4 / (sums * 4)).clamp(1, 65_535 / products);
    let all = chunks(g.n, down, 1, g.n, |samples, rows| {
        let tiles = pitch(samples * rows * across);
        products * tiles * (g.c + g.k) * 4 <= cap / 8 * 5 && tiles <= most_sums * LONGEST
    });
    // The first is the largest.
    let most = pitch(all[0].samples.len() * all[0].rows.len() * across);
    let split = most.min(LONGEST);
    let splits = most.div_ceil(split);

    let d = l.workspace("transformed gradient", Spec::f32([products, g.k, most]));
    let v = l.workspace("transformed tiles", Spec::f32([products, g.c, most]));
    let du = l.workspace("sums of products", Spec::f32([splits, sums]));
    let x = Planes {
        image: Image::x(g, io),
        extent: [g.h, g.w],
        before: [g.pad_top as isize, g.pad_left as isize],
        padded: g.c,
    };
    let dy = Planes {
        image: Image::dy(g, io),
        extent: [g.oh, g.ow],
        before: [0, 0],
        padded: g.k,
    };
    for (i, chunk) in all.iter().enumerate() {
        let params = variant.params(across, chunk);
        x.transform((variant.tiles)(), params, &v, l)?;
        dy.transform((variant.gradient)(), params, &d, l)?;
        let pitch = params.pitch as usize;
        Product {
            batch: products,
            a: &d,
            b: &v,
            c: &du,
            rows: g.k,
            columns: g.c,
            steps: pitch,
            row_pitch: pitch,
            column_pitch: pitch,
            c_pitch: filters,
            split,
            along: true,
            add: i > 0,
        }
        .run(l)?;
    }
    let params = [g.k, g.c, filters, splits].map(|v| v as u32);
    let grid = [g.k.div_ceil(64), g.c, 1].map(|v| v as u32);
    l.dispatch((variant.filter)(), &[&du, dw], params, grid)
}
