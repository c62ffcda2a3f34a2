//! The gradient of w: a product over positions.

use super::RANGE;
use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::batch_cuts::{Chunk, chunks};
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::image::Image;
use crate::ops::products::windows::{LANES, PanelFactor, PanelTarget, Panels, multiply_panels};
use crate::ops::{Io, Lowering, Window};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct ColumnParams {
    h: u32,
    w: u32,
    width: u32,
    positions: u32,
    first_row: u32,
    first_quad: u32,
    kh: u32,
    kw: u32,
    top: i32,
    left: i32,
    skip: u32,
    first_channel: u32,
    panel: u32,
    panel_stride: u32,
    shift: u32,
    row_step: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct GradientParams {
    ph: u32,
    pw: u32,
    width: u32,
    positions: u32,
    first_row: u32,
    first_quad: u32,
    skip: u32,
    first_filter: u32,
    panel: u32,
    panel_stride: u32,
    shift: u32,
    mask_shift: u32,
    row_step: u32,
    reserved: [u32; 3],
}

/// dw from x and dy, read through the epilogue.
pub fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dw = io.wanted(1);
    let (x, dy) = (Image::x(g, io), Image::dy(g, io));
    let elements = g.c * g.kh * g.kw;
    let k4 = g.k.div_ceil(4);
    // Rows of the convolution that have a gradient: a last odd row is not pooled.
    let height = g.ph * g.epilogue.rows();
    let cap = l.workspace_cap() as usize;
    let quads = |samples: usize, rows: usize| samples * (rows * g.ow).div_ceil(4);
    let all = chunks(g.n, height, 1, g.n, |samples, rows| {
        let quads = quads(samples, rows);
        let bands = (0..height)
            .step_by(rows)
            .map(|first| first..height.min(first + rows));
        Panels::row_step(quads) <= RANGE
            && 16 * quads * elements.max(g.k) <= cap
            && bands.clone().all(|b| {
                x_rows(g, &b).len() * g.w <= Window::ELEMENTS
                    && dy_rows(g, &b).len() * g.pw <= Window::ELEMENTS
            })
    });
    let most = all
        .iter()
        .map(|c| quads(c.samples.len(), c.rows.len()))
        .max()
        .unwrap_or(1);
    let (rows, columns) = (Panels::along(g.k, most), Panels::along(elements, most));
    let a = rows.workspace("im2col gradient", 1, l);
    let b = columns.workspace("im2col columns", 1, l);
    let m = l.workspace("im2col dw", Spec::f32([k4 * elements * 4]));
    for (index, chunk) in all.iter().enumerate() {
        pack_gradient(g, &dy, chunk, &rows, &a, l)?;
        pack_columns(g, &x, chunk, &columns, &b, l)?;
        let placed = PanelTarget::new(&m, k4, elements, elements).added(index > 0);
        let k4 = quads(chunk.samples.len(), chunk.rows.len());
        let (a, b) = (PanelFactor::all(&a, &rows), PanelFactor::all(&b, &columns));
        multiply_panels(k4, &a, &b, &placed, l)?;
    }
    let params = [g.k as u32, elements as u32, 0, 0];
    let grid = [elements.div_ceil(64) as u32, k4 as u32, 1];
    l.dispatch(
        kernel!("conv2d/im2col_windows/write_weight_gradient"),
        &[&m, dw],
        params,
        grid,
    )
}

/// Rows of x that `rows` of the convolution read.
fn x_rows(g: &Geometry, rows: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let first = (rows.start * g.stride_h).saturating_sub(g.pad_top);
    let last = ((rows.end - 1) * g.stride_h + g.kh - 1).saturating_sub(g.pad_top);
    first.min(g.h - 1)..last.min(g.h - 1) + 1
}

/// Rows of dy that hold the gradients of `rows` of the convolution.
fn dy_rows(g: &Geometry, rows: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let size = g.epilogue.rows();
    rows.start / size..(rows.end - 1) / size + 1
}

fn pack_gradient(
    g: &Geometry,
    dy: &Image,
    chunk: &Chunk,
    panels: &Panels,
    a: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let read = dy_rows(g, &chunk.rows);
    let skip = read.start * g.pw;
    let positions = chunk.rows.len() * g.ow;
    let step = Window::pieces(read.len() * g.pw, dy.plane());
    for (sample, first_quad) in chunk.placed(positions.div_ceil(4)) {
        for first in (0..g.k).step_by(step) {
            let start = (sample * g.k + first) * dy.plane() + skip;
            let (window, shift) = dy.window_at(start);
            let (mask, mask_shift) = dy.mask_window_at(start);
            let params = GradientParams {
                ph: g.ph as u32,
                pw: g.pw as u32,
                width: g.ow as u32,
                positions: positions as u32,
                first_row: chunk.rows.start as u32,
                first_quad: first_quad as u32,
                skip: skip as u32,
                first_filter: first as u32,
                panel: panels.width as u32,
                panel_stride: panels.stride as u32,
                shift,
                mask_shift,
                row_step: panels.row_step as u32,
                reserved: [0; 3],
            };
            let kernel =
                kernel!("conv2d/im2col_windows/pack_gradient").with("EPILOGUE", g.epilogue as u32);
            let grid = [positions.div_ceil(4 * LANES), step.min(g.k - first), 1];
            l.dispatch_windows(
                kernel,
                &[a],
                vec![window, mask],
                params,
                grid.map(|v| v as u32),
            )?;
        }
    }
    Ok(())
}

fn pack_columns(
    g: &Geometry,
    x: &Image,
    chunk: &Chunk,
    panels: &Panels,
    b: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let read = x_rows(g, &chunk.rows);
    let skip = read.start * g.w;
    let positions = chunk.rows.len() * g.ow;
    let step = Window::pieces(read.len() * g.w, x.plane());
    for (sample, first_quad) in chunk.placed(positions.div_ceil(4)) {
        for first in (0..g.c).step_by(step) {
            let (window, shift) = x.window_at((sample * g.c + first) * x.plane() + skip);
            let params = ColumnParams {
                h: g.h as u32,
                w: g.w as u32,
                width: g.ow as u32,
                positions: positions as u32,
                first_row: chunk.rows.start as u32,
                first_quad: first_quad as u32,
                kh: g.kh as u32,
                kw: g.kw as u32,
                top: g.pad_top as i32,
                left: g.pad_left as i32,
                skip: skip as u32,
                first_channel: first as u32,
                panel: panels.width as u32,
                panel_stride: panels.stride as u32,
                shift,
                row_step: panels.row_step as u32,
            };
            let kernel = kernel!("conv2d/im2col_windows/pack_positions")
                .with("UP_H", g.stride_h as u32)
                .with("UP_W", g.stride_w as u32);
            let grid = [positions.div_ceil(4 * LANES), step.min(g.c - first), 1];
            l.dispatch_windows(kernel, &[b], vec![window], params, grid.map(|v| v as u32))?;
        }
    }
    Ok(())
}
