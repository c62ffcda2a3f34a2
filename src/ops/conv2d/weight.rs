//! The gradient of the weight, summed directly. Few results come from long sums, so the sums are split: the rows of all samples
//! are shared out to several workgroups, whose partial sums are then added up in a fixed order.

use super::geometry::Geometry;
use super::tiles::chunks;
use crate::error::Result;
use crate::kernel;
use crate::ops::{Capabilities, DeviceClass, Io, Kernel, Lowering, Rung, grid_1d};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

pub(super) const REGISTERS: Rung<Geometry> = Rung::gpu("registers", Geometry::same_3x3, registers);
pub(super) const WORKGROUP: Rung<Geometry> = Rung::gpu("workgroup", Geometry::same_3x3, workgroup);
pub(super) const SUBGROUP: Rung<Geometry> =
    Rung::cpu_driver("subgroup", supports_subgroup, subgroup);

/// Whether the subgroup rung can run a problem here.
fn supports_subgroup(g: &Geometry, c: &Capabilities) -> std::result::Result<(), String> {
    if g.c < 4 {
        return Err(
            "packs input channels in fours; with fewer the register rung does less work".to_owned(),
        );
    }
    super::subgroup::supports(g, c)
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    k: u32,
    ph: u32,
    pw: u32,
    splits: u32,
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
struct SubgroupParams {
    n: u32,
    c: u32,
    h: u32,
    quads: u32,
    k: u32,
    first_split: u32,
    splits: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct SumParams {
    count: u32,
    splits: u32,
    reserved: [u32; 2],
}

/// Into how many partial sums `rows` rows are split so that `workgroups` per split keep the device busy.
fn splits(rows: usize, workgroups: usize, l: &Lowering) -> usize {
    let wanted: usize = match l.capabilities().class {
        DeviceClass::Software => 32,
        DeviceClass::Hardware => 512,
    };
    let most = (rows / 4).max(1);
    wanted.div_ceil(workgroups).clamp(1, most.min(64))
}

/// Where the kernel writes: dw itself when there is one partial sum only.
pub(super) fn partials(splits: usize, dw: &Tensor, l: &mut Lowering) -> Tensor {
    if splits == 1 {
        return dw.clone();
    }
    l.workspace("partial sums", Spec::f32([splits, dw.numel()]))
}

pub(super) fn sum(splits: usize, partials: &Tensor, dw: &Tensor, l: &mut Lowering) -> Result<()> {
    if splits == 1 {
        return Ok(());
    }
    let count = dw.numel();
    let params = SumParams {
        count: count as u32,
        splits: splits as u32,
        reserved: [0; 2],
    };
    l.dispatch(
        kernel!("conv2d/sum_partials"),
        &[partials, dw],
        params,
        grid_1d(count, 64),
    )
}

/// Invocations of 4 filters and one channel.
fn registers(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let groups = (g.k.div_ceil(4) * g.c).div_ceil(64);
    let splits = splits(g.n * g.h, groups, l);
    let grid = [groups as u32, splits as u32, 1];
    direct(
        kernel!(
            "conv2d/backward_weight_2_registers",
            "epilogue",
            "weight_tiles"
        ),
        g,
        io,
        splits,
        grid,
        l,
    )
}

/// Workgroups of 32 filters and 16 channels.
fn workgroup(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let [across, down] = [g.c.div_ceil(16), g.k.div_ceil(32)];
    let splits = splits(g.n * g.h, across * down, l);
    let grid = [across as u32, down as u32, splits as u32];
    direct(
        kernel!(
            "conv2d/backward_weight_3_shared",
            "epilogue",
            "weight_tiles"
        ),
        g,
        io,
        splits,
        grid,
        l,
    )
}

/// The kernels that read dy and x as they are.
fn direct(
    kernel: Kernel,
    g: &Geometry,
    io: &Io,
    splits: usize,
    grid: [u32; 3],
    l: &mut Lowering,
) -> Result<()> {
    let dw = io.wanted(1);
    let partials = partials(splits, dw, l);
    let params = Params {
        n: g.n as u32,
        c: g.c as u32,
        h: g.h as u32,
        w: g.w as u32,
        k: g.k as u32,
        ph: g.ph as u32,
        pw: g.pw as u32,
        splits: splits as u32,
    };
    let kernel = kernel.with("EPILOGUE", g.epilogue as u32);
    l.dispatch(
        kernel,
        &[io.dy(), g.mask(io), io.x(0), &partials],
        params,
        grid,
    )?;
    sum(splits, &partials, dw, l)
}

/// X and g packed by rows, in chunks of samples; subgroups of 8 channels and 16 filters.
fn subgroup(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let dw = io.wanted(1);
    let quads = g.w.div_ceil(4);
    let [sample_x, sample_g] = [g.c * (g.h + 2) * quads, g.k * g.h * quads];
    let chunks = chunks(g.n, (sample_x + sample_g) * 16, l.workspace_cap());
    let most = chunks[0].len();
    let packed_x = l.workspace("packed x", Spec::f32([most * sample_x, 4]));
    let packed_g = l.workspace("packed gradient", Spec::f32([most * sample_g, 4]));

    let [across, down] = [g.c.div_ceil(8), g.k.div_ceil(16)];
    // The last chunk may be smaller, but never has fewer rows than a quarter of its splits.
    let per_chunk = splits(chunks[chunks.len() - 1].len() * g.h, across * down, l);
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
            kernel!("conv2d/pack_rows", "epilogue").with("BORDER", 1u32),
            &[io.x(0), io.x(0), &packed_x],
            pack(g.c, [g.h, g.w]),
            grid_1d(n * sample_x, 64),
        )?;
        l.dispatch(
            kernel!("conv2d/pack_rows", "epilogue").with("EPILOGUE", g.epilogue as u32),
            &[io.dy(), g.mask(io), &packed_g],
            pack(g.k, [g.ph, g.pw]),
            grid_1d(n * sample_g, 64),
        )?;
        let params = SubgroupParams {
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
            kernel!("conv2d/backward_weight_4_subgroup"),
            &[&packed_g, &packed_x, &partials],
            params,
            [across as u32, down as u32, per_chunk as u32],
        )?;
    }
    sum(all, &partials, dw, l)
}
