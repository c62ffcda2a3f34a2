//! What a plan is made of: buffers, places in them, a program's part.

/// What a buffer's bytes are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Parameters and running statistics.
    Weights,
    /// Gradients of the parameters.
    Gradients,
    /// The optimizer's moments, and the moving average of the weights.
    Optimizer,
    /// Tensors of the model between their first write and last read, and kernels' scratch among them.
    Arenas,
    /// Step state, kernel parameters, metrics.
    Control,
    /// Host-visible upload and readback buffers.
    Staging,
    /// The data set, or the current batch when it is streamed.
    Dataset,
}

/// What is done with a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Tensors that last from step to step, or that the host writes.
    Lasting,
    /// Tensors that a step writes before it reads them.
    Scratch,
    /// Kernels' params, written once.
    Params,
    /// Written by the host, copied from.
    Upload,
    /// Copied to, read by the host.
    Readback,
}

/// A buffer to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferPlan {
    /// Unique name.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// What it counts as.
    pub category: Category,
    /// What is done with it.
    pub purpose: Purpose,
}

/// Where a tensor lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index into [`super::MemoryPlan::buffers`].
    pub buffer: usize,
    /// Offset in bytes.
    pub offset: u64,
    /// Bytes that a binding covers.
    pub bytes: u64,
}

/// One program's part of the plan.
#[derive(Debug, Clone)]
pub struct ProgramPlan {
    /// e.g. `training`.
    pub name: String,
    /// Place of every root tensor that a dispatch touches.
    pub places: Vec<Option<Place>>,
    /// First and last dispatch of every root tensor.
    pub lives: Vec<Option<(usize, usize)>>,
    /// The program's uniform buffer (index into [`super::MemoryPlan::buffers`]) with all kernels' params.
    pub uniforms: usize,
    /// Offset of each dispatch's params in it.
    pub params: Vec<u64>,
    /// Bytes of arena tensors alive during each dispatch.
    pub live_bytes: Vec<u64>,
    /// Bytes of workspaces alive at the peak.
    pub workspace_at_peak: u64,
}

impl ProgramPlan {
    /// Peak of live bytes: what a perfect placement would need.
    pub fn lower_bound(&self) -> u64 {
        self.live_bytes.iter().copied().max().unwrap_or(0)
    }

    /// The (first) dispatch at that peak.
    pub fn peak(&self) -> usize {
        let bound = self.lower_bound();
        self.live_bytes
            .iter()
            .position(|&b| b == bound)
            .unwrap_or(0)
    }
}

/// How tensors are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In shared arenas; the argument is how many orders the packer tries.
    Arenas(usize),
    /// Every tensor in a buffer of its own, never reused: what [`crate::sync_check`] compares the arenas with.
    Separate,
}

impl Placement {
    /// A rough packing, for plans that are only compared.
    pub const QUICK: Self = Self::Arenas(16);
}

impl Default for Placement {
    fn default() -> Self {
        Self::Arenas(1000)
    }
}
