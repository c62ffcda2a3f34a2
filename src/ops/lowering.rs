//! From ops to dispatches: what an op's `forward` and `backward` push into.

use super::choices::Chosen;
use super::{Capabilities, Choices, Iterations, Kernel, Posed, Problem};
use crate::error::{Error, Result};
use crate::tensor::{Spec, Tensor, TensorId};
use bytemuck::Pod;
use std::sync::Arc;

/// One kernel launch over named tensors. No device is involved yet.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: Kernel,
    /// Its storage buffers, in binding order.
    pub tensors: Vec<Tensor>,
    /// Its uniform windows, in binding order after `params`.
    pub windows: Vec<Window>,
    /// Bytes of the uniform `params`, empty when the kernel has none.
    pub params: Vec<u8>,
    /// Workgroups in x, y, z.
    pub grid: [u32; 3],
    /// The tape node it belongs to.
    pub node: usize,
    /// The rung that it is part of: index into the schedule's list of chosen rungs; none for a kernel without a ladder.
    pub chosen: Option<usize>,
}

/// Part of a tensor, read through the uniform address space: [`Window::BYTES`] from `offset` on, whatever lies there.
///
/// CPU drivers gather from a uniform block many times faster than from a storage buffer, but a block is limited to 64 KiB; so
/// a rung for such a driver cuts its work into pieces that fit. What lies beyond the tensor must not influence the result.
#[derive(Debug, Clone)]
pub struct Window {
    /// The tensor.
    pub tensor: Tensor,
    /// First byte, a multiple of [`Window::ALIGNMENT`].
    pub offset: u64,
}

impl Window {
    /// Size of every window: the least maximum that WebGPU guarantees for a uniform binding.
    pub const BYTES: u64 = 64 << 10;
    /// The largest offset alignment that a device may ask for.
    pub const ALIGNMENT: u64 = 256;

    /// 4-byte elements that are certain to be in a window that starts at any element.
    pub const ELEMENTS: usize = ((Self::BYTES - Self::ALIGNMENT) / 4) as usize;

    /// How many pieces of `length` elements, one every `stride` elements, are certain to be in a window that starts with the
    /// first of them; 0 when not even one is.
    pub const fn pieces(length: usize, stride: usize) -> usize {
        match Self::ELEMENTS.checked_sub(length) {
            Some(rest) => rest / stride + 1,
            None => 0,
        }
    }

    /// The window that starts at element `first` of a tensor of 4-byte elements, or up to 63 elements before it;
    /// and where in the window that element is.
    pub fn at(tensor: &Tensor, first: usize) -> (Self, u32) {
        let start = (first as u64 * 4) / Self::ALIGNMENT * Self::ALIGNMENT;
        let window = Self {
            tensor: tensor.clone(),
            offset: start,
        };
        (window, (first as u64 - start / 4) as u32)
    }
}

/// Scratch in a texture, four f32s to a texel. There are two, each the same for all nodes of all programs: what a node leaves there
/// is lost. (Two, because no dispatch may read and write one texture.)
///
/// CPU drivers load a texel as one vector, where they gather a vec4 of a buffer number by number; and a texture has no limit of
/// 64 KiB as a [`Window`] has. A kernel sees the texel with number `i` at `(i % WIDTH, i / WIDTH)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texels {
    /// Planes of images, four channels to a texel.
    Planes,
    /// Factors of matrix products.
    Factors,
}

impl Texels {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Planes, Self::Factors];

    /// What kernels call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planes => "planes",
            Self::Factors => "factors",
        }
    }

    /// Texels in a row.
    pub const WIDTH: usize = 2048;
    /// Bytes of a texel.
    pub const BYTES: u64 = 16;

    /// Bytes of `rows` rows.
    pub fn bytes_of_rows(rows: u32) -> u64 {
        u64::from(rows) * Self::WIDTH as u64 * Self::BYTES
    }

    /// Rows that hold `count` texels.
    pub fn rows(count: usize) -> u32 {
        count.div_ceil(Self::WIDTH) as u32
    }
}

/// Tensors of one node. Which are present depends on the pass: forward has x and y; backward has the saved x and y, dy,
/// and those dx that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct Io {
    pub(crate) x: Vec<Option<Tensor>>,
    pub(crate) y: Vec<Option<Tensor>>,
    pub(crate) dy: Option<Tensor>,
    pub(crate) dx: Vec<Option<Tensor>>,
}

impl Io {
    /// Input `i`.
    ///
    /// # Panics
    /// In backward, when `saved()` does not name it: a bug in the op.
    pub fn x(&self, i: usize) -> &Tensor {
        self.x[i].as_ref().expect("saved() names this input")
    }

    /// Output `i`.
    ///
    /// # Panics
    /// In backward, when `saved()` does not name it: a bug in the op.
    pub fn y(&self, i: usize) -> &Tensor {
        self.y[i].as_ref().expect("saved() names this output")
    }

    /// Gradient of output 0.
    ///
    /// # Panics
    /// In forward.
    pub fn dy(&self) -> &Tensor {
        self.dy.as_ref().expect("dy exists in backward only")
    }

    /// Gradient of input `i`, which somebody wants.
    ///
    /// # Panics
    /// When nobody does: a bug in the op, which then has no reason to compute it.
    pub fn wanted(&self, i: usize) -> &Tensor {
        self.dx[i].as_ref().expect("a wanted gradient")
    }

    /// Gradient of input `i`, or `None` when nobody wants it (the first layer's x, frozen weights).
    pub fn dx(&self, i: usize) -> Option<&Tensor> {
        self.dx[i].as_ref()
    }
}

