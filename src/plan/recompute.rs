//! Trading time for memory: forward outputs that backward needs are dropped after their last forward use and computed
//! again right before backward reads them (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").
//!
//! The kernels of the second run are those of the first, on the same bits, so gradients don't change by one bit. By-products
//! of the first run (batch statistics, argmax) are kept: they are small, and save the second run half its work.

use super::cost::node_flops;
use super::liveness::Liveness;
use crate::error::Result;
use crate::ops::{Capabilities, Choices, Pass};
use crate::tape::{Node, Phase, Role, Tape};
use crate::tensor::{Tensor, TensorId};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A forward node whose output is dropped and computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Index of the node in the original tape.
    pub node: usize,
    /// Label of the node, e.g. `block1/batch_norm`.
    pub label: String,
    /// Name of the tensor.
    pub tensor: String,
    /// Bytes of the tensor.
    pub bytes: u64,
    /// Floating-point operations of the second run.
    pub flops: u64,
    /// [`crate::ops::Op::cheap_to_recompute`].
    pub cheap: bool,
}

/// A tape with some outputs recomputed, and what that gains.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The rewritten tape.
    pub tape: Tape,
    /// What is recomputed, in the order in which it was chosen.
    pub dropped: Vec<Dropped>,
    /// Peak of live arena bytes.
    pub peak: u64,
}

/// Rewrite `tape` so that output 0 of each forward node in `nodes` is not kept for backward but computed again.
///
/// Each is computed again once, right before the first node of backward that reads it (or that needs it to compute another
/// one again), and then lives until its last reader.
pub fn rewrite(tape: &Tape, nodes: &BTreeSet<usize>) -> Tape {
    let mut rewriter = Rewriter {
        original: tape,
        producers: nodes
            .iter()
            .map(|&n| (tape.nodes()[n].io.y(0).id(), n))
            .collect(),
        again: HashMap::new(),
        tape: tape.clone(),
        nodes: tape.nodes()[..tape.forward_nodes()].to_vec(),
    };
    for node in &tape.nodes()[tape.forward_nodes()..] {
        for t in node.reads() {
            rewriter.restore(t.id());
        }
        let node = rewriter.renamed(node);
        rewriter.nodes.push(node);
    }
    rewriter.tape.rewrite(rewriter.nodes);
    rewriter.tape
}

struct Rewriter<'t> {
    original: &'t Tape,
    /// Dropped tensor to the node that makes it.
    producers: HashMap<TensorId, usize>,
    /// Dropped tensor to its second computation.
    again: HashMap<TensorId, TensorId>,
    tape: Tape,
    nodes: Vec<Node>,
}

impl Rewriter<'_> {
    /// Make sure that `id` is in memory from here on.
    fn restore(&mut self, id: TensorId) {
        let Some(&index) = self.producers.get(&id) else {
            return;
        };
        if self.again.contains_key(&id) {
            return;
        }
        let original = &self.original.nodes()[index];
        for x in original.io.x.iter().flatten() {
            self.restore(x.id());
        }
        let mut node = self.renamed(original);
        let output = self.tape.duplicate(original.io.y(0));
        self.again.insert(id, output.id());
        node.pass = Pass::Recompute;
        node.io.y[0] = Some(output);
        self.nodes.push(node);
    }

    /// The node reading second computations where there are some.
    fn renamed(&self, node: &Node) -> Node {
        let mut node = node.clone();
        let io = &mut node.io;
        for t in io.x.iter_mut().chain(&mut io.y).chain([&mut io.dy]) {
            if let Some(t) = t
                && let Some(&id) = self.again.get(&t.id)
            {
                t.id = id;
            }
        }
        node
    }
}

/// Forward nodes whose output 0 may be computed again: an activation, made by an op that changes nothing in memory, from
/// tensors that nothing changes between the two runs.
pub fn droppable(tape: &Tape) -> Vec<usize> {
    // State tensors are left out: ops that train don't read what they update (running statistics).
    let changed: HashSet<TensorId> = (tape.nodes().iter())
        .filter(|n| n.phase == Phase::Batch)
        .flat_map(Node::mutates)
        .map(Tensor::id)
        .filter(|&id| tape.value(id).role != Role::State)
        .collect();
    let forward = tape.nodes()[..tape.forward_nodes()].iter().enumerate();
    forward
        .filter(|(_, n)| {
            n.pass == Pass::Forward
                && n.phase == Phase::Batch
                && n.op.mutates().is_empty()
                && n.io.y.first().is_some_and(Option::is_some)
                && tape.value(n.io.y(0).id()).role == Role::Activation
                && n.reads().iter().all(|t| !changed.contains(&t.id()))
        })
        .map(|(i, _)| i)
        .collect()
}

