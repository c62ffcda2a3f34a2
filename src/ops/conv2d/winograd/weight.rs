//! The gradient of w: a sum over tiles.

use super::{Tiles, Variant, chunk_size};
use crate::error::Result;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::source::Source;
use crate::ops::product::{Factor, LANES, Panels, Placed, WINDOW, product};
use crate::ops::{Io, Lowering, Window};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Tile4Params {
    h: u32,
    w: u32,
    tiles_x: u32,
    tiles: u32,
    first: u32,
    first_quad: u32,
    panel: u32,
    panel_stride: u32,
    position_stride: u32,
    shift: u32,
    row_step: u32,
    ph: u32,
    pw: u32,
    mask_shift: u32,
    reserved: [u32; 2],
}

/// dw from x and dy: products of transformed tiles, summed over all tiles, and transformed back.
pub(in super::super) fn backward_weight(
    variant: &'static Variant,
    g: &Geometry,
    io: &Io,
    dw: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let tiles = Tiles::new(variant, g);
    let (x, dy) = (Source::x(g, io), Source::dy(g, io));
    let positions = variant.positions;
    let quads = tiles.all.div_ceil(4);
    let per_sample = positions * 16 * quads * (g.c + g.k);
    // A window should show 32 rows of a panel: with more tiles it shows fewer, and more products are needed.
    let wide = (1..=g.n)
        .rev()
        .find(|samples| Panels::row_step(samples * quads) * 4 * LANES <= WINDOW);
    let chunk = chunk_size(g.n, 1, per_sample, l.workspace_cap()).min(wide.unwrap_or(1));
    let k4 = g.k.div_ceil(4);
    let (rows, columns) = (
        Panels::along(g.k, chunk * quads).of(positions),
        Panels::along(g.c, chunk * quads).of(positions),
    );
    let d = rows.workspace("winograd gradient tiles", 1, l);
    let v = columns.workspace("winograd tiles", 1, l);
    let du = l.workspace("winograd dw", Spec::f32([positions * k4 * g.c * 4]));
    for first in (0..g.n).step_by(chunk) {
        let samples = chunk.min(g.n - first);
        for s in 0..samples {
            transform_tiles4(g, &dy, tiles, first + s, s * quads, &rows, &d, l)?;
            transform_tiles4(g, &x, tiles, first + s, s * quads, &columns, &v, l)?;
        }
        let place = Placed {
            tensor: &du,
            row_stride: g.c,
            quads: k4,
            columns: g.c,
            add: first > 0,
            products: positions,
            group: 1,
            stride: 0,
            group_stride: k4 * g.c,
        };
        let (a, b) = (Factor::all(&d, &rows), Factor::all(&v, &columns));
        product(samples * quads, &a, &b, &place, l)?;
    }
    let params = [g.k as u32, g.c as u32, 0, 0];
    let grid = [g.c.div_ceil(64) as u32, k4 as u32, 1];
    l.dispatch((variant.filter)(), &[&du, dw], params, grid)
}

/// Transform the tiles of one sample, four tiles to a vec4; its first quad of tiles becomes `first_quad`.
#[allow(clippy::too_many_arguments)]
fn transform_tiles4(
    g: &Geometry,
    source: &Source,
    tiles: Tiles,
    sample: usize,
    first_quad: usize,
    panels: &Panels,
    out: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let step = Window::pieces(source.plane(), source.plane());
    for first in (0..source.channels).step_by(step) {
        let index = sample * source.channels + first;
        let (window, shift) = source.window(index);
        let (mask, mask_shift) = source.mask_window(index);
        let grid = [
            tiles.all.div_ceil(4 * LANES) as u32,
            step.min(source.channels - first) as u32,
            1,
        ];
        let [h, w, ph, pw] = [g.oh, g.ow, source.ph, source.pw].map(|v| v as u32);
        let common = Tile4Params {
            h,
            w,
            tiles_x: tiles.x as u32,
            tiles: tiles.all as u32,
            first: first as u32,
            first_quad: first_quad as u32,
            panel: panels.width as u32,
            panel_stride: panels.stride as u32,
            position_stride: panels.product_step as u32,
            shift,
            row_step: panels.row_step as u32,
            ph,
            pw,
            mask_shift,
            reserved: [0; 2],
        };
        if source.gradient {
            let kernel = (tiles.variant.gradient4)();
            let kernel = kernel.with("EPILOGUE", source.epilogue as u32);
            l.dispatch_windows(kernel, &[out], vec![window, mask], common, grid)?;
        } else {
            let kernel = (tiles.variant.tiles4)();
            l.dispatch_windows(kernel, &[out], vec![window], common, grid)?;
        }
    }
    Ok(())
}
