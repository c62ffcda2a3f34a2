//! What a device offers, as far as kernels and plans care.

use super::Iterations;

/// What kind of adapter runs the kernels; decides default rungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceClass {
    /// A CPU driver (lavapipe, SwiftShader, WARP).
    Software,
    /// A GPU, integrated or discrete.
    Hardware,
}

/// What a device offers beyond the guaranteed limits, as far as kernels care.
#[derive(Debug, Clone, PartialEq)]
pub struct Capabilities {
    /// Software or hardware.
    pub class: DeviceClass,
    /// Subgroup operations, with subgroups of whatever size.
    pub subgroups: bool,
    /// Subgroup size, when subgroup operations exist and the size is fixed (min = max).
    pub subgroup_size: Option<u32>,
    /// Bytes of workgroup memory.
    pub max_workgroup_memory: u32,
    /// Invocations per workgroup.
    pub max_invocations: u32,
    /// Storage buffers per shader stage.
    pub max_storage_buffers: u32,
    /// Largest storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// Rows of the largest texture.
    pub max_texture_rows: u32,
    /// Alignment of storage-buffer offsets in bytes.
    pub offset_alignment: u64,
    /// 16-bit floats in shaders.
    pub f16: bool,
    /// Matrix units that a subgroup drives: products of 16x16 fragments, f16 times f16 added up in f32.
    pub cooperative: bool,
}

impl Capabilities {
    /// Iterations of all its loops after which a driver ends an invocation, without a word; None where each loop ends by itself.
    ///
    /// That of llvmpipe and lavapipe is `LP_MAX_TGSI_LOOP_ITERATIONS` in Mesa's src/gallium/auxiliary/gallivm/lp_bld_limits.h. Other CPU
    /// drivers are held to it too, so that a plan for one is a plan for all.
    pub fn max_loop_iterations(&self) -> Option<usize> {
        (self.class == DeviceClass::Software).then_some(65_535)
    }

    /// Whether an invocation's loops may take so many iterations.
    ///
    /// # Errors
    /// Why not, to follow "skipped: ".
    pub fn allow(&self, iterations: Iterations) -> Result<(), String> {
        let taken = iterations.taken;
        match self.max_loop_iterations() {
            Some(most) if taken > most => Err(format!(
                "an invocation's loops take {taken} iterations, and this device's driver ends them after {most}"
            )),
            _ => Ok(()),
        }
    }

    /// Lanes of the subgroups that multiply fragments on matrix units.
    pub const MATRIX_LANES: u32 = 32;

    /// Whether kernels may multiply factors in half precision.
    ///
    /// # Errors
    /// What is missing, to follow "skipped: ".
    pub fn half_precision(&self) -> Result<(), String> {
        match self.f16 {
            true => Ok(()),
            false => Err("needs 16-bit floats in shaders, which this device does not offer".into()),
        }
    }

    /// Whether kernels may multiply them on matrix units.
    ///
    /// # Errors
    /// What is missing, to follow "skipped: ".
    pub fn matrix_units(&self) -> Result<(), String> {
        if !self.cooperative {
            return Err(
                "needs matrix units that multiply 16x16 by 16x16 in f16 and add up in f32, and this device's driver offers none"
                    .into(),
            );
        }
        self.half_precision()?;
        match self.subgroup_size {
            Some(Self::MATRIX_LANES) => Ok(()),
            Some(size) => Err(format!(
                "is written for subgroups of {} lanes, this device has {size}",
                Self::MATRIX_LANES
            )),
            None => Err("needs subgroup operations with a fixed subgroup size".into()),
        }
    }

    /// What every WebGPU-class device guarantees: used to plan when there is no device at hand.
    pub fn portable(class: DeviceClass) -> Self {
        Self {
            class,
            subgroups: false,
            subgroup_size: None,
            max_workgroup_memory: 16_384,
            max_invocations: 256,
            max_storage_buffers: 8,
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            max_texture_rows: 8192,
            offset_alignment: 256,
            f16: false,
            cooperative: false,
        }
    }
}
