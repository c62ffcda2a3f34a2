//! The memory plan: every byte that training will allocate, known before the first allocation. Pure arithmetic, no GPU.

pub mod arena;
mod asked;
mod blocks;
pub mod budget;
mod buffers;
pub mod cost;
mod liveness;
pub mod recompute;
mod schedule;
pub mod summary;

pub use asked::where_asked;
pub use buffers::{BufferPlan, Category, Place, Placement, ProgramPlan, Purpose};
pub use schedule::{Item, Schedule, schedule};
pub use summary::{Largest, Recomputed, Summary, Tried, timeline};

use crate::error::{Error, Result};
use crate::ops::{Access, Capabilities, Step, Texels, Window};
use crate::tape::{Flat, Role};
use crate::tensor::TensorId;
use arena::Packing;
use blocks::Blocks;
use std::collections::HashMap;

/// The plan for one or more programs (training, evaluation) over the same persistent buffers.
#[derive(Debug, Clone)]
pub struct MemoryPlan {
    /// All buffers.
    pub buffers: Vec<BufferPlan>,
    /// The programs, in the order given.
    pub programs: Vec<ProgramPlan>,
    /// Rows of the textures that all programs share, in the order of [`Texels::ALL`].
    pub texel_rows: [u32; 2],
    /// Bytes of one upload buffer; there are [`UPLOAD_RING`] of them.
    pub upload_bytes: u64,
}

/// Upload buffers in flight, so that the host fills one while the device reads another.
pub const UPLOAD_RING: usize = 2;

/// Least size of an upload or readback buffer; larger transfers go through in pieces.
pub const STAGING_CHUNK: u64 = 256 << 10;

/// Alignment of a dispatch's params in the uniform buffer.
const UNIFORM_ALIGNMENT: u64 = 256;

impl MemoryPlan {
    /// Plan `programs` together: persistent buffers are shared by name, and each program's tensors are packed
    /// into the arenas of those before it, which grow only where they must: give the neediest first.
    ///
    /// `micro_batches`: how many [`Step`]s one upload carries.
    ///
    /// # Errors
    /// When two programs disagree on a shared tensor, a tensor exceeds the device's binding limit, or a dispatch would
    /// read and write one buffer.
    pub fn new(
        programs: &[(&str, &Schedule)],
        capabilities: &Capabilities,
        placement: Placement,
        micro_batches: usize,
    ) -> Result<Self> {
        let mut plan = Self {
            buffers: Vec::new(),
            programs: Vec::new(),
            texel_rows: [0; 2],
            upload_bytes: 0,
        };
        let mut packings = Vec::new();
        let mut arenas = Vec::new();
        for (name, s) in programs {
            let lives = s.lifetimes()?;
            let found = Blocks::new(s, &lives, capabilities);
            let packing = found.pack(s, capabilities, placement, &arenas)?;
            arenas.clone_from(&packing.arenas);
            plan.program(name, s, lives, &found, capabilities)?;
            packings.push((found.ids, packing));
        }
        plan.arenas(programs, &packings, &arenas, capabilities)?;
        let steps = (micro_batches * size_of::<Step>()) as u64;
        let streamed = plan.streamed_bytes(programs);
        plan.upload_bytes = (steps + streamed).max(STAGING_CHUNK).next_multiple_of(16);
        for i in 0..UPLOAD_RING {
            plan.buffer(
                &format!("upload {i}"),
                plan.upload_bytes,
                Category::Staging,
                Purpose::Upload,
            )?;
        }
        plan.buffer(
            "readback",
            STAGING_CHUNK,
            Category::Staging,
            Purpose::Readback,
        )?;
        plan.texel_rows = Texels::ALL.map(|t| {
            let most = programs.iter().map(|(_, s)| s.texels[t as usize]).max();
            Texels::rows(most.unwrap_or(0))
        });
        plan.room_for_windows(programs);
        plan.check_conflicts(programs)?;
        plan.check_sizes(capabilities)?;
        Ok(plan)
    }

    /// Inputs that are small enough to change every step travel through the upload ring with it.
    fn streamed_bytes(&self, programs: &[(&str, &Schedule)]) -> u64 {
        let bytes = |s: &Schedule| -> u64 {
            let inputs = s.items.iter().filter(|i| i.role == Role::Input);
            inputs
                .filter(|i| i.name.starts_with(STREAMED))
                .map(|i| i.spec.bytes())
                .sum()
        };
        programs.iter().map(|(_, s)| bytes(s)).max().unwrap_or(0)
    }

