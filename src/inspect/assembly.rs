//! What a listing of AMD's machine code says of a kernel: its basic blocks, the loops among them, and what they execute.
//!
//! Mesa prints one basic block after another (`BB12:`), with a loop's blocks in a row; so a jump backwards from block j to block i
//! closes a loop of the blocks i..=j, and nothing but labels and jumps has to be understood to find it.

use serde::Serialize;

/// What a stretch of machine code executes, each instruction counted once. The halves of a dual-issued pair count as two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Fused multiply-adds of one invocation (two for an instruction on a pair of f16s).
    pub multiply_adds: usize,
    /// All instructions.
    pub instructions: usize,
    /// Loads from workgroup memory.
    pub workgroup_loads: usize,
    /// Bytes that one invocation loads from workgroup memory.
    pub workgroup_bytes: usize,
    /// Loads from buffers and textures, one address per invocation.
    pub memory_loads: usize,
    /// Bytes that one invocation loads by them. A texel counts as the registers that it fills.
    pub memory_bytes: usize,
    /// Loads of the scalar unit: one address for all invocations of a subgroup.
    pub scalar_loads: usize,
    /// Instructions that wait for loads or stores.
    pub waits: usize,
    /// Workgroup barriers.
    pub barriers: usize,
}

impl Count {
    /// Part of the instructions that are multiply-adds; 0 where there is none.
    pub fn share(&self) -> f64 {
        self.multiply_adds as f64 / self.instructions.max(1) as f64
    }

    fn add(&mut self, other: &Self) {
        self.multiply_adds += other.multiply_adds;
        self.instructions += other.instructions;
        self.workgroup_loads += other.workgroup_loads;
        self.workgroup_bytes += other.workgroup_bytes;
        self.memory_loads += other.memory_loads;
        self.memory_bytes += other.memory_bytes;
        self.scalar_loads += other.scalar_loads;
        self.waits += other.waits;
        self.barriers += other.barriers;
    }
}

/// A basic block: straight code with one way in and one way out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block<'a> {
    label: &'a str,
    lines: Vec<&'a str>,
    count: Count,
    jumps: Vec<&'a str>,
}

/// A kernel's code, block by block.
#[derive(Debug, Clone, Default)]
pub struct Assembly<'a> {
    blocks: Vec<Block<'a>>,
    /// First and last block of every loop.
    loops: Vec<(usize, usize)>,
}

/// The part of a kernel that does the arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hot {
    /// The block with the most multiply-adds among those in loops.
    pub block: Count,
    /// The outermost loop around it, with the loads, barriers and address arithmetic in it.
    pub whole: Count,
    /// How many loops lie within the outermost one. Where there are any, `whole` counts each of their instructions once, however
    /// often they run.
    pub inner_loops: usize,
    index: usize,
}

impl<'a> Assembly<'a> {
    /// Read a listing. Text that is no listing of AMD's has no blocks.
    pub fn parse(text: &'a str) -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        for line in text.lines() {
            let code = line.split(';').next().unwrap_or("").trim();
            if let Some(label) = code.strip_suffix(':') {
                blocks.push(Block {
                    label,
                    lines: Vec::new(),
                    count: Count::default(),
                    jumps: Vec::new(),
                });
                continue;
            }
            let Some(block) = blocks.last_mut() else {
                continue;
            };
            if !code.starts_with(|c: char| c.is_ascii_lowercase()) {
                continue;
            }
            block.lines.push(code);
            for half in code.split("::").map(str::trim) {
                let (name, operands) = half.split_once(char::is_whitespace).unwrap_or((half, ""));
                block.count.add(&instruction(name, operands));
                if name == "s_branch" || name.starts_with("s_cbranch") {
                    block.jumps.push(operands.trim());
                }
            }
        }
        let mut loops = Vec::new();
        for (j, block) in blocks.iter().enumerate() {
            for target in &block.jumps {
                let found = blocks[..=j].iter().position(|b| b.label == *target);
                loops.extend(found.map(|i| (i, j)));
            }
        }
        loops.sort_unstable();
        loops.dedup();
        Self { blocks, loops }
    }

    /// All code.
    pub fn whole(&self) -> Count {
        self.sum(0..=self.blocks.len().saturating_sub(1))
    }

    fn sum(&self, range: std::ops::RangeInclusive<usize>) -> Count {
        let mut total = Count::default();
        let blocks = self.blocks.get(range).unwrap_or_default();
        blocks.iter().for_each(|b| total.add(&b.count));
        total
    }

    /// Where the arithmetic is done; none where no loop multiplies and adds.
    pub fn hot(&self) -> Option<Hot> {
        let in_loop = |i: usize| self.loops.iter().any(|&(a, b)| (a..=b).contains(&i));
        let most = |i: &usize| (self.blocks[*i].count.multiply_adds, usize::MAX - i);
        let index = (0..self.blocks.len())
            .filter(|&i| in_loop(i))
            .max_by_key(most)?;
        let block = self.blocks[index].count;
        if block.multiply_adds == 0 {
            return None;
        }
        let around = self
            .loops
            .iter()
            .filter(|(a, b)| (*a..=*b).contains(&index));
        let &(first, last) = around.max_by_key(|(a, b)| b - a)?;
        // A `continue` closes the same loop once more.
        let mut heads: Vec<usize> = self
            .loops
            .iter()
            .filter(|(a, b)| *a > first && *b <= last)
            .map(|l| l.0)
            .collect();
        heads.dedup();
        Some(Hot {
            block,
            whole: self.sum(first..=last),
            inner_loops: heads.len(),
            index,
        })
    }

    /// The hot block's instructions, a line each, behind its label.
    pub fn listing(&self, hot: &Hot) -> Vec<&'a str> {
        let block = self.blocks.get(hot.index);
        block.map_or_else(Vec::new, |b| {
            std::iter::once(b.label)
                .chain(b.lines.iter().copied())
                .collect()
        })
    }
}

