//! Ladders: which of several kernels for the same job runs on this device.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;

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
    /// What every WebGPU-class device guarantees: used to plan when there is no device at hand.
    pub fn portable(class: DeviceClass) -> Self {
        Self {
            class,
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

/// The sizes that decide which kernel is best: named integers, e.g. `n=8 c=64 k=128 h=93 w=65`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Problem(pub Vec<(&'static str, usize)>);

impl Problem {
    /// The size called `name`, 0 when there is none.
    pub fn get(&self, name: &str) -> usize {
        self.0
            .iter()
            .find(|(n, _)| *n == name)
            .map_or(0, |(_, v)| *v)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            let space = if i > 0 { " " } else { "" };
            write!(f, "{space}{name}={value}")?;
        }
        Ok(())
    }
}

/// One kernel of a ladder.
#[derive(Debug, Clone, Copy)]
pub struct Rung {
    /// Number and name, e.g. `1_naive`, `4_subgroup`.
    pub name: &'static str,
    /// Whether it can run this problem on this device, or why not.
    pub supports: fn(&Problem, &Capabilities) -> Result<(), String>,
    /// Its rounding errors in multiples of the op's tolerance: 1 for a rung that adds up the products of the formula, in
    /// whatever order. Above 1 for one that computes something else that is equal on paper; such a rung does not keep
    /// exact ties and zeros either.
    pub rounding: f64,
}

impl Rung {
    /// From this on, [`Rung::rounding`] is that of another precision (f16 is at 2,000), not of another way to add up in f32.
    pub const REDUCED: f64 = 100.0;

    /// Whether it computes in less than f32. Such a rung runs only where it is asked for by name: no default, and nothing that the
    /// tuner may pick because it is faster, since what it costs does not show in a time.
    pub fn reduced(&self) -> bool {
        self.rounding >= Self::REDUCED
    }
}

/// The least that a job costs, whatever the kernel: what rates and rooflines are reckoned from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Floating-point operations of the plain algorithm; a multiply-add counts 2.
    pub flops: u64,
    /// Bytes when every input is read once and every output written once.
    pub bytes: u64,
}

/// A ladder: all kernels for one job, from the one to read first to the fastest.
#[derive(Debug)]
pub struct Family {
    /// e.g. `conv2d.forward`.
    pub name: &'static str,
    /// In reading order; the first runs everything everywhere.
    pub rungs: &'static [Rung],
    /// Default order on a CPU driver for a problem: the first that supports it is used.
    pub software: fn(&Problem) -> &'static [&'static str],
    /// Default order on a GPU.
    pub hardware: &'static [&'static str],
    /// What a problem costs at least.
    pub work: fn(&Problem) -> Work,
}

/// A rung that runs any problem on any device.
pub fn anything(_: &Problem, _: &Capabilities) -> Result<(), String> {
    Ok(())
}

impl Family {
    /// The rung of this name.
    pub fn rung(&self, name: &str) -> Option<&'static Rung> {
        self.rungs.iter().find(|r| r.name == name)
    }
}

/// Which rung to use where: nothing set means the device class's defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Choices {
    forced: BTreeMap<String, String>,
    tuned: BTreeMap<(String, String), String>,
    workspace_cap: u64,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            forced: BTreeMap::new(),
            tuned: BTreeMap::new(),
            workspace_cap: Self::DEFAULT_WORKSPACE_CAP,
        }
    }
}

impl Choices {
    /// Bytes of workspace below which chunks of a batch don't get faster by being larger.
    pub const DEFAULT_WORKSPACE_CAP: u64 = 16 << 20;

    /// The same choices under another workspace cap.
    pub fn with_workspace_cap(mut self, bytes: u64) -> Self {
        self.workspace_cap = bytes;
        self
    }

    /// Bytes that one workspace may take, as far as a kernel has a say: rungs that repack go through the batch in chunks of
    /// samples that fit, one sample at least.
    pub fn workspace_cap(&self) -> u64 {
        self.workspace_cap
    }

