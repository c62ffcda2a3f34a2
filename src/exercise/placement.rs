//! An exercise without a kernel: the places of a small training step's tensors, judged by the planner's rules and by its own result.

use super::Verdict;
use crate::error::{Error, Result};
use crate::plan::arena::{Block, Packing, lower_bound, pack};
use serde::{Deserialize, Serialize};

/// Offsets are multiples of this: WebGPU's `minStorageBufferOffsetAlignment`.
const ALIGNMENT: u64 = 256;

/// Orders that the planner tries; some hundred find the best there is for a handful of tensors.
const TRIES: usize = 400;

/// `plan.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    tensor: Vec<Tensor>,
    launch: Vec<Launch>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    name: String,
    bytes: u64,
    buffer: usize,
    offset: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Launch {
    name: String,
    reads: Vec<String>,
    writes: Vec<String>,
}

impl Plan {
    fn parse(text: &str, origin: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| Error::data(format!("{origin}: {}", e.message())))
    }

    /// What may not be changed.
    fn given(&self) -> (Vec<(&str, u64)>, &[Launch]) {
        let tensors = self.tensor.iter().map(|t| (t.name.as_str(), t.bytes));
        (tensors.collect(), &self.launch)
    }

    /// Life of each tensor: from the first launch that touches it to the last.
    fn blocks(&self) -> Vec<Block> {
        let block = |t: &Tensor| {
            let touches = |l: &Launch| l.reads.contains(&t.name) || l.writes.contains(&t.name);
            Block {
                bytes: t.bytes,
                first: self.launch.iter().position(touches).unwrap_or(0),
                last: self.launch.iter().rposition(touches).unwrap_or(0),
            }
        };
        self.tensor.iter().map(block).collect()
    }

    /// Pairs of tensors, one read and one written, and the launch that does it.
    fn conflicts(&self) -> Vec<(usize, usize, &str)> {
        let at = |name: &String| self.tensor.iter().position(|t| t.name == *name);
        let mut found = Vec::new();
        for launch in &self.launch {
            for read in launch.reads.iter().filter_map(at) {
                let written = launch.writes.iter().filter_map(at);
                found.extend(written.map(|w| (read, w, launch.name.as_str())));
            }
        }
        found
    }

    /// The program's own placement.
    fn packed(&self) -> Packing {
        let mut edges = vec![Vec::new(); self.tensor.len()];
        for (a, b, _) in self.conflicts() {
            edges[a].push(b);
            edges[b].push(a);
        }
        pack(&self.blocks(), &edges, u64::MAX, TRIES, &[])
    }

    /// Size of each buffer that is used: what reaches furthest into it.
    fn buffers(&self) -> Vec<(usize, u64)> {
        let mut sizes = std::collections::BTreeMap::new();
        for t in &self.tensor {
            let size = sizes.entry(t.buffer).or_insert(0);
            *size = t.offset.saturating_add(t.bytes).max(*size);
        }
        sizes.into_iter().collect()
    }

    /// Rules that the placement breaks, a sentence each.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let blocks = self.blocks();
        for (i, a) in self.tensor.iter().enumerate() {
            if a.offset % ALIGNMENT != 0 {
                faults.push(format!(
                    "{}: offset {} is no multiple of {ALIGNMENT}",
                    a.name, a.offset
                ));
            }
            for (j, b) in self.tensor.iter().enumerate().skip(i + 1) {
                let (first, last) = (
                    blocks[i].first.max(blocks[j].first),
                    blocks[i].last.min(blocks[j].last),
                );
                let end = |t: &Tensor| t.offset.saturating_add(t.bytes);
                let shared = a.buffer == b.buffer && a.offset < end(b) && b.offset < end(a);
                if shared && first <= last {
                    faults.push(format!(
                        "{} and {} overlap in buffer {}, and both live during '{}'",
                        a.name, b.name, a.buffer, self.launch[first].name
                    ));
                }
            }
        }
        for (read, written, launch) in self.conflicts() {
            let (a, b) = (&self.tensor[read], &self.tensor[written]);
            if a.buffer == b.buffer {
                faults.push(format!(
                    "'{launch}' reads {} and writes {}, both in buffer {}",
                    a.name, b.name, a.buffer
                ));
            }
        }
        faults
    }
}

/// Judge the student's plan; `given` is the one handed out.
///
/// # Errors
/// When a file is not a plan.
pub fn check(text: &str, given: &str, origin: &str) -> Result<Verdict> {
    let plan = Plan::parse(text, origin)?;
    let given = Plan::parse(given, "the exercise as it is handed out")?;
    if plan.given() != given.given() {
        let why =
            "wrong: more than buffers and offsets was changed; names, bytes and launches are given";
        return Ok(Verdict::no(vec![why.to_owned()]));
    }
    let mut faults = plan.faults();
    if !faults.is_empty() {
        faults.insert(0, "wrong in this:".to_owned());
        return Ok(Verdict::no(faults));
    }
    let own = plan.packed();
    let (buffers, best) = (plan.buffers(), own.arenas.len());
    let total: u64 = buffers.iter().map(|(_, size)| size).sum();
    let solved = buffers.len() <= best && total <= own.total();
    let findings = vec![
        "right: nothing that lives at the same time overlaps, and no launch reads and writes one buffer".to_owned(),
        format!(
            "{} buffers of {total} bytes; {best} of {} is asked for, which the program finds (no plan needs less than {})",
            buffers.len(),
            own.total(),
            lower_bound(&plan.blocks())
        ),
    ];
    Ok(Verdict { solved, findings })
}

/// The program's own placement of a plan's tensors, as the file would have it.
///
/// # Errors
/// When the text is not a plan.
pub fn solution(given: &str) -> Result<String> {
    let mut plan = Plan::parse(given, "the exercise as it is handed out")?;
    let packed = plan.packed();
    for (tensor, spot) in plan.tensor.iter_mut().zip(&packed.spots) {
        (tensor.buffer, tensor.offset) = (spot.arena, spot.offset);
    }
    toml::to_string(&plan).map_err(|e| Error::data(format!("can't write the plan: {e}")))
}
