//! The one allocator: every buffer is created here, counted, and checked against the plan.

use super::Gpu;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Texels;
use crate::plan::{MemoryPlan, Purpose};

/// The buffers of a plan, created once.
#[derive(Debug)]
pub(crate) struct Buffers {
    list: Vec<wgpu::Buffer>,
    textures: [Option<(wgpu::Texture, wgpu::TextureView)>; 2],
    created_bytes: u64,
}

impl Buffers {
    /// Create every buffer of `plan`.
    ///
    /// # Errors
    /// When the driver refuses one (kind [`ErrorKind::OutOfMemory`]), naming it and what was created so far.
    pub(crate) fn create(gpu: &Gpu, plan: &MemoryPlan) -> Result<Self> {
        let mut buffers = Self {
            list: Vec::new(),
            textures: [None, None],
            created_bytes: 0,
        };
        let cap = plan.total_bytes();
        for b in &plan.buffers {
            let usage = usage(b.purpose);
            buffers.allocate(gpu, &b.name, b.bytes, usage, cap)?;
        }
        for texels in Texels::ALL {
            let rows = plan.texel_rows[texels as usize];
            if rows > 0 {
                buffers.create_texture(gpu, texels, rows, cap)?;
            }
        }
        Ok(buffers)
    }

    /// Count something that is about to be created, unless it would exceed `cap`; what to call that in a message.
    fn count_bytes(&mut self, what: &str, bytes: u64, cap: u64) -> Result<String> {
        let before = self.created_bytes;
        if before + bytes > cap {
            return Err(Error::new(
                ErrorKind::Budget,
                format!(
                    "{what} of {bytes} bytes would exceed the planned {cap} ({before} created)"
                ),
            ));
        }
        self.created_bytes += bytes;
        Ok(format!(
            "creating {what} of {bytes} bytes after {before} bytes"
        ))
    }

    fn allocate(
        &mut self,
        gpu: &Gpu,
        name: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
        cap: u64,
    ) -> Result<()> {
        let what = self.count_bytes(&format!("buffer '{name}'"), bytes, cap)?;
        let buffer = gpu.create(&what, || {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(name),
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        })?;
        self.list.push(buffer);
        Ok(())
    }

    fn create_texture(&mut self, gpu: &Gpu, texels: Texels, rows: u32, cap: u64) -> Result<()> {
        let bytes = Texels::bytes_of_rows(rows);
        let what = self.count_bytes(&format!("texture '{}'", texels.name()), bytes, cap)?;
        let size = wgpu::Extent3d {
            width: Texels::WIDTH as u32,
            height: rows,
            depth_or_array_layers: 1,
        };
        // A texture that may be copied to is cleared by copies at its first use, any other in a render pass. And lavapipe, once it has
        // seen a render pass, writes timestamps late, so that dispatches seem to take no time.
        let usage = wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST;
        let texture = gpu.create(&what, || {
            gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some(texels.name()),
                size,
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba32Float,
                usage,
                view_formats: &[],
            })
        })?;
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        self.textures[texels as usize] = Some((texture, view));
        Ok(())
    }

    /// One of the textures, if the plan has it.
    pub(crate) fn texels(&self, texels: Texels) -> Option<&wgpu::TextureView> {
        let texture = self.textures[texels as usize].as_ref();
        texture.map(|(_, view)| view)
    }

    /// The buffer with this index in the plan.
    pub(crate) fn get(&self, index: usize) -> &wgpu::Buffer {
        &self.list[index]
    }

    /// Number of buffers created.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// Bytes of all that was created, by the sizes that it reports.
    pub(crate) fn bytes(&self) -> u64 {
        let textures = self
            .textures
            .iter()
            .flatten()
            .map(|(t, _)| u64::from(t.width()) * u64::from(t.height()) * Texels::BYTES);
        self.list
            .iter()
            .map(wgpu::Buffer::size)
            .chain(textures)
            .sum()
    }
}

fn usage(purpose: Purpose) -> wgpu::BufferUsages {
    use wgpu::BufferUsages as U;
    match purpose {
        Purpose::Readback => U::MAP_READ | U::COPY_DST,
        Purpose::Upload => U::MAP_WRITE | U::COPY_SRC,
        Purpose::Params => U::UNIFORM | U::COPY_DST,
        // Uniform too: kernels may read windows of any tensor.
        Purpose::Lasting | Purpose::Scratch => U::STORAGE | U::UNIFORM | U::COPY_DST | U::COPY_SRC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::AdapterChoice;
    use crate::plan::{BufferPlan, Category};

    /// One byte beyond the plan is refused before the driver hears of it.
    #[test]
    fn the_plan_is_a_hard_cap() {
        let gpu = Gpu::open(&AdapterChoice::Best).expect("an adapter");
        let planned = |name: &str, bytes| BufferPlan {
            name: name.to_owned(),
            bytes,
            category: Category::Arenas,
            purpose: Purpose::Scratch,
        };
        let plan = MemoryPlan {
            buffers: vec![planned("arena 0", 4096), planned("arena 1", 256)],
            programs: Vec::new(),
            texel_rows: [0; 2],
            upload_bytes: 0,
        };
        let mut buffers = Buffers::create(&gpu, &plan).expect("creates");
        assert_eq!(buffers.bytes(), plan.total_bytes());
        let more = buffers.allocate(&gpu, "one more", 16, usage(Purpose::Scratch), 4352);
        assert_eq!(more.expect_err("over the cap").kind(), ErrorKind::Budget);
        assert_eq!(buffers.count(), 2);
    }
}