/// The most launches of one op in one pass. Kernels that go through their operands in pieces, as those for CPU drivers do, make 70,000 for a
/// layer over rows of a thousand frames, which still trains; for one with a million filters it would be millions, each with its parameters in
/// host memory.
const MOST_LAUNCHES: usize = 1 << 18;

/// Collects dispatches and workspace tensors of a whole schedule.
pub struct Lowering<'a> {
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) choices: &'a Choices,
    pub(crate) control: Tensor,
    pub(crate) next_id: u32,
    pub(crate) workspaces: Vec<(String, Tensor)>,
    pub(crate) dispatches: Vec<Dispatch>,
    pub(crate) texels: [usize; 2],
    pub(crate) chosen: Vec<Chosen>,
    pub(crate) node: usize,
}

impl Lowering<'_> {
    /// Launch `kernel` over `tensors` (in binding order) with `params`, on `grid` workgroups.
    ///
    /// # Errors
    /// When the kernel's source declares another number of buffers, the grid exceeds 65,535 in a dimension, or the op has made
    /// as many launches as one may.
    pub fn dispatch<P: Pod>(
        &mut self,
        kernel: Kernel,
        tensors: &[&Tensor],
        params: P,
        grid: [u32; 3],
    ) -> Result<()> {
        self.dispatch_windows(kernel, tensors, Vec::new(), params, grid)
    }

    /// [`Lowering::dispatch`] with uniform windows after `params`. (In front of it they would push its index up, and
    /// Mesa 22's pass that inlines uniforms writes beyond its tables for high indices.)
    ///
    /// # Errors
    /// As there; and when the kernel declares another number of windows.
    pub fn dispatch_windows<P: Pod>(
        &mut self,
        kernel: Kernel,
        tensors: &[&Tensor],
        windows: Vec<Window>,
        params: P,
        grid: [u32; 3],
    ) -> Result<()> {
        let reflection = kernel.reflect()?;
        if (reflection.storage.len(), reflection.windows) != (tensors.len(), windows.len()) {
            return Err(Error::device(format!(
                "{}: declares {} storage buffers and {} windows, the op binds {} and {}",
                kernel.path(),
                reflection.storage.len(),
                reflection.windows,
                tensors.len(),
                windows.len()
            )));
        }
        if grid.iter().any(|&g| g == 0 || g > 65_535) {
            return Err(Error::too_large(
                kernel.name,
                format!(
                    "a grid of {}x{}x{} workgroups exceeds 65,535 in one dimension (or is empty)",
                    grid[0], grid[1], grid[2]
                ),
            ));
        }
        let first = self.dispatches.partition_point(|d| d.node < self.node);
        if self.dispatches.len() - first >= MOST_LAUNCHES {
            return Err(Error::too_large(
                kernel.name,
                format!("an op of more than {MOST_LAUNCHES} launches"),
            ));
        }
        self.dispatches.push(Dispatch {
            kernel,
            tensors: tensors.iter().map(|&t| t.clone()).collect(),
            windows,
            params: bytemuck::bytes_of(&params).to_vec(),
            grid,
            node: self.node,
            chosen: self.current_choice(),
        });
        Ok(())
    }

    /// The last choice made for the current node.
    fn current_choice(&self) -> Option<usize> {
        let index = self.chosen.len().checked_sub(1)?;
        (self.chosen[index].node == self.node).then_some(index)
    }

    /// A scratch tensor that lives between the dispatches of this node; it is part of the memory plan.
    pub fn workspace(&mut self, name: &str, spec: Spec) -> Tensor {
        let tensor = Tensor {
            id: TensorId(self.next_id),
            spec,
        };
        self.next_id += 1;
        self.workspaces.push((name.to_owned(), tensor.clone()));
        tensor
    }

    /// Make sure that a texture has texels `0..count`; they are part of the memory plan.
    pub fn need_texels(&mut self, texels: Texels, count: usize) {
        let most = &mut self.texels[texels as usize];
        *most = count.max(*most);
    }

    /// Bytes that one workspace should not exceed: see [`Choices::workspace_cap`].
    pub fn workspace_cap(&self) -> u64 {
        self.choices.workspace_cap()
    }

    /// The `control` buffer that holds the [`super::Step`].
    pub fn control(&self) -> Tensor {
        self.control.clone()
    }

    /// Refuses an op whose invocations take more iterations of their loops than the driver lets them.
    ///
    /// # Errors
    /// Says of `op` how many it would take, and how many may be.
    pub fn check_iterations(&self, op: &str, iterations: Iterations) -> Result<()> {
        let verdict = self.capabilities.allow(iterations);
        verdict.map_err(|why| Error::device(format!("{op}: {why}")))
    }

    /// What the device can do.
    pub fn capabilities(&self) -> &Capabilities {
        self.capabilities
    }

    /// Note that a rung was chosen: dispatches of this node belong to it from here on.
    pub(super) fn note(
        &mut self,
        family: &'static str,
        rung: &'static str,
        problem: Problem,
        posed: Arc<dyn Posed>,
    ) {
        self.chosen.push(Chosen {
            node: self.node,
            family,
            rung,
            problem,
            posed,
        });
    }
}

/// Workgroups for `invocations` in groups of `workgroup`, folded into y beyond 65,535. A kernel recovers its index as
/// `(workgroup_id.y * num_workgroups.x + workgroup_id.x) * workgroup + local_invocation_index`, and checks the bound.
pub fn grid_1d(invocations: usize, workgroup: usize) -> [u32; 3] {
    let groups = invocations.div_ceil(workgroup).max(1);
    if groups <= 65_535 {
        return [groups as u32, 1, 1];
    }
    let rows = groups.div_ceil(65_535);
    [groups.div_ceil(rows) as u32, rows as u32, 1]
}
