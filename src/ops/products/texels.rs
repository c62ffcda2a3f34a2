//! Matrix products whose factors are [`Texels::Factors`]: what Winograd's convolutions are turned into. A texture shows all of a factor,
//! so one dispatch computes any number of products of equal sizes; the products of [`super::windows`] see 64 KiB at a time.

use crate::error::Result;
use crate::kernel;
use crate::ops::{Capabilities, Lowering, Texels};
use crate::tensor::Tensor;
use bytemuck::{Pod, Zeroable};

/// Rows, and columns, of a workgroup.
pub(crate) const BLOCK: usize = 32;

/// One factor of several products of equal sizes, as `[product][block][quad][element]`: blocks of [`BLOCK`] elements along one of its
/// dimensions, a texel over four along the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TexelFactor {
    /// Its first texel.
    pub first: usize,
    /// Quads along the dimension that texels run over.
    pub quads: usize,
    /// Texels from one product to the next.
    pub product: usize,
}

impl TexelFactor {
    /// `count` elements along the one dimension, `quads` quads along the other, from texel `first` on.
    pub fn new(first: usize, count: usize, quads: usize) -> Self {
        Self {
            first,
            quads,
            product: count.next_multiple_of(BLOCK) * quads,
        }
    }

    /// The texel behind the last of `products` products.
    pub fn end(&self, products: usize) -> usize {
        self.first + products * self.product
    }
}

/// Where products go: each `[rows / 4][columns]` vec4s over four rows; groups of `group` products one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TexelTarget<'a> {
    pub tensor: &'a Tensor,
    /// How many products.
    pub products: usize,
    pub quads: usize,
    pub columns: usize,
    /// From one quad of rows to the next, in vec4s.
    pub row_stride: usize,
    /// Products of a group.
    pub group: usize,
    /// In a group, from one product to the next, in vec4s.
    pub stride: usize,
    /// From one group to the next.
    pub group_stride: usize,
}

/// Whether a device runs kernels that keep `count` texels in a texture.
pub(crate) fn supports(count: usize, c: &Capabilities) -> std::result::Result<(), String> {
    super::windows::for_cpu_driver(
        c,
        "keeps its factors in textures, from which a GPU loads no faster than from a buffer",
    )?;
    let room = c.max_texture_rows as usize * Texels::WIDTH;
    if count > room {
        return Err(format!(
            "needs {count} texels in a texture, the device has {room}"
        ));
    }
    Ok(())
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    k4: u32,
    quads: u32,
    a_first: u32,
    b_first: u32,
    a_product: u32,
    b_product: u32,
    row_stride: u32,
    columns: u32,
    stride: u32,
    group_stride: u32,
    group: u32,
    reserved: u32,
}

/// `m = aᵀ b` for all products; the contraction runs over what the texels of both factors run over.
pub(crate) fn multiply_texels(
    a: &TexelFactor,
    b: &TexelFactor,
    m: &TexelTarget,
    l: &mut Lowering,
) -> Result<()> {
    l.need_texels(Texels::Factors, a.end(m.products).max(b.end(m.products)));
    let params = Params {
        k4: a.quads as u32,
        quads: m.quads as u32,
        a_first: a.first as u32,
        b_first: b.first as u32,
        a_product: a.product as u32,
        b_product: b.product as u32,
        row_stride: m.row_stride as u32,
        columns: m.columns as u32,
        stride: m.stride as u32,
        group_stride: m.group_stride as u32,
        group: m.group as u32,
        reserved: 0,
    };
    let kernel = kernel!("products/texels", "shuffled_rows");
    let rows = (4 * m.quads).div_ceil(BLOCK);
    let grid = [m.columns.div_ceil(BLOCK), rows, m.products].map(|v| v as u32);
    l.dispatch(kernel, &[m.tensor], params, grid)
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct OuterParams {
    count: u32,
    rows: u32,
    a_first: u32,
    b_first: u32,
    a_block: u32,
    b_block: u32,
    a_product: u32,
    b_product: u32,
    quads: u32,
    reserved: [u32; 3],
}

/// `m = a bᵀ`, or added to it, for `products` products; the contraction runs over `count` elements of the blocks of both factors.
/// m: `[product][row][column quad]` vec4s over four columns, `rows` rows of as many quads as b has.
pub(crate) fn multiply_outer(
    [count, rows, products]: [usize; 3],
    a: &TexelFactor,
    b: &TexelFactor,
    m: &Tensor,
    add: bool,
    l: &mut Lowering,
) -> Result<()> {
    l.need_texels(Texels::Factors, a.end(products).max(b.end(products)));
    let params = OuterParams {
        count: count as u32,
        rows: rows as u32,
        a_first: a.first as u32,
        b_first: b.first as u32,
        a_block: (BLOCK * a.quads) as u32,
        b_block: (BLOCK * b.quads) as u32,
        a_product: a.product as u32,
        b_product: b.product as u32,
        quads: b.quads as u32,
        reserved: [0; 3],
    };
    let kernel = kernel!("products/outer_texels").with("ACCUMULATE", u32::from(add));
    let grid = [
        (4 * b.quads).div_ceil(BLOCK),
        rows.div_ceil(BLOCK),
        products,
    ];
    l.dispatch(kernel, &[m], params, grid.map(|v| v as u32))
}
