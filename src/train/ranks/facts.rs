//! What must be the same on all ranks: compared before the first step.

use super::Ranks;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::train::engine::Compiled;
use crate::train::task::Task;
use std::path::Path;

/// Something that all ranks must have alike.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fact {
    /// What it is, as in `another build of this program`.
    pub what: String,
    /// It, or a hash of it.
    pub value: String,
    /// What to do when it differs.
    pub advice: String,
}

impl Fact {
    /// A fact that is short enough to be shown.
    pub fn new(what: &str, value: impl Into<String>, advice: &str) -> Self {
        Self {
            what: what.to_owned(),
            value: value.into(),
            advice: advice.to_owned(),
        }
    }

    /// A fact by the hash of its bytes.
    pub fn hashed(what: &str, bytes: &[u8], advice: &str) -> Self {
        let hash = blake3::hash(bytes).to_hex();
        Self::new(what, format!("hash {}", &hash[..12]), advice)
    }
}

/// The program that this rank runs: its version, and a hash of its file.
///
/// # Errors
/// When the file can't be read.
pub fn program() -> Result<Fact> {
    let path = std::env::current_exe()
        .map_err(|e| Error::data(format!("this program's own file can't be found: {e}")))?;
    let hash = hash_of(&path)?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(Fact::new(
        "build of this program",
        format!("gtzan-gpu {version}, hash {}", &hash[..12]),
        "install the same file on all machines",
    ))
}

/// What the GPU will run: its name and driver, and every kernel with its sizes.
pub fn kernels(gpu: &Gpu, programs: &[Compiled]) -> Vec<Fact> {
    let mut hasher = blake3::Hasher::new();
    for dispatch in programs.iter().flat_map(|p| &p.schedule.dispatches) {
        let kernel = &dispatch.kernel;
        hasher.update(kernel.source.as_bytes());
        hasher.update(format!("{:?} {:?}", kernel.constants, dispatch.grid).as_bytes());
        hasher.update(&dispatch.params);
    }
    vec![
        Fact::new(
            "GPU",
            format!("{}, {}", gpu.name(), gpu.driver()),
            "only GPUs of one kind with one driver compute the same bits: choose with --device",
        ),
        Fact::hashed(
            "set of kernels",
            hasher.finalize().as_bytes(),
            "give all ranks the same --vram, --class and tuner's choices",
        ),
    ]
}

/// What is learned from: who it is, and every value.
pub fn data(task: &Task) -> Vec<Fact> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bytemuck::cast_slice(&task.samples.x));
    hasher.update(bytemuck::cast_slice(&task.samples.labels));
    hasher.update(bytemuck::cast_slice(&task.class_weights));
    vec![
        Fact::hashed(
            "set of data",
            task.fingerprint.as_bytes(),
            "give all ranks the same tracks, genres and split",
        ),
        Fact::hashed(
            "content of the same data",
            hasher.finalize().as_bytes(),
            "give all ranks the same files; where they are the same, processors of two kinds have computed features with other bits: let all ranks use one feature cache (--cache), or a file of arrays",
        ),
    ]
}

fn hash_of(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    std::fs::File::open(path)
        .and_then(|mut file| std::io::copy(&mut file, &mut hasher))
        .map_err(|e| Error::file(path, format!("can't be read: {e}")))?;
    Ok(hasher.finalize().to_hex().to_string())
}

impl Ranks {
    /// Compare facts with the other ranks'. The list must have the same order on all; the first that differs is named.
    ///
    /// # Errors
    /// With the fact, the rank that has another than the first rank, and both values; the same sentence on all ranks.
    pub fn compare(&self, facts: &[Fact]) -> Result<()> {
        if !self.are_several() {
            return Ok(());
        }
        let own = serde_json::to_vec(facts)
            .map_err(|e| Error::data(format!("the ranks can't be compared: {e}")));
        let all = self.share(own)?;
        let read = |bytes: &Vec<u8>| serde_json::from_slice::<Vec<Fact>>(bytes).ok();
        let first = all.first().and_then(read);
        let differs = all.iter().enumerate().find_map(|(rank, bytes)| {
            let here = read(bytes);
            (here != first).then_some((rank, here))
        });
        let Some((rank, here)) = differs else {
            return Ok(());
        };
        // Every rank finds the same.
        self.all_know();
        let (first, here) = (first.unwrap_or_default(), here.unwrap_or_default());
        let pair = first.iter().zip(&here).find(|(a, b)| a != b);
        Err(Error::usage(match pair {
            Some((a, b)) if a.what == b.what => format!(
                "rank {rank} has another {} than rank 0 ({}, not {}); {}",
                a.what, b.value, a.value, a.advice
            ),
            _ => format!(
                "rank {rank} has another build of this program than rank 0; install the same file on all machines"
            ),
        }))
    }
}
