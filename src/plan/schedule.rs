//! From tape to dispatches: in-place decisions, then lowering. Pure arithmetic.

use crate::error::{Error, Result};
use crate::ops::{Access, Capabilities, Choices, Chosen, Dispatch, Lowering, Pass, util};
use crate::tape::{Node, Phase, Role, Tape};
use crate::tensor::{Spec, Tensor, TensorId};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// A tensor of a schedule: one of the tape's, or a workspace of one node.
#[derive(Debug, Clone)]
pub struct Item {
    /// For tables and pictures.
    pub name: String,
    /// Shape and type.
    pub spec: Spec,
    /// What it is for.
    pub role: Role,
    /// Scratch of a kernel rather than a tensor of the model.
    pub workspace: bool,
}

/// The dispatches of one step, over tensors that have no place in memory yet.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// All tensors, by id; workspaces follow the tape's.
    pub items: Vec<Item>,
    /// For each tensor the one whose memory it shares (itself, unless an op runs in place).
    pub roots: Vec<TensorId>,
    /// The dispatches, in order.
    pub dispatches: Vec<Dispatch>,
    /// How many texels of each texture they use, in the order of [`crate::ops::Texels::ALL`].
    pub texels: [usize; 2],
    /// Labels of the nodes, for tables.
    pub labels: Vec<String>,
    /// Dispatches that run for every micro-batch.
    pub batch: Range<usize>,
    /// The last of these, which add a micro-batch to those before it; none where that is not apart
    /// ([`Tape::sum_apart`](crate::tape::Tape::sum_apart)).
    pub sums: Range<usize>,
    /// Dispatches that run once per step.
    pub update: Range<usize>,
    /// The rungs chosen.
    pub chosen: Vec<Chosen>,
    /// Offsets of parameters (and their gradients, moments) in the flat buffers, of state in its buffer.
    pub offsets: HashMap<TensorId, u64>,
    /// Sizes of the flat buffers and of the state buffer.
    pub flat_bytes: u64,
    /// Size of the state buffer.
    pub state_bytes: u64,
}

/// Lower a tape for a device.
///
/// # Errors
/// When a kernel family has no rung for a problem, or a kernel's source does not fit its op.
pub fn schedule(tape: &Tape, capabilities: &Capabilities, choices: &Choices) -> Result<Schedule> {
    let mut items: Vec<Item> = tape
        .values()
        .iter()
        .map(|v| Item {
            name: v.name.clone(),
            spec: v.spec.clone(),
            role: v.role,
            workspace: false,
        })
        .collect();
    let (mut roots, copies) = in_place(tape);
    let mut l = Lowering {
        capabilities,
        choices,
        control: tape.control().clone(),
        next_id: items.len() as u32,
        workspaces: Vec::new(),
        dispatches: Vec::new(),
        texels: [0; 2],
        chosen: Vec::new(),
        node: 0,
    };
    let (mut sum_start, mut update_start) = (None, None);
    for (index, node) in tape.nodes().iter().enumerate() {
        if node.phase == Phase::Update && update_start.is_none() {
            update_start = Some(l.dispatches.len());
        }
        if node.phase == Phase::Sum && sum_start.is_none() {
            sum_start = Some(l.dispatches.len());
        }
        l.node = index;
        if copies[index]
            && let Some((from, to)) = pair(node)
        {
            util::copy(from, to, &mut l)?;
        }
        let before = l.workspaces.len();
        lower(node, &mut l)?;
        for (name, _) in &mut l.workspaces[before..] {
            *name = format!("{}: {name}", node.label);
        }
    }
    for (name, tensor) in &l.workspaces {
        items.push(Item {
            name: name.clone(),
            spec: tensor.spec().clone(),
            role: Role::Activation,
            workspace: true,
        });
        roots.push(tensor.id());
    }
    let (mut offsets, flat_bytes) = tape.flat_layout();
    for g in tape.tensors(Role::Gradient) {
        if let Some(offset) = tape
            .parameter_of(g.id())
            .and_then(|p| offsets.get(&p).copied())
        {
            offsets.insert(g.id(), offset);
        }
    }
    let (state_offsets, state_bytes) = tape.state_layout();
    offsets.extend(state_offsets);
    let split = update_start.unwrap_or(l.dispatches.len());
    Ok(Schedule {
        items,
        roots,
        batch: 0..split,
        sums: sum_start.unwrap_or(split)..split,
        update: split..l.dispatches.len(),
        dispatches: l.dispatches,
        texels: l.texels,
        labels: tape.nodes().iter().map(|n| n.label.clone()).collect(),
        chosen: l.chosen,
        offsets,
        flat_bytes,
        state_bytes,
    })
}

/// Push the dispatches of one node.
pub(super) fn lower(node: &Node, l: &mut Lowering) -> Result<()> {
    let lowered = match node.pass {
        Pass::Forward => node.op.forward(&node.io, l),
        Pass::Backward => node.op.backward(&node.io, l),
        Pass::Recompute => node.op.recompute(&node.io, l),
    };
    lowered.map_err(|e| e.context(&node.label))
}

