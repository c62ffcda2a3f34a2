//! What the adapters of this machine are, for people and for `devices --json`.

use super::capabilities::capabilities;
use super::device::{NO_ADAPTER, adapters};
use crate::error::{Error, Result};

/// What `gtzan-gpu devices` says of an adapter.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Described {
    /// Name.
    pub name: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` or `Other`.
    pub kind: String,
    /// `Vulkan`, `Metal` or `Dx12`.
    pub backend: String,
    /// Driver and version.
    pub driver: String,
    /// Largest buffer.
    pub max_buffer_bytes: u64,
    /// Largest storage binding.
    pub max_binding_bytes: u64,
    /// Storage buffers per kernel.
    pub max_storage_buffers: u32,
    /// Invocations per workgroup.
    pub max_invocations: u32,
    /// Bytes of workgroup memory.
    pub max_workgroup_memory: u32,
    /// Subgroup sizes, e.g. `8` or `4 to 32`, or `none`.
    pub subgroups: String,
    /// 16-bit floats.
    pub f16: bool,
    /// Matrix units for f16 fragments of 16x16, through wgpu's experimental extension.
    pub cooperative: bool,
    /// Timestamps inside passes.
    pub timestamps: bool,
}

/// All adapters, in the order that numbers them.
///
/// # Errors
/// When there is none, with what to install.
pub fn describe_adapters() -> Result<Vec<Described>> {
    let all = adapters();
    if all.is_empty() {
        return Err(Error::device(NO_ADAPTER));
    }
    Ok(all.iter().map(describe).collect())
}

fn describe(adapter: &wgpu::Adapter) -> Described {
    let (info, features, c) = (
        adapter.get_info(),
        adapter.features(),
        capabilities(adapter),
    );
    let (low, high) = (info.subgroup_min_size, info.subgroup_max_size);
    let subgroups = match features.contains(wgpu::Features::SUBGROUP) {
        false => "none".to_owned(),
        true if low == high => low.to_string(),
        true => format!("{low} to {high}"),
    };
    Described {
        name: info.name,
        kind: format!("{:?}", info.device_type),
        backend: format!("{:?}", info.backend),
        driver: format!("{} {}", info.driver, info.driver_info)
            .trim()
            .to_owned(),
        max_buffer_bytes: c.max_buffer_bytes,
        max_binding_bytes: c.max_binding_bytes,
        max_storage_buffers: c.max_storage_buffers,
        max_invocations: c.max_invocations,
        max_workgroup_memory: c.max_workgroup_memory,
        subgroups,
        f16: c.f16,
        cooperative: c.cooperative,
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES),
    }
}
