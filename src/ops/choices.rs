//! Which rung to use where, and ladders as seen from outside: by name, without the op's own sizes.

use super::Capabilities;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The sizes that tell one problem of a ladder from another, e.g. `n=8 c=64 k=128 h=93 w=65`: to print, and to find the tuner's
/// choice again. What a rung computes with is the op's own [`Geometry`](super::Geometry).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Problem(pub Vec<(&'static str, usize)>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            let space = if i > 0 { " " } else { "" };
            write!(f, "{space}{name}={value}")?;
        }
        Ok(())
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

/// Whose ladder a rung stands on. It may run elsewhere too: that is for its `supports` to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeFor {
    /// Both: the naive rungs, where reading starts.
    Any,
    /// GPUs.
    Gpu,
    /// Drivers that run kernels on the CPU, such as lavapipe.
    CpuDriver,
}

impl MadeFor {
    /// For tables and drawings: "made for ..."
    pub fn whom(self) -> &'static str {
        match self {
            Self::Any => "any device",
            Self::Gpu => "GPUs",
            Self::CpuDriver => "CPU drivers",
        }
    }
}

/// What can be said of a rung without a geometry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RungView {
    /// e.g. `naive`, `workgroup`.
    pub name: &'static str,
    /// Whose ladder it stands on.
    pub class: MadeFor,
    /// See [`Rung::rounding`](super::Rung::rounding).
    pub rounding: f64,
}

impl RungView {
    /// From this on, the rounding is that of another precision (f16 is at 2,000), not of another way to add up in f32.
    pub const REDUCED: f64 = 100.0;

    /// Whether it computes in less than f32. Such a rung runs only where it is asked for by name: no default, and nothing that the
    /// tuner may pick because it is faster, since what it costs does not show in a time.
    pub fn reduced(&self) -> bool {
        self.rounding >= Self::REDUCED
    }
}

/// A ladder whatever its geometry, for those who go through all of them.
pub trait AnyLadder: Send + Sync {
    /// e.g. `conv2d.forward`.
    fn name(&self) -> &'static str;

    /// Its rungs in reading order; the first runs everything, but for sums that a driver would end.
    fn rungs(&self) -> Vec<RungView>;

    /// The rung of this name.
    fn rung(&self, name: &str) -> Option<RungView> {
        self.rungs().into_iter().find(|r| r.name == name)
    }
}

impl fmt::Debug for dyn AnyLadder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A ladder with a problem to solve.
pub trait Posed: Send + Sync {
    /// The ladder.
    fn ladder(&self) -> &'static dyn AnyLadder;

    /// What the problem costs at least.
    fn work(&self) -> Work;

    /// Whether the rung of this name can run the problem on a device.
    ///
    /// # Errors
    /// Why it can't, to follow "skipped: "; or that there is no such rung.
    fn supports(&self, rung: &str, capabilities: &Capabilities) -> Result<(), String>;
}

impl fmt::Debug for dyn Posed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ladder().name())
    }
}

/// A rung that was chosen.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Index of the node on the tape.
    pub node: usize,
    /// Name of the ladder.
    pub family: &'static str,
    /// The rung.
    pub rung: &'static str,
    /// The problem it solves.
    pub problem: Problem,
    /// The same, for questions about other rungs.
    pub posed: Arc<dyn Posed>,
}

/// Which rung to use where: forced over preferred over tuned; nothing set means the ladders' defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Choices {
    forced: BTreeMap<String, String>,
    preferred: BTreeMap<String, String>,
    tuned: BTreeMap<(String, String), String>,
    workspace_cap: u64,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            forced: BTreeMap::new(),
            preferred: BTreeMap::new(),
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

    /// Use `rung` for every problem of the ladder `family`; one that it does not support is an error.
    pub fn force(&mut self, family: &str, rung: &str) {
        self.forced.insert(family.to_owned(), rung.to_owned());
    }

    /// Use `rung`, also one of reduced precision, for every problem of the ladder `family` that it supports; the others run what they
    /// would without it. A name that the ladder does not know is an error when a kernel is chosen.
    pub fn prefer(&mut self, family: &str, rung: &str) {
        self.preferred.insert(family.to_owned(), rung.to_owned());
    }

    /// Use `rung` for this very problem, as measured by the tuner. A name that the ladder does not know is passed over.
    pub fn tune(&mut self, family: &str, problem: &str, rung: &str) {
        self.tuned
            .insert((family.to_owned(), problem.to_owned()), rung.to_owned());
    }

    pub(super) fn forced(&self, family: &str) -> Option<&str> {
        self.forced.get(family).map(String::as_str)
    }

    pub(super) fn preferred(&self, family: &str) -> Option<&str> {
        self.preferred.get(family).map(String::as_str)
    }

    pub(super) fn tuned(&self, family: &str, problem: &Problem) -> Option<&str> {
        let key = (family.to_owned(), problem.to_string());
        self.tuned.get(&key).map(String::as_str)
    }
}
