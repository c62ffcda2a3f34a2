//! WGSL to SPIR-V, as wgpu's Vulkan backend does it when a training step's kernels are compiled.

use crate::error::{Error, Result};
use crate::gpu::{FORCE_LOOP_BOUNDING, ZERO_INITIALISE_WORKGROUP_MEMORY};
use crate::ops::Kernel;
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};

/// What the options depend on of a device, all of it enabled when the device is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features {
    /// `robustBufferAccess2`: the hardware checks bounds of buffers, so no code has to.
    pub robust_buffers: bool,
    /// The same for textures.
    pub robust_images: bool,
    /// `shaderZeroInitializeWorkgroupMemory`.
    pub zero_workgroup_memory: bool,
}

/// The SPIR-V of `kernel` with its constants resolved.
///
/// # Errors
/// When naga rejects the kernel, or a constant.
pub(super) fn compile(kernel: &Kernel, features: Features) -> Result<Vec<u32>> {
    let file = kernel.path();
    let fail = |what: &dyn std::fmt::Display| Error::device(format!("{file}: {what}"));
    kernel.reflect()?; // for its messages, file by file
    let module = naga::front::wgsl::parse_str(kernel.source).map_err(|e| fail(&e))?;
    let all = naga::valid::Capabilities::all();
    let info = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), all)
        .validate(&module)
        .map_err(|e| fail(&e.into_inner()))?;
    let constants = kernel
        .constants
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect();
    let entry = Some((naga::ShaderStage::Compute, "main"));
    let (module, info) =
        naga::back::pipeline_constants::process_overrides(&module, &info, entry, &constants)
            .map_err(|e| fail(&e))?;
    let pipeline = spv::PipelineOptions {
        shader_stage: naga::ShaderStage::Compute,
        entry_point: "main".to_owned(),
    };
    spv::write_vec(&module, &info, &options(features, kernel), Some(&pipeline))
        .map_err(|e| fail(&e))
}

/// `wgpu_hal::vulkan`'s options for a device of Vulkan 1.3, with the two that this crate sets otherwise.
fn options(features: Features, kernel: &Kernel) -> spv::Options<'static> {
    let checked_unless = |robust| match robust {
        true => BoundsCheckPolicy::Unchecked,
        false => BoundsCheckPolicy::Restrict,
    };
    spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        // All: what a kernel needs and the device lacks is the driver's to refuse.
        capabilities: None,
        bounds_check_policies: BoundsCheckPolicies {
            index: BoundsCheckPolicy::Restrict,
            buffer: checked_unless(features.robust_buffers),
            image_load: checked_unless(features.robust_images),
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: match (
            ZERO_INITIALISE_WORKGROUP_MEMORY,
            features.zero_workgroup_memory,
        ) {
            (false, _) => spv::ZeroInitializeWorkgroupMemoryMode::None,
            (true, true) => spv::ZeroInitializeWorkgroupMemoryMode::Native,
            (true, false) => spv::ZeroInitializeWorkgroupMemoryMode::Polyfill,
        },
        force_loop_bounding: FORCE_LOOP_BOUNDING || !kernel.is_built_in(),
        ..spv::Options::default()
    }
}