/// What one instruction is. Names differ between generations: `ds_read_b128` became `ds_load_b128` with GFX11, `buffer_load_dword`
/// `buffer_load_b32`.
fn instruction(name: &str, operands: &str) -> Count {
    let mut count = Count {
        instructions: 1,
        ..Count::default()
    };
    // `_e32` and the like say how it is encoded.
    let encodings = ["_e32", "_e64", "_dpp", "_sdwa"];
    let name = encodings
        .iter()
        .find_map(|e| name.strip_suffix(e))
        .unwrap_or(name);
    let plain = name.replacen("v_dual_", "v_", 1);
    count.multiply_adds = multiply_adds(&plain);
    if let Some(rest) = name
        .strip_prefix("ds_load_")
        .or_else(|| name.strip_prefix("ds_read"))
    {
        count.workgroup_loads = 1;
        let pair = rest.starts_with("2addr") || rest.starts_with('2');
        count.workgroup_bytes = width(rest) * if pair { 2 } else { 1 };
    } else if ["buffer_load", "global_load", "flat_load", "image_load"]
        .iter()
        .any(|p| name.starts_with(p))
    {
        count.memory_loads = 1;
        count.memory_bytes = match name.starts_with("image") {
            true => registers(operands) * 4,
            false => width(name),
        };
    } else if name.starts_with("s_load") || name.starts_with("s_buffer_load") {
        count.scalar_loads = 1;
    } else if name.starts_with("s_waitcnt") || name.starts_with("s_wait_") {
        count.waits = 1;
    } else if name == "s_barrier" || name == "s_barrier_wait" {
        count.barriers = 1;
    }
    count
}

/// Multiply-adds of one invocation.
fn multiply_adds(name: &str) -> usize {
    let one = [
        "v_fma_", "v_fmac_", "v_mad_f", "v_mac_f", "v_fmaak_", "v_fmamk_", "v_madak_", "v_madmk_",
    ];
    let two = [
        "v_pk_fma_",
        "v_pk_fmac_",
        "v_dot2_f32",
        "v_dot2c_f32",
        "v_dot2acc_f32",
    ];
    let starts = |list: &[&str]| list.iter().any(|p| name.starts_with(p));
    if name.starts_with("v_wmma_f32_16x16x16") {
        // 16 x 16 x 16 of them, by 32 invocations.
        128
    } else if starts(&two) {
        2
    } else {
        usize::from(starts(&one))
    }
}

/// Bytes per invocation that a load's name states.
fn width(name: &str) -> usize {
    let ends = |list: &[&str]| list.iter().any(|e| name.ends_with(e));
    if ends(&["b128", "dwordx4", "format_xyzw"]) {
        16
    } else if ends(&["b96", "dwordx3", "format_xyz"]) {
        12
    } else if ends(&["b64", "dwordx2", "format_xy"]) {
        8
    } else if ["u8", "i8", "ubyte", "sbyte"]
        .iter()
        .any(|e| name.contains(e))
    {
        1
    } else if ["u16", "i16", "b16", "ushort", "sshort", "short_d16"]
        .iter()
        .any(|e| name.contains(e))
    {
        2
    } else {
        4
    }
}

