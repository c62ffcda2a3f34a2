//! From a schedule's lifetimes to what the packer needs: sizes, lifetimes, and who must not share an arena with whom.

use super::arena::{self, Block, Packing};
use super::{Placement, Schedule};
use crate::error::Result;
use crate::ops::{Access, Capabilities};
use crate::tape::Role;
use crate::tensor::TensorId;
use std::collections::HashMap;

/// The arena tensors of a schedule, ready for the packer.
pub(super) struct Blocks {
    /// Root tensors that live in arenas.
    pub ids: Vec<TensorId>,
    /// Their sizes and lifetimes.
    pub blocks: Vec<Block>,
    /// Position of a tensor in these lists.
    index: HashMap<usize, usize>,
}

impl Blocks {
    pub(super) fn new(
        s: &Schedule,
        lives: &[Option<(usize, usize)>],
        capabilities: &Capabilities,
    ) -> Self {
        let mut found = Self {
            ids: Vec::new(),
            blocks: Vec::new(),
            index: HashMap::new(),
        };
        for (i, (item, life)) in s.items.iter().zip(lives).enumerate() {
            let (Role::Activation, Some((first, last))) = (item.role, *life) else {
                continue;
            };
            found.index.insert(i, found.ids.len());
            found.ids.push(TensorId(i as u32));
            found.blocks.push(Block {
                bytes: item
                    .spec
                    .bytes()
                    .next_multiple_of(capabilities.offset_alignment),
                first,
                last,
            });
        }
        found
    }

    /// Pairs that one dispatch reads and writes: they must not share an arena.
    fn edges(&self, s: &Schedule) -> Result<Vec<Vec<usize>>> {
        let mut edges = vec![Vec::new(); self.ids.len()];
        for dispatch in &s.dispatches {
            let used = s.accesses(dispatch)?;
            for (r, _) in used.iter().filter(|u| u.1 == Access::Read) {
                for (w, _) in used.iter().filter(|u| u.1 == Access::ReadWrite) {
                    let (a, b) = (self.index.get(&r.index()), self.index.get(&w.index()));
                    if let (Some(&a), Some(&b)) = (a, b) {
                        edges[a].push(b);
                        edges[b].push(a);
                    }
                }
            }
        }
        // Kernels that run in many pieces name the same pairs again and again.
        for list in &mut edges {
            list.sort_unstable();
            list.dedup();
        }
        Ok(edges)
    }

    /// Find places for them; `arenas` are the sizes of those that exist already.
    ///
    /// # Errors
    /// When a kernel can't be parsed.
    pub(super) fn pack(
        &self,
        s: &Schedule,
        capabilities: &Capabilities,
        placement: Placement,
        arenas: &[u64],
    ) -> Result<Packing> {
        let Placement::Arenas(tries) = placement else {
            let spot = |i| arena::Spot {
                arena: arenas.len() + i,
                offset: 0,
            };
            let own = self.blocks.iter().map(|b| b.bytes);
            return Ok(Packing {
                spots: (0..self.ids.len()).map(spot).collect(),
                arenas: arenas.iter().copied().chain(own).collect(),
            });
        };
        let edges = self.edges(s)?;
        let limit = capabilities.max_buffer_bytes;
        Ok(arena::pack(&self.blocks, &edges, limit, tries, arenas))
    }
}