    /// Use `rung` for every problem of `family` that it supports; an error otherwise.
    pub fn force(&mut self, family: &str, rung: &str) {
        self.forced.insert(family.to_owned(), rung.to_owned());
    }

    /// Use `rung` for this very problem, as measured by the tuner.
    pub fn tune(&mut self, family: &str, problem: &str, rung: &str) {
        self.tuned
            .insert((family.to_owned(), problem.to_owned()), rung.to_owned());
    }

    /// The rung for `problem`: forced, else tuned, else the class's default; one of reduced precision only when forced.
    ///
    /// # Errors
    /// When a forced rung can't run the problem, or no rung can.
    pub fn choose(
        &self,
        family: &'static Family,
        problem: &Problem,
        capabilities: &Capabilities,
    ) -> Result<&'static str> {
        let supported = |name: &str| -> Result<&'static str, String> {
            let rung = family
                .rung(name)
                .ok_or_else(|| format!("there is no rung {name}"))?;
            (rung.supports)(problem, capabilities).map(|()| rung.name)
        };
        if let Some(name) = self.forced.get(family.name) {
            return supported(name).map_err(|why| {
                Error::device(format!(
                    "{}: rung {name} can't run {problem}: {why}",
                    family.name
                ))
            });
        }
        let tuned = self
            .tuned
            .get(&(family.name.to_owned(), problem.to_string()));
        let defaults = match capabilities.class {
            DeviceClass::Software => (family.software)(problem),
            DeviceClass::Hardware => family.hardware,
        };
        let candidates = tuned
            .map(String::as_str)
            .into_iter()
            .chain(defaults.iter().copied())
            .chain(family.rungs.iter().map(|r| r.name));
        let full = |name: &&str| family.rung(name).is_none_or(|r| !r.reduced());
        for name in candidates.filter(full) {
            if let Ok(found) = supported(name) {
                return Ok(found);
            }
        }
        Err(Error::device(format!(
            "{}: no rung can run {problem} on this device",
            family.name
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::dense;

    #[test]
    fn reduced_precision_is_used_when_asked_for_only() {
        let problem = Problem(vec![("n", 64), ("i", 64), ("o", 64), ("relu", 0)]);
        for class in [DeviceClass::Software, DeviceClass::Hardware] {
            let capabilities = Capabilities {
                f16: true,
                cooperative: true,
                subgroup_size: Some(32),
                ..Capabilities::portable(class)
            };
            let chosen = |c: &Choices| c.choose(&dense::FORWARD, &problem, &capabilities);
            let default = chosen(&Choices::default()).expect("a default");
            for name in ["5_f16", "6_cooperative"] {
                let rung = dense::FORWARD.rung(name).expect("a rung");
                assert!(rung.reduced() && (rung.supports)(&problem, &capabilities).is_ok());
                let mut choices = Choices::default();
                choices.tune("dense.forward", &problem.to_string(), name);
                assert_eq!(chosen(&choices).expect("another"), default);
                choices.force("dense.forward", name);
                assert_eq!(chosen(&choices).expect("the forced one"), name);
            }
        }
    }

    /// Every family has a rung of full precision for everything, and names only rungs that exist.
    #[test]
    fn defaults_are_rungs_of_full_precision() {
        // The order may depend on sizes: none, and large ones.
        let sizes = ["n", "c", "k", "i", "o"].map(|name| (name, 1024));
        let problems = [Problem(Vec::new()), Problem(sizes.to_vec())];
        let families = crate::ops::registry();
        let families = families.iter().flat_map(|e| e.families);
        for (family, problem) in families.flat_map(|f| problems.iter().map(move |p| (f, p))) {
            assert!(!family.rungs[0].reduced(), "{}", family.name);
            for name in (family.software)(problem).iter().chain(family.hardware) {
                let rung = family.rung(name);
                assert!(rung.is_some_and(|r| !r.reduced()), "{} {name}", family.name);
            }
        }
    }
}
