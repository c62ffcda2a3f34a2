//! A folder with everything for a small run, and the program in it.

use crate::common::{keep_in, write_arrays};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub struct Place {
    pub dir: tempfile::TempDir,
}

impl Place {
    /// A folder with a small labelled set of arrays and a small model in it.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        write_arrays(&dir.path().join("set.safetensors"), 12, 3);
        let model = "name='toy'\n[[layer]]\ntype='conv2d'\nfilters=6\nkernel=3\nactivation='relu'\n\
            [[layer]]\ntype='max_pool2d'\nwindow=2\n[[layer]]\ntype='batch_norm'\nmomentum=0.9\n[[layer]]\ntype='dropout'\nrate=0.2\n\
            [[layer]]\ntype='flatten'\n[[layer]]\ntype='dense'\nunits=8\nactivation='relu'\nl2=1e-3\n[[layer]]\ntype='dense'\nunits='classes'\n";
        std::fs::write(dir.path().join("toy.toml"), model).expect("written");
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        keep_in(&mut command, &self.path("cache"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    /// Runs and returns stdout.
    pub fn ok(&self, args: &[&str]) -> String {
        let out = self.run(args);
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{args:?}: {stderr}");
        String::from_utf8(out.stdout).expect("UTF-8")
    }

    /// Runs, expects this exit status, returns the error's one line.
    pub fn fails(&self, args: &[&str], status: i32) -> String {
        let out = self.run(args);
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(status), "{args:?}: {stderr}");
        let error = stderr
            .lines()
            .find(|l| l.starts_with("error: "))
            .unwrap_or_else(|| panic!("{args:?}: {stderr}"));
        assert!(!stderr.contains("panicked"), "{stderr}");
        error.to_owned()
    }
}

const TRAIN: [&str; 8] = [
    "train",
    "set.safetensors",
    "--model",
    "toy.toml",
    "--early-stopping",
    "0",
    "--batch-size",
    "4",
];

pub fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    TRAIN.iter().copied().chain(more.iter().copied()).collect()
}

/// All tensors of a safetensors file as bytes, by name.
pub fn tensors(path: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).expect("the file exists");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let mut all: Vec<_> = file
        .tensors()
        .into_iter()
        .map(|(n, t)| (n, t.data().to_vec()))
        .collect();
    all.sort();
    all
}
