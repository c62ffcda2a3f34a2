//! Matrix products whose factors are [`Texels`]: what Winograd's convolutions are turned into. A texture shows all of a factor, so one
//! dispatch computes any number of products of equal sizes; the products of [`super::product`] see 64 KiB at a time.

use super::product::Placed;
use super::{Lowering, Texels};
use crate::error::Result;
use crate::kernel;
use bytemuck::{Pod, Zeroable};

/// Rows, and columns, of a workgroup.
pub(crate) const BLOCK: usize = 32;

/// One factor of several products of equal sizes: texels of four numbers along the contraction, and where they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factor {
    /// Texel of the first row of the first product.
    pub first: usize,
    /// Texels from one row (column) to the next.
    pub row: usize,
    /// From one texel along the contraction to the next.
    k: usize,
    /// From one block of [`BLOCK`] rows to the next.
    block: usize,
    /// From one product to the next.
    pub product: usize,
}

impl Factor {
    /// `count` rows with `k4` texels along the contraction, as `[block][k][row]`: for writers whose lanes run over rows.
    pub fn new(first: usize, count: usize, k4: usize) -> Self {
        Self {
            first,
            row: 1,
            k: BLOCK,
            block: BLOCK * k4,
            product: count.next_multiple_of(BLOCK) * k4,
        }
    }

    /// The same as `[row][k]`: for writers whose lanes run along the contraction. Rows start an odd number of cache lines (4 texels)
    /// apart, so that a subgroup that reads 8 of them does not meet the same sets of a cache.
    pub fn along(first: usize, count: usize, k4: usize) -> Self {
        let lines = k4.div_ceil(4);
        let row = 4 * (lines + usize::from(lines.is_multiple_of(2)));
        Self {
            first,
            row,
            k: 1,
            block: BLOCK * row,
            product: count.next_multiple_of(BLOCK) * row,
        }
    }

    /// The rows from block `index` on.
    pub fn from_block(mut self, index: usize) -> Self {
        self.first += index * self.block;
        self
    }

    /// The texel behind the last of `products` products.
    pub fn end(&self, products: usize) -> usize {
        self.first + products * self.product
    }
}

/// Texels that a device has.
pub(crate) fn room(c: &super::Capabilities) -> usize {
    c.max_texture_rows as usize * Texels::WIDTH
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Params {
    k4: u32,
    quads: u32,
    a_first: u32,
    b_first: u32,
    a_row: u32,
    b_row: u32,
    a_k: u32,
    b_k: u32,
    a_block: u32,
    b_block: u32,
    a_product: u32,
    b_product: u32,
    row_stride: u32,
    columns: u32,
    stride: u32,
    group_stride: u32,
    group: u32,
    reserved: [u32; 3],
}

/// `m = aᵀ b` over `k4` texels of the contraction, for all products.
pub(crate) fn product(
    k4: usize,
    a: &Factor,
    b: &Factor,
    m: &Placed,
    l: &mut Lowering,
) -> Result<()> {
    l.need_texels(a.end(m.products).max(b.end(m.products)));
    let params = Params {
        k4: k4 as u32,
        quads: m.quads as u32,
        a_first: a.first as u32,
        b_first: b.first as u32,
        a_row: a.row as u32,
        b_row: b.row as u32,
        a_k: a.k as u32,
        b_k: b.k as u32,
        a_block: a.block as u32,
        b_block: b.block as u32,
        a_product: a.product as u32,
        b_product: b.product as u32,
        row_stride: m.row_stride as u32,
        columns: m.columns as u32,
        stride: m.stride as u32,
        group_stride: m.group_stride as u32,
        group: m.group as u32,
        reserved: [0; 3],
    };
    let kernel = kernel!("matmul/product_texels").with("ACCUMULATE", u32::from(m.add));
    let rows = (4 * m.quads).div_ceil(BLOCK);
    let grid = [m.columns.div_ceil(BLOCK), rows, m.products].map(|v| v as u32);
    l.dispatch(kernel, &[m.tensor], params, grid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_along_the_contraction_start_in_different_sets_of_a_cache() {
        for k4 in 1..=2000 {
            let f = Factor::along(0, 100, k4);
            assert!(f.row >= k4 && f.row % 8 == 4, "{k4}");
            assert_eq!(f.end(3), 3 * 128 * f.row);
        }
    }
}
