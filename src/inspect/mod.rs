//! What a GPU's compiler makes of the kernels: registers, spills, occupancy, and what the hottest loop executes.
//!
//! Kernels are compiled as training compiles them (same constants, same checks, same options: see `spirv`), by the driver of the GPU
//! at hand, or by Mesa's RADV for a chip that is not there ([`radv`]). Only what the driver states is reported.

pub mod assembly;
mod driver;
pub mod radv;
mod spirv;
mod wanted;

pub use wanted::{Kernels, Wanted, of_cases, of_model};

use crate::error::{Error, Result};
use crate::ops::Capabilities;
use assembly::{Assembly, Count};
use serde::{Serialize, Serializer};

/// What became of one kernel. A figure that the driver does not give is `None`.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The kernel's name.
    pub kernel: &'static str,
    /// The family that chose it, e.g. `conv2d.forward`; the op of a kernel without a ladder.
    pub op: String,
    /// The rung; none for a kernel without a ladder.
    pub rung: Option<&'static str>,
    /// The first problem that it solves with these constants.
    pub problem: Option<String>,
    /// The other problems.
    pub more_problems: Vec<String>,
    /// Its constants, as far as the op sets them.
    #[serde(serialize_with = "as_map")]
    pub constants: Vec<(&'static str, f64)>,
    /// Whether a GPU runs it when nothing is tuned or forced.
    pub default: bool,
    /// Vector registers of an invocation.
    pub registers: Option<u64>,
    /// Those of them that lie in memory.
    pub spilled: Option<u64>,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: Option<u64>,
    /// Subgroups that a SIMD unit holds at once.
    pub waves_per_simd: Option<u64>,
    /// Bytes of machine code.
    pub code_bytes: Option<u64>,
    /// Instructions in it.
    pub instructions: Option<u64>,
    /// The block with the most multiply-adds among those in loops.
    pub hot_loop: Option<Count>,
    /// The outermost loop around it.
    pub contraction_loop: Option<Count>,
    /// Loops within that one: where there are any, its counts take each instruction once, however often it runs.
    pub inner_loops: Option<usize>,
    /// Everything that the driver states, under its names.
    #[serde(serialize_with = "as_map")]
    pub statistics: Vec<(String, f64)>,
    /// The machine code.
    #[serde(skip)]
    pub assembly: Option<String>,
}

fn as_map<S: Serializer, K: Serialize>(pairs: &[(K, f64)], s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(pairs.iter().map(|(k, v)| (k, v)))
}

impl Row {
    /// The hot loop's instructions, behind the label of its block; all of the machine code's lines for `all`.
    pub fn listing(&self, all: bool) -> Vec<&str> {
        let Some(text) = &self.assembly else {
            return Vec::new();
        };
        if all {
            return text.lines().collect();
        }
        let code = Assembly::parse(text);
        code.hot().map_or_else(Vec::new, |hot| code.listing(&hot))
    }
}

/// A compiler to ask.
pub struct Inspector {
    device: driver::Device,
    chip: Option<String>,
}

impl Inspector {
    /// The compiler for `chip`, when [`radv::environment`] has been set for it; else that of the GPU at hand, of this name if one
    /// is given.
    ///
    /// # Errors
    /// When there is none, with what to do.
    pub fn open(chip: Option<&str>, name: Option<&str>) -> Result<Self> {
        let device = driver::Device::open(name)?;
        let device = match (device, chip) {
            (Some(device), _) => device,
            (None, Some(chip)) => return Err(radv::unknown(chip)),
            (None, None) => {
                let hint = match radv::find() {
                    Some(_) => {
                        "name a chip that Mesa compiles for without one, as in --target gfx1100"
                            .to_owned()
                    }
                    None => format!(
                        "to ask for a chip without one, {}, and name it with --target gfx1100",
                        radv::INSTALL
                    ),
                };
                return Err(Error::device(format!(
                    "there is no GPU here whose driver says what it compiles (VK_KHR_pipeline_executable_properties); {hint}"
                )));
            }
        };
        Ok(Self {
            device,
            chip: chip.map(str::to_lowercase),
        })
    }

    /// The chip, or the adapter's name.
    pub fn target(&self) -> &str {
        self.chip.as_deref().unwrap_or(&self.device.name)
    }

    /// Driver and version.
    pub fn driver(&self) -> &str {
        &self.device.driver
    }

    /// What kernels may use there.
    pub fn capabilities(&self) -> &Capabilities {
        &self.device.capabilities
    }

    /// Compile one kernel.
    ///
    /// # Errors
    /// When naga or the driver rejects it.
    pub fn inspect(&self, wanted: &Wanted) -> Result<Row> {
        let compiled = self.device.compile(&wanted.kernel)?;
        let given = |names: &[&str]| {
            let hit = compiled
                .statistics
                .iter()
                .find(|(n, _)| names.contains(&n.as_str()));
            hit.map(|(_, v)| *v as u64)
        };
        let code = compiled.assembly.as_deref().map(Assembly::parse);
        let hot = code.as_ref().and_then(Assembly::hot);
        // Names of RADV, then of NVIDIA's driver, then of Mesa's for Intel.
        let mut problems = wanted.problems.iter().map(ToString::to_string);
        Ok(Row {
            kernel: wanted.kernel.name,
            op: wanted.op.clone(),
            rung: wanted.rung,
            problem: problems.next(),
            more_problems: problems.collect(),
            constants: wanted.kernel.constants.clone(),
            default: wanted.default,
            registers: given(&["VGPRs", "Register Count", "Max live registers"]),
            spilled: given(&["Spilled VGPRs", "Spill count"]),
            workgroup_bytes: given(&["LDS size", "LDS Size", "Workgroup Memory Size"]),
            waves_per_simd: given(&["Subgroups per SIMD"]),
            code_bytes: given(&["Code size", "Code Size", "Binary Size"]),
            instructions: given(&["Instructions", "Instruction Count"]),
            hot_loop: hot.map(|h| h.block),
            contraction_loop: hot.map(|h| h.whole),
            inner_loops: hot.map(|h| h.inner_loops),
            statistics: compiled.statistics,
            assembly: compiled.assembly,
        })
    }
}
