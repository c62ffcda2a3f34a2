//! A schedule made ready to replay: pipelines and bind groups built once.

use super::Gpu;
use super::buffers::Buffers;
use super::pipelines::Pipelines;
use crate::error::{Error, Result};
use crate::ops::Window;
use crate::plan::{ProgramPlan, Schedule};
use std::ops::Range;

/// One dispatch, ready.
#[derive(Debug)]
pub(crate) struct Launch {
    pub pipeline: wgpu::ComputePipeline,
    pub bind_group: wgpu::BindGroup,
    pub grid: [u32; 3],
}

/// A replayable program.
#[derive(Debug)]
pub(crate) struct Program {
    pub launches: Vec<Launch>,
    pub batch: Range<usize>,
    /// What of these computes a micro-batch, and what adds it to those before it, where that is apart.
    pub own: Range<usize>,
    pub sums: Range<usize>,
    pub update: Range<usize>,
}

impl Program {
    /// Compile the kernels of `schedule` and bind its tensors at their planned places.
    ///
    /// # Errors
    /// A kernel that does not compile, or a binding that the driver rejects.
    pub(crate) fn build(
        gpu: &Gpu,
        schedule: &Schedule,
        plan: &ProgramPlan,
        buffers: &Buffers,
        pipelines: &mut Pipelines,
    ) -> Result<Self> {
        let mut launches = Vec::with_capacity(schedule.dispatches.len());
        for (dispatch, &params) in schedule.dispatches.iter().zip(&plan.params) {
            let compiled = pipelines.get(gpu, &dispatch.kernel)?;
            let mut entries = Vec::new();
            let place = |tensor| {
                let root = schedule.root(tensor);
                plan.places[root.index()].ok_or_else(|| {
                    let name = &schedule.items[root.index()].name;
                    Error::device(format!(
                        "{}: {name} has no place in the plan",
                        dispatch.kernel.name
                    ))
                })
            };
            for tensor in &dispatch.tensors {
                let place = place(tensor)?;
                entries.push(buffer_binding(
                    buffers,
                    place.buffer,
                    place.offset,
                    place.bytes,
                ));
            }
            if !dispatch.params.is_empty() {
                let bytes = dispatch.params.len() as u64;
                entries.push(buffer_binding(buffers, plan.uniforms, params, bytes));
            }
            for window in &dispatch.windows {
                let place = place(&window.tensor)?;
                let offset = place.offset + window.offset;
                entries.push(buffer_binding(buffers, place.buffer, offset, Window::BYTES));
            }
            for &(texels, _) in &dispatch.kernel.reflect()?.texels {
                let view = buffers.texels(texels).ok_or_else(|| {
                    Error::device(format!(
                        "{}: the op has asked for no texels in {}",
                        dispatch.kernel.name,
                        texels.name()
                    ))
                })?;
                entries.push(wgpu::BindingResource::TextureView(view));
            }
            let entries: Vec<wgpu::BindGroupEntry> = entries
                .into_iter()
                .enumerate()
                .map(|(i, resource)| wgpu::BindGroupEntry {
                    binding: i as u32,
                    resource,
                })
                .collect();
            let bind_group = gpu.create(dispatch.kernel.name, || {
                gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(dispatch.kernel.name),
                    layout: &compiled.layout,
                    entries: &entries,
                })
            })?;
            launches.push(Launch {
                pipeline: compiled.pipeline,
                bind_group,
                grid: dispatch.grid,
            });
        }
        Ok(Self {
            launches,
            batch: schedule.batch.clone(),
            own: schedule.batch.start..schedule.sums.start,
            sums: schedule.sums.clone(),
            update: schedule.update.clone(),
        })
    }

    /// Encode some of the launches into a pass.
    pub(crate) fn encode(&self, pass: &mut wgpu::ComputePass, range: Range<usize>) {
        for launch in &self.launches[range] {
            pass.set_pipeline(&launch.pipeline);
            pass.set_bind_group(0, &launch.bind_group, &[]);
            let [x, y, z] = launch.grid;
            pass.dispatch_workgroups(x, y, z);
        }
    }
}

fn buffer_binding(
    buffers: &Buffers,
    index: usize,
    offset: u64,
    bytes: u64,
) -> wgpu::BindingResource<'_> {
    wgpu::BindingResource::Buffer(wgpu::BufferBinding {
        buffer: buffers.get(index),
        offset,
        size: wgpu::BufferSize::new(bytes),
    })
}