    fn buffer(
        &mut self,
        name: &str,
        bytes: u64,
        category: Category,
        purpose: Purpose,
    ) -> Result<usize> {
        if let Some(i) = self.buffers.iter().position(|b| b.name == name) {
            if self.buffers[i].bytes != bytes {
                return Err(Error::model(format!(
                    "the programs disagree on {name}: {} and {bytes} bytes",
                    self.buffers[i].bytes
                )));
            }
            return Ok(i);
        }
        self.buffers.push(BufferPlan {
            name: name.to_owned(),
            bytes,
            category,
            purpose,
        });
        Ok(self.buffers.len() - 1)
    }

    fn program(
        &mut self,
        name: &str,
        s: &Schedule,
        lives: Vec<Option<(usize, usize)>>,
        found: &Blocks,
        capabilities: &Capabilities,
    ) -> Result<()> {
        let mut places = vec![None; s.items.len()];
        for (i, item) in s.items.iter().enumerate() {
            if lives[i].is_none()
                && !matches!(item.role, Role::Parameter | Role::State | Role::Control)
            {
                continue;
            }
            places[i] = self.persistent(s, TensorId(i as u32), item, capabilities)?;
        }
        let mut distinct: HashMap<&[u8], u64> = HashMap::new();
        let mut params = Vec::new();
        let mut end = 0;
        for d in &s.dispatches {
            let offset = *distinct.entry(&d.params).or_insert_with(|| {
                let offset = end;
                end += (d.params.len() as u64).next_multiple_of(UNIFORM_ALIGNMENT);
                offset
            });
            params.push(offset);
        }
        let size = end.max(UNIFORM_ALIGNMENT);
        let uniforms = self.buffer(
            &format!("{name} params"),
            size,
            Category::Control,
            Purpose::Params,
        )?;
        let live_bytes = arena::live_bytes(&found.blocks);
        let peak = (0..live_bytes.len())
            .max_by_key(|&d| live_bytes[d])
            .unwrap_or(0);
        let workspace_at_peak = (found.ids.iter())
            .zip(&found.blocks)
            .filter(|(id, b)| s.items[id.index()].workspace && (b.first..=b.last).contains(&peak))
            .map(|(_, b)| b.bytes)
            .sum();
        self.programs.push(ProgramPlan {
            name: name.to_owned(),
            places,
            lives,
            uniforms,
            params,
            live_bytes,
            workspace_at_peak,
        });
        Ok(())
    }

    /// The place of a tensor that is not in an arena.
    fn persistent(
        &mut self,
        s: &Schedule,
        id: TensorId,
        item: &Item,
        capabilities: &Capabilities,
    ) -> Result<Option<Place>> {
        let flat = |plan: &mut Self, which: Flat| {
            let (name, category) = flat_buffer(which);
            let purpose = match which {
                Flat::Gradients => Purpose::Scratch,
                _ => Purpose::Lasting,
            };
            plan.buffer(name, s.flat_bytes.max(16), category, purpose)
        };
        let bytes = item.spec.bytes();
        let offset = s.offsets.get(&id).copied().unwrap_or(0);
        let buffer = match item.role {
            Role::Activation => return Ok(None),
            Role::Parameter => flat(self, Flat::Parameters)?,
            Role::Gradient => flat(self, Flat::Gradients)?,
            Role::Flat(which) => flat(self, which)?,
            Role::State => {
                let bytes = s.state_bytes.max(16);
                self.buffer("state", bytes, Category::Weights, Purpose::Lasting)?
            }
            Role::Control => self.buffer("control", bytes, Category::Control, Purpose::Lasting)?,
            Role::Input => {
                let name = format!("input {}", item.name);
                self.buffer(&name, bytes, Category::Dataset, Purpose::Lasting)?
            }
            Role::Output => {
                let name = format!("output {}", item.name);
                self.buffer(&name, bytes, Category::Control, Purpose::Scratch)?
            }
        };
        check_binding(item, bytes, capabilities)?;
        Ok(Some(Place {
            buffer,
            offset,
            bytes,
        }))
    }

    /// Create the arenas and put the programs' tensors into them.
    fn arenas(
        &mut self,
        programs: &[(&str, &Schedule)],
        packings: &[(Vec<TensorId>, Packing)],
        sizes: &[u64],
        capabilities: &Capabilities,
    ) -> Result<()> {
        let first = self.buffers.len();
        for (i, &bytes) in sizes.iter().enumerate() {
            self.buffer(
                &format!("arena {i}"),
                bytes,
                Category::Arenas,
                Purpose::Scratch,
            )?;
        }
        for (p, (ids, packing)) in packings.iter().enumerate() {
            for (id, spot) in ids.iter().zip(&packing.spots) {
                let item = &programs[p].1.items[id.index()];
                let bytes = item.spec.bytes();
                check_binding(item, bytes, capabilities)?;
                self.programs[p].places[id.index()] = Some(Place {
                    buffer: first + spot.arena,
                    offset: spot.offset,
                    bytes,
                });
            }
        }
        Ok(())
    }

