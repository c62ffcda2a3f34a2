//! The gradient of the weight: x and g packed by rows.

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::batch_cuts::equal_chunks;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::weight_gradient::{partials, short_enough, splits, sum};
use crate::ops::{Capabilities, Io, Iterations, Lowering, Rung, grid_1d, looped, nested};
use crate::tensor::Spec;
use bytemuck::{Pod, Zeroable};

/// The gradient of w.
pub const BACKWARD_WEIGHT: Rung<Geometry> = Rung::cpu_driver("subgroup", supports, backward_weight)
    .iterations(|g| looped(1, row_iterations(g)));

/// What a row adds to the iterations of an invocation: quads, and in each the loop over 16 filters.
fn row_iterations(g: &Geometry) -> Iterations {
    nested([g.w.div_ceil(4), 16])
}

/// Whether the subgroup rung can run a problem here.
fn supports(g: &Geometry, c: &Capabilities) -> std::result::Result<(), String> {
    if g.c < 4 {
        return Err(
            "packs input channels in fours; with fewer the register rung does less work".to_owned(),
        );
    }
    super::supports(g, c)
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PackRows {
    first: u32,
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    ph: u32,
    pw: u32,
    quads: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    n: u32,
    c: u32,
    h: u32,
    quads: u32,
    k: u32,
    first_split: u32,
    splits: u32,
    reserved: u32,
}

/// X and g packed by rows, in chunks of samples; subgroups of 8 channels and 16 filters.
fn backward_weight(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dw = io.wanted(1);
    let quads = g.w.div_ceil(4);
    let [sample_x, sample_g] = [g.c * (g.h + 2) * quads, g.k * g.h * quads];
    let chunks = equal_chunks(g.n, (sample_x + sample_g) * 16, l.workspace_cap());
    let most = chunks[0].len();
    let packed_x = l.workspace("packed x", Spec::f32([most * sample_x, 4]));
    let packed_g = l.workspace("packed gradient", Spec::f32([most * sample_g, 4]));

    let [across, down] = [g.c.div_ceil(8), g.k.div_ceil(16)];
    // The last chunk may be smaller, but has fewer rows than a quarter of its splits only where the first would be too long.
    let per_chunk = splits(chunks[chunks.len() - 1].len() * g.h, across * down, l);
    let per_chunk = short_enough(per_chunk, most * g.h, row_iterations(g), l);
    let all = per_chunk * chunks.len();
    let partials = partials(all, dw, l);
    for (index, chunk) in chunks.into_iter().enumerate() {
        let n = chunk.len();
        let pack = |c: usize, [ph, pw]: [usize; 2]| PackRows {
            first: chunk.start as u32,
            n: n as u32,
            c: c as u32,
            h: g.h as u32,
            w: g.w as u32,
            ph: ph as u32,
            pw: pw as u32,
            quads: quads as u32,
        };
        l.dispatch(
            kernel!("conv2d/subgroup/pack_rows", "epilogue").with("BORDER", 1u32),
            &[io.x(0), io.x(0), &packed_x],
            pack(g.c, [g.h, g.w]),
            grid_1d(n * sample_x, 64),
        )?;
        l.dispatch(
            kernel!("conv2d/subgroup/pack_rows", "epilogue").with("EPILOGUE", g.epilogue as u32),
            &[io.dy(), g.mask(io), &packed_g],
            pack(g.k, [g.ph, g.pw]),
            grid_1d(n * sample_g, 64),
        )?;
        let params = Params {
            n: n as u32,
            c: g.c as u32,
            h: g.h as u32,
            quads: quads as u32,
            k: g.k as u32,
            first_split: (index * per_chunk) as u32,
            splits: per_chunk as u32,
            reserved: 0,
        };
        l.dispatch(
            kernel!("conv2d/subgroup/backward_weight"),
            &[&packed_g, &packed_x, &partials],
            params,
            [across as u32, down as u32, per_chunk as u32],
        )?;
    }
    sum(all, &partials, dw, l)
}
