//! Kernels compiled once per device, keyed by files, constants and text: kernels of two crates may have one name.

use super::Gpu;
use crate::error::{Error, Result};
use crate::ops::{Access, Kernel, TexelAccess};
use std::collections::HashMap;

/// Whether the loops of this crate's kernels get the counter that wgpu adds against endless ones. Without it drivers unroll the loops over register tiles; with it
/// the tiles live in memory, and the fastest convolutions take twice as long.
pub(crate) const FORCE_LOOP_BOUNDING: bool = false;

/// Whether workgroup memory starts as zeros. wgpu's way to that, where a driver has none of its own, is one invocation that stores
/// them all while the others wait; and a driver's own takes its time too. No kernel reads what it did not write: see [`super::poison`].
pub(crate) const ZERO_INITIALISE_WORKGROUP_MEMORY: bool = false;

/// A compiled kernel.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// All kernels compiled so far.
#[derive(Debug, Default)]
pub(crate) struct Pipelines {
    compiled: HashMap<(String, &'static str), Pipeline>,
}

impl Pipelines {
    /// The pipeline of `kernel`, compiled at the first call.
    ///
    /// # Errors
    /// The compiler's diagnostic, with file and line; or the limit that the kernel exceeds.
    pub(crate) fn get(&mut self, gpu: &Gpu, kernel: &Kernel) -> Result<Pipeline> {
        let key = (kernel.key(), kernel.source);
        if let Some(found) = self.compiled.get(&key) {
            return Ok(found.clone());
        }
        let compiled = compile(gpu, kernel)?;
        self.compiled.insert(key, compiled.clone());
        Ok(compiled)
    }
}

fn compile(gpu: &Gpu, kernel: &Kernel) -> Result<Pipeline> {
    let reflection = kernel.reflect()?;
    let file = kernel.path();
    // wgpu does not check workgroup memory against the device's limit.
    let limit = gpu.capabilities().max_workgroup_memory;
    if reflection.workgroup_bytes > limit {
        return Err(Error::device(format!(
            "{file}: needs {} bytes of workgroup memory, the device has {limit}",
            reflection.workgroup_bytes
        )));
    }
    let mut entries: Vec<wgpu::BindGroupLayoutEntry> = reflection
        .storage
        .iter()
        .map(|access| wgpu::BufferBindingType::Storage {
            read_only: *access == Access::Read,
        })
        .chain(vec![
            wgpu::BufferBindingType::Uniform;
            reflection.windows + usize::from(reflection.has_params)
        ])
        .enumerate()
        .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    for (_, access) in &reflection.texels {
        entries.push(wgpu::BindGroupLayoutEntry {
            binding: entries.len() as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::StorageTexture {
                access: match access {
                    TexelAccess::Read => wgpu::StorageTextureAccess::ReadOnly,
                    TexelAccess::Write => wgpu::StorageTextureAccess::WriteOnly,
                },
                format: wgpu::TextureFormat::Rgba32Float,
                view_dimension: wgpu::TextureViewDimension::D2,
            },
            count: None,
        });
    }
    let compiled = gpu.create(&file, || {
        let device = &gpu.device;
        let source = match gpu.poisons_workgroup_memory() {
            true => super::poison::poisoned(kernel).into(),
            false => kernel.source.into(),
        };
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: wgpu::ShaderSource::Wgsl(source),
        };
        // Bounds stay checked. Of buffers a Vulkan driver with robustBufferAccess2 checks them itself, and no code is added; indices into
        // arrays of workgroup memory are clamped in code, unless they are constants. So kernels for GPUs nest these arrays and write their
        // steps out: of 705 instructions of the convolution's inner loop 4 are clamps, which is all that taking the checks out would gain.
        let checks = wgpu::ShaderRuntimeChecks {
            force_loop_bounding: FORCE_LOOP_BOUNDING || !kernel.is_built_in(),
            ..wgpu::ShaderRuntimeChecks::checked()
        };
        // SAFETY: of this crate's own files all loops end: each counts to a bound. Those of others get the counter.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(kernel.name),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.name),
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &kernel.constants,
                zero_initialize_workgroup_memory: ZERO_INITIALISE_WORKGROUP_MEMORY,
            },
            cache: None,
        });
        Pipeline { pipeline, layout }
    });
    // wgpu counts lines through all files of a kernel; naga's own finding can be told file by file.
    compiled.map_err(|e| kernel.diagnose().unwrap_or(e))
}