/// The (input, output) pair of a node that runs in place.
pub(super) fn pair(node: &Node) -> Option<(&Tensor, &Tensor)> {
    let (i, o) = node.op.in_place(node.pass)?;
    match node.pass {
        Pass::Backward => Some((node.io.dy(), node.io.dx(o)?)),
        _ => Some((node.io.x(i), node.io.y(o))),
    }
}

/// Which outputs take over an input's memory: only where nobody reads the input (or anything that shares its memory)
/// afterwards. Elsewhere the input is copied first, and the kernels run in place on the copy.
pub(super) fn in_place(tape: &Tape) -> (Vec<TensorId>, Vec<bool>) {
    let values = tape.values();
    let mut roots: Vec<TensorId> = (0..values.len()).map(|i| TensorId(i as u32)).collect();
    let mut last_use = vec![0; values.len()];
    for (index, node) in tape.nodes().iter().enumerate() {
        for t in node.reads().into_iter().chain(node.writes()) {
            last_use[t.id().index()] = index;
        }
    }
    // last_use of a root covers all tensors that share its memory; it grows as pairs are joined.
    let mut copies = vec![false; tape.nodes().len()];
    for (index, node) in tape.nodes().iter().enumerate() {
        let Some((from, to)) = pair(node) else {
            continue;
        };
        let root = roots[from.id().index()];
        let sharing = |t: &&Tensor| roots[t.id().index()] == root;
        let alone = node.reads().iter().filter(|t| sharing(t)).count() == 1;
        let arena = |id: TensorId| values[id.index()].role == Role::Activation;
        let ends_here = last_use[root.index()] <= index;
        let same_size = values[root.index()].spec.bytes() == to.spec().bytes();
        if alone && arena(root) && arena(to.id()) && ends_here && same_size {
            roots[to.id().index()] = root;
            last_use[root.index()] = last_use[to.id().index()];
        } else {
            copies[index] = true;
        }
    }
    (roots, copies)
}

impl Schedule {
    /// The tensor whose memory `tensor` uses.
    pub fn root(&self, tensor: &Tensor) -> TensorId {
        self.roots[tensor.id().index()]
    }

    /// Whether what computes a micro-batch leaves alone what [`sums`](Self::sums) add up, so that the two can run on different ranks.
    ///
    /// # Errors
    /// With the first kernel that does not.
    pub fn check_apart(&self) -> Result<()> {
        let mut summed = HashSet::new();
        for dispatch in &self.dispatches[self.sums.clone()] {
            let written = self.accesses(dispatch)?.into_iter();
            summed.extend(written.filter(|w| w.1 == Access::ReadWrite).map(|w| w.0));
        }
        for dispatch in &self.dispatches[self.batch.start..self.sums.start] {
            let touched = self.accesses(dispatch)?;
            if let Some((id, _)) = touched.iter().find(|t| summed.contains(&t.0)) {
                return Err(Error::model(format!(
                    "{}: touches {}, to which micro-batches add, so ranks can't share a step; train with one rank",
                    self.labels[dispatch.node],
                    self.items[id.index()].name
                )));
            }
        }
        Ok(())
    }

    /// Access of every binding of a dispatch, storage buffers and windows, by root tensor.
    ///
    /// # Errors
    /// When the kernel can't be parsed.
    pub fn accesses(&self, dispatch: &Dispatch) -> Result<Vec<(TensorId, Access)>> {
        let reflection = dispatch.kernel.reflect()?;
        Ok(dispatch
            .tensors
            .iter()
            .zip(&reflection.storage)
            .map(|(t, &a)| (self.root(t), a))
            .chain(
                dispatch
                    .windows
                    .iter()
                    .map(|w| (self.root(&w.tensor), Access::Read)),
            )
            .collect())
    }

    /// First and last dispatch that touches each root tensor; `None` for tensors that no dispatch touches.
    ///
    /// # Errors
    /// When an activation is read before anything wrote it: a bug in an op.
    pub fn lifetimes(&self) -> Result<Vec<Option<(usize, usize)>>> {
        let mut lives: Vec<Option<(usize, usize)>> = vec![None; self.items.len()];
        for (d, dispatch) in self.dispatches.iter().enumerate() {
            for (id, access) in self.accesses(dispatch)? {
                let item = &self.items[id.index()];
                match &mut lives[id.index()] {
                    Some(life) => life.1 = d,
                    None if access == Access::Read && item.role == Role::Activation => {
                        return Err(Error::device(format!(
                            "{}: reads {} before any kernel wrote it",
                            dispatch.kernel.name, item.name
                        )));
                    }
                    slot => *slot = Some((d, d)),
                }
            }
        }
        Ok(lives)
    }
}