    /// A window has a fixed size: a buffer whose last tensor is read through one may have to be longer than its tensors.
    fn room_for_windows(&mut self, programs: &[(&str, &Schedule)]) {
        for ((_, s), plan) in programs.iter().zip(&self.programs) {
            for window in s.dispatches.iter().flat_map(|d| &d.windows) {
                if let Some(place) = plan.places[s.root(&window.tensor).index()] {
                    let buffer = &mut self.buffers[place.buffer];
                    let end = place.offset + window.offset + Window::BYTES;
                    buffer.bytes = buffer.bytes.max(end);
                }
            }
        }
    }

    /// No dispatch may bind one buffer both `read` and `read_write`: wgpu refuses it.
    fn check_conflicts(&self, programs: &[(&str, &Schedule)]) -> Result<()> {
        for ((_, s), plan) in programs.iter().zip(&self.programs) {
            for dispatch in &s.dispatches {
                let used = s.accesses(dispatch)?;
                let buffers = |wanted: Access| {
                    let hit = used.iter().filter(move |(_, a)| *a == wanted);
                    hit.filter_map(|(id, _)| plan.places[id.index()].map(|p| p.buffer))
                };
                if let Some(b) =
                    buffers(Access::ReadWrite).find(|b| buffers(Access::Read).any(|r| r == *b))
                {
                    return Err(Error::device(format!(
                        "{}: reads and writes buffer '{}' in one dispatch; the op must go through a copy",
                        dispatch.kernel.name, self.buffers[b].name
                    )));
                }
            }
        }
        Ok(())
    }

    fn check_sizes(&self, capabilities: &Capabilities) -> Result<()> {
        let rows = capabilities.max_texture_rows;
        if let Some(t) = Texels::ALL
            .into_iter()
            .find(|&t| self.texel_rows[t as usize] > rows)
        {
            return Err(Error::new(
                crate::ErrorKind::Budget,
                format!(
                    "texture '{}' needs {} rows, the device allows {rows}",
                    t.name(),
                    self.texel_rows[t as usize]
                ),
            ));
        }
        let limit = capabilities.max_buffer_bytes;
        match self.buffers.iter().find(|b| b.bytes > limit) {
            Some(b) => Err(Error::new(
                crate::ErrorKind::Budget,
                format!(
                    "buffer '{}' needs {} bytes, the device allows {limit} in one buffer",
                    b.name, b.bytes
                ),
            )),
            None => Ok(()),
        }
    }

    /// Bytes of all buffers and textures.
    pub fn total_bytes(&self) -> u64 {
        self.buffers.iter().map(|b| b.bytes).sum::<u64>() + self.texel_bytes()
    }

    /// Bytes of the textures.
    pub fn texel_bytes(&self) -> u64 {
        self.texel_rows.into_iter().map(Texels::bytes_of_rows).sum()
    }

    /// Bytes of the buffers of one category.
    pub fn bytes(&self, category: Category) -> u64 {
        let of_it = self.buffers.iter().filter(|b| b.category == category);
        of_it.map(|b| b.bytes).sum()
    }

    /// Bytes of everything with arenas as small as the peak of live bytes: no placement can need less.
    pub fn lower_bound(&self) -> u64 {
        let live = self.programs.iter().map(ProgramPlan::lower_bound).max();
        self.total_bytes() - self.bytes(Category::Arenas) + live.unwrap_or(0)
    }

    /// The index of the buffer with this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.buffers.iter().position(|b| b.name == name)
    }
}

/// Inputs whose name starts so are written every step, through the upload ring.
pub const STREAMED: &str = "batch ";

/// Buffer name and category of a flat buffer.
pub fn flat_buffer(which: Flat) -> (&'static str, Category) {
    match which {
        Flat::Parameters => ("parameters", Category::Weights),
        Flat::Gradients => ("gradients", Category::Gradients),
        Flat::GradientSum => ("gradient sum", Category::Gradients),
        Flat::Moment1 => ("moment 1", Category::Optimizer),
        Flat::Moment2 => ("moment 2", Category::Optimizer),
        Flat::Average => ("average", Category::Optimizer),
    }
}

fn check_binding(item: &Item, bytes: u64, capabilities: &Capabilities) -> Result<()> {
    if bytes > capabilities.max_binding_bytes {
        return Err(Error::new(
            crate::ErrorKind::Budget,
            format!(
                "{} ({}) needs {bytes} bytes in one binding, the device allows {}",
                item.name, item.spec.shape, capabilities.max_binding_bytes
            ),
        ));
    }
    Ok(())
}