/// What one recomputation costs and could gain.
fn describe(tape: &Tape, index: usize) -> Dropped {
    let mut node = tape.nodes()[index].clone();
    node.pass = Pass::Recompute;
    let y = node.io.y(0);
    Dropped {
        node: index,
        label: node.label.clone(),
        tensor: tape.value(y.id()).name.clone(),
        bytes: y.spec().bytes(),
        flops: node_flops(&node),
        cheap: node.op.cheap_to_recompute(),
    }
}

/// A soft maximum (the 16-norm) of live bytes: unlike the maximum itself it falls whenever any high point falls, so that
/// a step towards a lower peak counts even while another point of the same height remains.
fn soft_peak(live: &[u64]) -> f64 {
    let peak = live.iter().copied().max().unwrap_or(0).max(1) as f64;
    let sum: f64 = live.iter().map(|&b| (b as f64 / peak).powi(16)).sum();
    peak * sum.powf(1.0 / 16.0)
}

/// Smallest gain worth a recomputation, as a part of the soft peak.
const WORTHWHILE: f64 = 1e-3;

/// Ways to run `tape` in less and less memory: the first is the tape as it is, each next one drops more.
///
/// Greedy: of all candidates the one that saves the most bytes per FLOP is dropped, and everything is planned again, until
/// nothing gains. Cheap ops come first; then any op; then whole blocks.
///
/// # Errors
/// As [`super::schedule()`].
pub fn stages(tape: &Tape, capabilities: &Capabilities, choices: &Choices) -> Result<Vec<Stage>> {
    let mut liveness = Liveness::new(capabilities, choices);
    let live = liveness.live_bytes(tape)?;
    let mut best = soft_peak(&live);
    let mut stages = vec![Stage {
        tape: tape.clone(),
        dropped: Vec::new(),
        peak: live.into_iter().max().unwrap_or(0),
    }];
    let all: Vec<Dropped> = droppable(tape)
        .into_iter()
        .map(|n| describe(tape, n))
        .collect();
    let alone: Vec<Vec<Dropped>> = all.iter().map(|d| vec![d.clone()]).collect();
    let cheap: Vec<Vec<Dropped>> = alone.iter().filter(|d| d[0].cheap).cloned().collect();
    let mut nodes = BTreeSet::new();
    for candidates in [cheap, alone, blocks(&all)] {
        loop {
            let mut found: Option<(f64, f64, Vec<&Dropped>, Tape, u64)> = None;
            for candidate in &candidates {
                let new: Vec<&Dropped> = candidate
                    .iter()
                    .filter(|d| !nodes.contains(&d.node))
                    .collect();
                if new.is_empty() {
                    continue;
                }
                let with: BTreeSet<usize> = nodes
                    .iter()
                    .copied()
                    .chain(new.iter().map(|d| d.node))
                    .collect();
                let rewritten = rewrite(tape, &with);
                let live = liveness.live_bytes(&rewritten)?;
                let soft = soft_peak(&live);
                let flops: u64 = new.iter().map(|d| d.flops).sum();
                let score = (best - soft) / flops.max(1) as f64;
                let better = found.as_ref().is_none_or(|f| score > f.0);
                if best - soft > WORTHWHILE * best && better {
                    let peak = live.into_iter().max().unwrap_or(0);
                    found = Some((score, soft, new, rewritten, peak));
                }
            }
            let Some((_, soft, new, rewritten, peak)) = found else {
                break;
            };
            best = soft;
            nodes.extend(new.iter().map(|d| d.node));
            let mut dropped = stages.last().map_or(Vec::new(), |s| s.dropped.clone());
            dropped.extend(new.into_iter().cloned());
            stages.push(Stage {
                tape: rewritten,
                dropped,
                peak,
            });
        }
    }
    Ok(stages)
}

/// Blocks: runs of 2, 4 and 8 neighbours. What one of them alone can't gain, because its input is dropped only with the
/// others, they gain together.
fn blocks(all: &[Dropped]) -> Vec<Vec<Dropped>> {
    let runs = [2, 4, 8].into_iter().flat_map(|n| all.windows(n));
    runs.map(<[Dropped]>::to_vec).collect()
}
