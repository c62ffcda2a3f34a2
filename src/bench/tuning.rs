//! The tuner's choices on disk: one JSON file per adapter and driver version in the user's cache folder.

use super::Tuned;
use crate::error::{Error, Result};
use crate::fsutil::{atomic_write, create_dir};
use crate::gpu::Gpu;
use crate::ops::Choices;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct File {
    adapter: String,
    driver: String,
    /// Of this program: another version has other kernels.
    version: String,
    choices: Vec<Choice>,
}

/// The fastest rung for one problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Choice {
    family: String,
    problem: String,
    rung: String,
    ms: f64,
}

impl File {
    fn empty(gpu: &Gpu) -> Self {
        Self {
            adapter: gpu.name().to_owned(),
            driver: gpu.driver(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            choices: Vec::new(),
        }
    }
}

/// The file for this adapter and driver version in `folder`.
pub fn path(gpu: &Gpu, folder: &Path) -> PathBuf {
    let key = format!("{}\n{}", gpu.name(), gpu.driver());
    let hash = blake3::hash(key.as_bytes()).to_hex();
    folder.join("tuning").join(format!("{}.json", &hash[..16]))
}

/// The choices stored for this device, none when there is no file, and a note when there is one that can't be used: damaged, or
/// of another device or version. Choices that no longer fit (an unknown rung, another limit) are passed over when a kernel is
/// chosen.
pub fn load(gpu: &Gpu, folder: &Path) -> (Choices, Option<String>) {
    let mut choices = Choices::default();
    match read(gpu, &path(gpu, folder)) {
        Ok(file) => {
            for c in &file.choices {
                choices.tune(&c.family, &c.problem, &c.rung);
            }
            (choices, None)
        }
        Err(e) => {
            let note = format!("the tuner's choices are not used: {e}; run `gtzan-gpu tune` again");
            (choices, Some(note))
        }
    }
}

/// Largest file that is read; one choice takes some 250 bytes.
const MOST_BYTES: u64 = 16 << 20;

fn read(gpu: &Gpu, path: &Path) -> Result<File> {
    let size = match std::fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(File::empty(gpu)),
        Err(e) => return Err(Error::file(path, format!("can't be read: {e}"))),
        Ok(meta) => meta.len(),
    };
    if size > MOST_BYTES {
        return Err(Error::file(
            path,
            format!("is no tuning file ({size} bytes)"),
        ));
    }
    let bytes =
        std::fs::read(path).map_err(|e| Error::file(path, format!("can't be read: {e}")))?;
    let file: File = serde_json::from_slice(&bytes)
        .map_err(|e| Error::file(path, format!("is damaged ({e})")))?;
    let here = File::empty(gpu);
    for (what, found, expected) in [
        ("adapter", &file.adapter, &here.adapter),
        ("driver", &file.driver, &here.driver),
        ("version", &file.version, &here.version),
    ] {
        if found != expected {
            return Err(Error::file(
                path,
                format!("was made for {what} '{found}', this is '{expected}'"),
            ));
        }
    }
    Ok(file)
}

/// Add `tuned` to the choices stored in `folder` (created if need be) and return the file's path. Choices for other problems
/// stay; a file that can't be used is replaced.
///
/// # Errors
/// When the file can't be written.
pub fn store(gpu: &Gpu, folder: &Path, tuned: &[Tuned]) -> Result<PathBuf> {
    let path = path(gpu, folder);
    let mut file = read(gpu, &path).unwrap_or_else(|_| File::empty(gpu));
    for t in tuned {
        let same = |c: &Choice| c.family == t.family && c.problem == t.problem;
        file.choices.retain(|c| !same(c));
        file.choices.push(Choice {
            family: t.family.to_owned(),
            problem: t.problem.clone(),
            rung: t.rung.to_owned(),
            ms: t.ms,
        });
    }
    file.choices
        .sort_by(|a, b| (&a.family, &a.problem).cmp(&(&b.family, &b.problem)));
    let text = serde_json::to_string_pretty(&file)
        .map_err(|e| Error::file(&path, format!("can't be made: {e}")))?;
    if let Some(parent) = path.parent() {
        create_dir(parent)?;
    }
    atomic_write(&path, text.as_bytes())?;
    Ok(path)
}