/// How many registers the first operand names: 4 for `v[4:7]`.
fn registers(operands: &str) -> usize {
    let first = operands.split(',').next().unwrap_or("").trim();
    let range = first.strip_prefix("v[").and_then(|r| r.strip_suffix(']'));
    let ends = range.and_then(|r| r.split_once(':'));
    let parsed = ends.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    parsed.map_or(1, |(a, b): (usize, usize)| b.saturating_sub(a) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stage loop around an unrolled product, as GFX11 prints it, and a tail that has more multiply-adds but runs once.
    const NESTED: &str = "
BB0:
\ts_mov_b32 s0, 0                                             ; be800080
\ts_load_b128 s[4:7], s[2:3], 0x10                            ; f4080101 f8000010
BB1:
\tbuffer_load_b128 v[8:11], v1, s[4:7], 0 offen               ; e05c0000 80410801
\tbuffer_load_format_x v12, v1, s[4:7], 0 offen
\ts_waitcnt vmcnt(0)
\tds_store_b128 v2, v[8:11]
\ts_barrier
BB2:
\tds_load_b128 v[20:23], v3
\tds_load_2addr_b32 v[24:25], v3 offset0:1 offset1:9
\tv_fmac_f32_e32 v30, v20, v24                                ; 563c3114
\tv_dual_fmac_f32 v31, v21, v24 :: v_dual_mov_b32 v32, v33
\tv_fma_f32 v34, v22, v25, v34
\ts_cbranch_scc1 BB2
BB3:
\ts_cbranch_vccz BB5
BB4:
\ts_branch BB1
BB5:
\tv_fmac_f32 v1, v2, v3
\tv_fmac_f32 v1, v2, v3
\tv_fmac_f32 v1, v2, v3
\tv_fmac_f32 v1, v2, v3
\ts_endpgm
";

    #[test]
    fn the_hot_block_lies_in_a_loop_and_the_loop_around_it_is_found() {
        let code = Assembly::parse(NESTED);
        let hot = code.hot().expect("a hot loop");
        assert_eq!(
            hot.block,
            Count {
                multiply_adds: 3,
                instructions: 7,
                workgroup_loads: 2,
                workgroup_bytes: 16 + 8,
                ..Count::default()
            }
        );
        assert_eq!(
            hot.whole,
            Count {
                multiply_adds: 3,
                instructions: 5 + 7 + 2,
                workgroup_loads: 2,
                workgroup_bytes: 24,
                memory_loads: 2,
                memory_bytes: 20,
                scalar_loads: 0,
                waits: 1,
                barriers: 1,
            }
        );
        assert_eq!(hot.inner_loops, 1);
        assert_eq!(code.whole().multiply_adds, 7);
        assert_eq!(
            code.listing(&hot)[..2],
            ["BB2", "ds_load_b128 v[20:23], v3"]
        );
        assert!((hot.block.share() - 3.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn older_names_mean_the_same() {
        let code = Assembly::parse(
            "BB0:\n ds_read_b64 v[0:1], v2\n ds_read2_b32 v[0:1], v2 offset1:1\n ds_read2st64_b64 v[0:3], v2\n \
             buffer_load_dwordx3 v[0:2], v3, s[0:3], 0\n buffer_load_dword v0, v3, s[0:3], 0\n buffer_load_ushort v0, v1, s[0:3], 0\n \
             image_load v[4:7], v[0:1], s[0:7] dmask:0xf dim:SQ_RSRC_IMG_2D\n v_mac_f32_e32 v0, v1, v2\n \
             v_pk_fma_f16 v0, v1, v2, v3\n s_buffer_load_dwordx2 s[0:1], s[4:7], 0x0\n s_cbranch_scc0 BB0\n",
        );
        let hot = code.hot().expect("a hot loop");
        assert_eq!(
            (hot.block, hot.inner_loops),
            (
                Count {
                    multiply_adds: 3,
                    instructions: 11,
                    workgroup_loads: 3,
                    workgroup_bytes: 8 + 8 + 16,
                    memory_loads: 4,
                    memory_bytes: 12 + 4 + 2 + 16,
                    scalar_loads: 1,
                    ..Count::default()
                },
                0
            )
        );
        assert_eq!(hot.block, hot.whole);
    }

    #[test]
    fn what_is_no_listing_has_no_hot_loop() {
        for text in [
            "",
            "v_fmac_f32 v0, v1, v2",
            "(no disassembler)",
            "BB0:\n v_fmac_f32 v0, v1, v2\n s_endpgm",
        ] {
            let code = Assembly::parse(text);
            assert_eq!(code.hot(), None, "{text}");
        }
        assert_eq!(Assembly::parse("").whole(), Count::default());
    }
}
