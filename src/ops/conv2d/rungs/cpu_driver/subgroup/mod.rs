//! The subgroup rung: x (or dy, through the epilogue) and w are packed into vec4s of four channels, and one kernel serves
//! forward and, with the weight turned, the gradient of x. The batch goes through in chunks of samples, so that the
//! packed copy stays small.

mod weight_gradient;

pub use weight_gradient::BACKWARD_WEIGHT;

use crate::error::Result;
use crate::kernel;
use crate::ops::conv2d::Epilogue;
use crate::ops::conv2d::argmax::Codes;
use crate::ops::conv2d::batch_cuts::equal_chunks;
use crate::ops::conv2d::correlation::{Correlation, Directions, directions};
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::{Capabilities, Kernel, Lowering, grid_1d, nested};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// Lanes of the subgroups that the kernels are written for.
const LANES: u32 = 8;
/// Filters of a workgroup.
const BLOCK: usize = 16;
/// Strip positions of a workgroup: four groups of eight pixels, in two rows.
const POSITIONS: usize = 32;

/// Forward, and the gradient of x.
pub const CORRELATION: Directions = directions!("subgroup", cpu_driver, supports, correlate)
    .iterations(
        // 1,440 channels are right on lavapipe, 1,500 are not.
        |g| nested([g.c.div_ceil(4), 3, 3, BLOCK]) + nested([BLOCK, 4]),
        |g| nested([g.k.div_ceil(4), 3, 3, BLOCK]) + nested([BLOCK, 4]),
    );

/// Whether the kernels can run a problem here: the width of CPU drivers' vectors is built into them.
pub fn supports(g: &Geometry, c: &Capabilities) -> Result<(), String> {
    g.same_3x3(c)?;
    match c.subgroup_size {
        Some(LANES) => Ok(()),
        Some(size) => Err(format!(
            "is written for subgroups of {LANES} lanes, this device has {size}"
        )),
        None => Err("needs subgroup operations with a fixed subgroup size".to_owned()),
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PackPlanes {
    first: u32,
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    ph: u32,
    pw: u32,
    rows: u32,
    pitch: u32,
    reserved: [u32; 3],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PackWeight {
    k: u32,
    c: u32,
    quads: u32,
    count: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    first: u32,
    n: u32,
    quads: u32,
    k: u32,
    h: u32,
    w: u32,
    ph: u32,
    pw: u32,
    pairs: u32,
    rows: u32,
    pitch: u32,
    reserved: u32,
}

fn correlate(c: &Correlation, l: &mut Lowering) -> Result<()> {
    let packed_w = pack_weight(c, l)?;
    let Some(argmax) = c.argmax else {
        let kernel = kernel!(
            "conv2d/subgroup/forward",
            "subgroup_params",
            "subgroup_plain"
        );
        let kernel = match c.bias {
            Some(_) => kernel.with("RELU", u32::from(c.epilogue == Epilogue::Relu)),
            None => kernel.with("BIAS", 0u32),
        };
        return multiply(c, &packed_w, &kernel, None, l);
    };
    let codes = Codes::whole(argmax, l);
    let kernel = kernel!(
        "conv2d/subgroup/forward",
        "subgroup_params",
        "subgroup_pooled"
    );
    multiply(c, &packed_w, &kernel, Some(&codes.tensor), l)?;
    codes.pack_until(c.n, l)
}

fn pack_weight(c: &Correlation, l: &mut Lowering) -> Result<Tensor> {
    let quads = c.source.channels.div_ceil(4);
    let count = c.channels.next_multiple_of(BLOCK) * quads * 9;
    let packed = l.workspace("packed weight", Spec::f32([count, 4]));
    let kernel = kernel!("conv2d/subgroup/pack_weight")
        .with("BLOCK", BLOCK as u32)
        .with("TURNED", u32::from(c.turned));
    let params = PackWeight {
        k: c.channels as u32,
        c: c.source.channels as u32,
        quads: quads as u32,
        count: count as u32,
    };
    l.dispatch(kernel, &[c.weight, &packed], params, grid_1d(count, 64))?;
    Ok(packed)
}

/// For each chunk of samples: pack its planes, and run `kernel` on them.
fn multiply(
    c: &Correlation,
    packed_w: &Tensor,
    kernel: &Kernel,
    codes: Option<&Tensor>,
    l: &mut Lowering,
) -> Result<()> {
    let (source, [h, w]) = (&c.source, c.extent);
    let quads = source.channels.div_ceil(4);
    let rows = h.next_multiple_of(2) + 2;
    let pitch = (w + 1).next_multiple_of(2);
    let sample = rows * pitch;
    // Pairs of output rows: an odd last row only where it is written, not under pooling.
    let pairs = c.positions[0].div_ceil(2);
    let chunks = equal_chunks(c.n, quads * sample * 16, l.workspace_cap());
    let packed = l.workspace(
        "packed planes",
        Spec::f32([quads, chunks[0].len() * sample, 4]),
    );
    for chunk in chunks {
        let (first, n) = (chunk.start as u32, chunk.len());
        let pack = PackPlanes {
            first,
            n: n as u32,
            c: source.channels as u32,
            h: h as u32,
            w: w as u32,
            ph: source.ph as u32,
            pw: source.pw as u32,
            rows: rows as u32,
            pitch: pitch as u32,
            reserved: [0; 3],
        };
        l.dispatch(
            kernel!("conv2d/subgroup/pack_planes", "epilogue")
                .with("EPILOGUE", source.epilogue as u32),
            &[source.planes, source.mask, &packed],
            pack,
            [(n * sample).div_ceil(64) as u32, quads as u32, 1],
        )?;
        let params = Params {
            first,
            n: n as u32,
            quads: quads as u32,
            k: c.channels as u32,
            h: h as u32,
            w: w as u32,
            ph: c.y.dims()[2] as u32,
            pw: c.y.dims()[3] as u32,
            pairs: pairs as u32,
            rows: rows as u32,
            pitch: pitch as u32,
            reserved: 0,
        };
        let mut tensors = vec![&packed, packed_w, c.bias.unwrap_or(c.weight), c.y];
        tensors.extend(codes);
        let tiles = (n * pairs * pitch).div_ceil(POSITIONS);
        let grid = [tiles, c.channels.div_ceil(BLOCK), 1].map(|v| v as u32);
        l.dispatch(kernel.clone(), &tensors, params, grid)?;
    }
    Ok(())
}
