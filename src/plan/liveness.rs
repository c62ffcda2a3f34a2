//! Live bytes of many variants of one tape, without lowering each of them whole.
//!
//! The planner tries hundreds of rewritten tapes that differ in a few nodes. What a node's dispatches touch depends on the
//! node alone, so it is found once per op and pass, as positions in its inputs and outputs, and looked up afterwards.

use super::arena::{self, Block};
use super::schedule::{in_place, lower, pair};
use crate::error::Result;
use crate::ops::{Capabilities, Choices, Dispatch, Lowering, Pass};
use crate::tape::{Node, Role, Tape};
use crate::tensor::{Tensor, TensorId};
use std::collections::HashMap;
use std::sync::Arc;

/// A tensor as seen from its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    X(usize),
    Y(usize),
    Dy,
    Dx(usize),
    Workspace(usize),
}

/// What the dispatches of a node touch.
#[derive(Debug)]
struct Trace {
    /// One list per dispatch; neighbours that touch the same tensors count once.
    touched: Vec<Vec<Slot>>,
    /// Bytes of the workspaces.
    workspaces: Vec<u64>,
}

/// See the [module](self).
pub(super) struct Liveness<'a> {
    capabilities: &'a Capabilities,
    choices: &'a Choices,
    /// By the op's address (each node recorded on a tape has its own) and pass.
    traces: HashMap<(usize, Pass), Trace>,
}

impl<'a> Liveness<'a> {
    pub(super) fn new(capabilities: &'a Capabilities, choices: &'a Choices) -> Self {
        Self {
            capabilities,
            choices,
            traces: HashMap::new(),
        }
    }

    /// Bytes of arena tensors alive during the dispatches of a step. The tape must be one tape or a rewriting of it.
    ///
    /// # Errors
    /// As [`super::schedule()`].
    pub(super) fn live_bytes(&mut self, tape: &Tape) -> Result<Vec<u64>> {
        let (roots, copies) = in_place(tape);
        let mut lives: Vec<Option<(usize, usize)>> = vec![None; tape.values().len()];
        let mut blocks = Vec::new();
        let mut now = 0;
        let alignment = self.capabilities.offset_alignment;
        let block = |life: Option<(usize, usize)>, bytes: u64| {
            life.map(|(first, last)| Block {
                bytes: bytes.next_multiple_of(alignment),
                first,
                last,
            })
        };
        let touch = |id: TensorId, now: usize, lives: &mut Vec<Option<(usize, usize)>>| {
            let life = &mut lives[roots[id.index()].index()];
            *life = Some((life.map_or(now, |l| l.0), now));
        };
        for (node, &copied) in tape.nodes().iter().zip(&copies) {
            if copied && let Some((from, to)) = pair(node) {
                touch(from.id(), now, &mut lives);
                touch(to.id(), now, &mut lives);
                now += 1;
            }
            let trace = self.trace(tape, node)?;
            let mut scratch: Vec<Option<(usize, usize)>> = vec![None; trace.workspaces.len()];
            for slots in &trace.touched {
                for &slot in slots {
                    match (tensor(node, slot), slot) {
                        (Some(t), _) => touch(t.id(), now, &mut lives),
                        (None, Slot::Workspace(w)) => {
                            scratch[w] = Some((scratch[w].map_or(now, |l| l.0), now));
                        }
                        _ => {}
                    }
                }
                now += 1;
            }
            let used = scratch.iter().zip(&trace.workspaces);
            blocks.extend(used.filter_map(|(life, &bytes)| block(*life, bytes)));
        }
        for (value, life) in tape.values().iter().zip(lives) {
            if value.role == Role::Activation {
                blocks.extend(block(life, value.spec.bytes()));
            }
        }
        Ok(arena::live_bytes(&blocks))
    }

    fn trace(&mut self, tape: &Tape, node: &Node) -> Result<&Trace> {
        let key = (Arc::as_ptr(&node.op).cast::<()>() as usize, node.pass);
        if !self.traces.contains_key(&key) {
            let trace = self.lower(tape, node)?;
            self.traces.insert(key, trace);
        }
        Ok(&self.traces[&key])
    }

    fn lower(&self, tape: &Tape, node: &Node) -> Result<Trace> {
        let first_workspace = tape.values().len();
        let mut l = Lowering {
            capabilities: self.capabilities,
            choices: self.choices,
            control: tape.control().clone(),
            next_id: first_workspace as u32,
            workspaces: Vec::new(),
            dispatches: Vec::new(),
            texels: [0; 2],
            chosen: Vec::new(),
            node: 0,
        };
        lower(node, &mut l)?;
        let slot = |t: &Tensor| match t.id().index().checked_sub(first_workspace) {
            Some(w) => Some(Slot::Workspace(w)),
            None => find(node, t.id()),
        };
        let slots = |d: &Dispatch| {
            let bound = d.tensors.iter().chain(d.windows.iter().map(|w| &w.tensor));
            let mut slots: Vec<Slot> = bound.filter_map(slot).collect();
            slots.sort_unstable();
            slots.dedup();
            slots
        };
        let mut touched: Vec<Vec<Slot>> = l.dispatches.iter().map(slots).collect();
        touched.dedup();
        Ok(Trace {
            touched,
            workspaces: l.workspaces.iter().map(|(_, t)| t.spec().bytes()).collect(),
        })
    }
}

fn tensor(node: &Node, slot: Slot) -> Option<&Tensor> {
    let io = &node.io;
    match slot {
        Slot::X(i) => io.x[i].as_ref(),
        Slot::Y(i) => io.y[i].as_ref(),
        Slot::Dy => io.dy.as_ref(),
        Slot::Dx(i) => io.dx[i].as_ref(),
        Slot::Workspace(_) => None,
    }
}

/// Where a node has this tensor; `None` for the step's control tensor.
fn find(node: &Node, id: TensorId) -> Option<Slot> {
    let io = &node.io;
    let (x, y, dx) = (0..io.x.len(), 0..io.y.len(), 0..io.dx.len());
    x.map(Slot::X)
        .chain(y.map(Slot::Y))
        .chain([Slot::Dy])
        .chain(dx.map(Slot::Dx))
        .find(|&s| tensor(node, s).is_some_and(|t| t.id() == id))
}
