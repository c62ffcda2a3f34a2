//! Placing tensors with known lifetimes into a few arenas.
//!
//! WebGPU forbids one buffer bound `read` and `read_write` in one dispatch, even at disjoint ranges. So every dispatch puts
//! an edge between each tensor that it reads and each that it writes, and tensors joined by an edge go to different arenas.
//! Within an arena, tensors whose lifetimes overlap get disjoint ranges. Both are NP-hard; a greedy placement from the
//! largest tensor down, retried with perturbed orders, comes close to the bound (the peak of live bytes).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A tensor to place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Size in bytes, a multiple of the offset alignment.
    pub bytes: u64,
    /// First dispatch that touches it.
    pub first: usize,
    /// Last dispatch that touches it.
    pub last: usize,
}

impl Block {
    fn overlaps(&self, other: &Block) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Where a block lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Number of the arena.
    pub arena: usize,
    /// Offset in bytes.
    pub offset: u64,
}

/// A placement of all blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packing {
    /// One spot per block.
    pub spots: Vec<Spot>,
    /// Size of each arena in bytes.
    pub arenas: Vec<u64>,
}

impl Packing {
    /// Bytes of all arenas.
    pub fn total(&self) -> u64 {
        self.arenas.iter().sum()
    }
}

/// Peak of the bytes that live at the same time: no placement can be smaller.
pub fn lower_bound(blocks: &[Block]) -> u64 {
    live_bytes(blocks).into_iter().max().unwrap_or(0)
}

/// Bytes alive during each dispatch.
pub fn live_bytes(blocks: &[Block]) -> Vec<u64> {
    let end = blocks.iter().map(|b| b.last + 1).max().unwrap_or(0);
    let mut change = vec![0i64; end + 1];
    for b in blocks {
        change[b.first] += b.bytes as i64;
        change[b.last + 1] -= b.bytes as i64;
    }
    change[..end]
        .iter()
        .scan(0i64, |sum, c| {
            *sum += c;
            Some(*sum as u64)
        })
        .collect()
}

/// Place `blocks` so that no two that live at the same time overlap, and none joined by an edge share an arena.
///
/// `edges[i]` lists the blocks that block `i` must not share an arena with. No arena grows beyond `max_arena` bytes unless
/// a single block is larger. `arenas`: sizes of arenas that exist already and are free. `tries` orders are compared, and
/// more of them never give a larger result, which depends on the arguments alone.
pub fn pack(
    blocks: &[Block],
    edges: &[Vec<usize>],
    max_arena: u64,
    tries: usize,
    arenas: &[u64],
) -> Packing {
    let bound = lower_bound(blocks).max(arenas.iter().sum());
    let placer = Placer {
        blocks,
        edges,
        max_arena,
        arenas,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut best = Vec::new();
    let mut packing: Option<Packing> = None;
    for attempt in 0..tries.max(1) {
        // A few orders that are good in general, some random ones, then small changes to the best so far.
        let order = if attempt < FIRST_ORDERS {
            ordered(blocks, attempt, &mut rng)
        } else {
            changed(&best, &mut rng)
        };
        let new = placer.place(&order);
        // An equal result is taken too: the search drifts across plateaus.
        if packing.as_ref().is_none_or(|p| new.total() <= p.total()) {
            packing = Some(new);
            best = order;
        }
        if packing
            .as_ref()
            .is_some_and(|p| p.total() <= bound + bound / CLOSE_ENOUGH)
        {
            break;
        }
    }
    packing.unwrap_or(Packing {
        spots: Vec::new(),
        arenas: arenas.to_vec(),
    })
}

/// Orders made from scratch.
const FIRST_ORDERS: usize = 40;

/// A packing within this fraction of the bound is not worth improving.
const CLOSE_ENOUGH: u64 = 500;

/// Positions of blocks, in the order to place them.
fn ordered(blocks: &[Block], attempt: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut keyed: Vec<(f64, usize)> = (blocks.iter().enumerate())
        .map(|(i, b)| {
            let size = b.bytes as f64;
            let length = (b.last - b.first + 1) as f64;
            let key = match attempt {
                0 => size,
                1 => size * length.sqrt(),
                2 => length,
                3 => -(b.first as f64),
                _ => size * length.powf(rng.random_range(0.0..0.6)) * rng.random_range(0.4..1.6),
            };
            (key, i)
        })
        .collect();
    keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    keyed.into_iter().map(|(_, i)| i).collect()
}

/// The order with one to three blocks moved elsewhere.
fn changed(order: &[usize], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order = order.to_vec();
    if order.len() < 2 {
        return order;
    }
    for _ in 0..rng.random_range(1..=3) {
        let block = order.remove(rng.random_range(0..order.len()));
        order.insert(rng.random_range(0..=order.len()), block);
    }
    order
}

struct Placer<'a> {
    blocks: &'a [Block],
    edges: &'a [Vec<usize>],
    max_arena: u64,
    arenas: &'a [u64],
}

impl Placer<'_> {
    /// Greedy: each block, in order, goes where the arenas grow least; ties go to the lower arena.
    fn place(&self, order: &[usize]) -> Packing {
        let blocks = self.blocks;
        let mut spots: Vec<Option<Spot>> = vec![None; blocks.len()];
        let mut arenas = self.arenas.to_vec();
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); arenas.len()];
        for &i in order {
            let block = &blocks[i];
            let mut choice: Option<(u64, Spot)> = None;
            for (arena, &size) in arenas.iter().enumerate() {
                let forbidden = self.edges[i]
                    .iter()
                    .any(|&j| spots[j].is_some_and(|s| s.arena == arena));
                if forbidden {
                    continue;
                }
                let offset = first_fit(blocks, &spots, &members[arena], block);
                let end = offset + block.bytes;
                if end > self.max_arena {
                    continue;
                }
                let growth = end.saturating_sub(size);
                if choice.is_none_or(|(g, _)| growth < g) {
                    choice = Some((growth, Spot { arena, offset }));
                }
            }
            // A new arena costs the whole block; it only wins where none of the others may hold the block.
            let spot = choice.map_or_else(
                || {
                    arenas.push(0);
                    members.push(Vec::new());
                    Spot {
                        arena: arenas.len() - 1,
                        offset: 0,
                    }
                },
                |(_, spot)| spot,
            );
            arenas[spot.arena] = arenas[spot.arena].max(spot.offset + block.bytes);
            members[spot.arena].push(i);
            spots[i] = Some(spot);
        }
        Packing {
            spots: spots.into_iter().flatten().collect(),
            arenas,
        }
    }
}

/// Lowest offset at which `block` collides with no member that lives at the same time.
fn first_fit(blocks: &[Block], spots: &[Option<Spot>], members: &[usize], block: &Block) -> u64 {
    let mut taken: Vec<(u64, u64)> = members
        .iter()
        .filter(|&&j| blocks[j].overlaps(block))
        .filter_map(|&j| spots[j].map(|s| (s.offset, s.offset + blocks[j].bytes)))
        .collect();
    taken.sort_unstable();
    let mut offset = 0;
    for (start, end) in taken {
        if offset + block.bytes <= start {
            break;
        }
        offset = offset.max(end);
    }
    offset
}
