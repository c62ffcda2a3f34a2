//! What an adapter offers, in the terms of kernels and plans.

use crate::ops::{Capabilities, DeviceClass};

/// A shader counts the bytes of what is bound to it in 32 bits. Metal binds more, and wgpu then tells the shader of 4 GiB: whatever lies
/// beyond would be read as the last element before.
const LONGEST_BINDING: u64 = u32::MAX as u64 / 256 * 256;

/// What an adapter offers, as far as kernels and plans care.
pub(super) fn capabilities(adapter: &wgpu::Adapter) -> Capabilities {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let software = info.device_type == wgpu::DeviceType::Cpu;
    let fixed = info.subgroup_min_size == info.subgroup_max_size;
    let subgroups = features.contains(wgpu::Features::SUBGROUP);
    Capabilities {
        class: if software {
            DeviceClass::Software
        } else {
            DeviceClass::Hardware
        },
        subgroups,
        subgroup_size: (subgroups && fixed).then_some(info.subgroup_max_size),
        max_workgroup_memory: limits.max_compute_workgroup_storage_size,
        max_invocations: limits.max_compute_invocations_per_workgroup,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        max_binding_bytes: limits.max_storage_buffer_binding_size.min(LONGEST_BINDING),
        max_buffer_bytes: limits.max_buffer_size,
        max_texture_rows: limits.max_texture_dimension_2d,
        offset_alignment: u64::from(limits.min_storage_buffer_offset_alignment)
            .max(crate::tape::ALIGNMENT),
        f16: features.contains(wgpu::Features::SHADER_F16),
        cooperative: cooperative(adapter),
    }
}

/// Whether the adapter has the matrix units that `shaders/dense/cooperative/product.wgsl` is written for: 16x16 fragments of f16, added up
/// in f32, driven by a subgroup.
fn cooperative(adapter: &wgpu::Adapter) -> bool {
    use wgpu::CooperativeScalarType::{F16, F32};
    let needed = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
        | wgpu::Features::SHADER_F16
        | wgpu::Features::SUBGROUP;
    let fits = |p: &wgpu::CooperativeMatrixProperties| {
        [p.m_size, p.n_size, p.k_size] == [16; 3] && p.ab_type == F16 && p.cr_type == F32
    };
    adapter.features().contains(needed) && adapter.cooperative_matrix_properties().iter().any(fits)
}
