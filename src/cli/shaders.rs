//! `--shaders` and `--watch`: kernels from a folder, and running again when one is saved.

use super::console;
use crate::error::{Error, Result};
use crate::ops::{kernel_texts, substitute};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Kernels from a folder.
#[derive(Debug, Clone, Args)]
pub struct ShaderArgs {
    /// Read kernels from this folder, laid out like shaders/, in place of the built-in ones of the same names
    #[arg(long, env = "GTZAN_GPU_SHADERS", value_name = "DIR")]
    shaders: Option<PathBuf>,
}

/// Kernels from a folder, watched.
#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    #[command(flatten)]
    shaders: ShaderArgs,
    /// Run again whenever a file in --shaders is saved, and print what changed; Ctrl-C ends it
    #[arg(long, requires = "shaders", conflicts_with = "json")]
    watch: bool,
}

impl ShaderArgs {
    /// Use the folder, if one is given, and say which of its kernels differ.
    ///
    /// # Errors
    /// Those of [`substitute`].
    pub fn apply(&self) -> Result<()> {
        let Some(dir) = &self.shaders else {
            return Ok(());
        };
        let names = substitute(dir)?;
        let what = match names.as_slice() {
            [] => "the same as the built-in ones".to_owned(),
            names => names.join(", "),
        };
        console::note(&format!("kernels from {}: {what}", dir.display()));
        Ok(())
    }
}

impl WatchArgs {
    /// Refuse `--shaders` where no kernel would run. (The environment's variable is there for all commands.)
    pub fn refuse(&self, why: &str) -> Result<()> {
        let given = self.shaders.shaders.as_deref();
        let from_environment = std::env::var_os("GTZAN_GPU_SHADERS").map(PathBuf::from);
        let said = given.is_some() && given != from_environment.as_deref();
        super::without_effect(said || self.watch, "--shaders", why)
    }

    /// Use the folder, if one is given; true when the command was run here, again and again, and there is nothing left to do.
    ///
    /// # Errors
    /// Those of [`substitute`]; when the program can't be started again.
    pub fn apply(&self) -> Result<bool> {
        if let (true, Some(dir)) = (self.watch, &self.shaders.shaders) {
            watch(dir)?;
            return Ok(true);
        }
        self.shaders.apply()?;
        Ok(false)
    }
}

/// How often the folder is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Run this program's own command line without `--watch`, each time that a kernel has changed. Another process each time, since
/// kernels are read once and a kernel that hangs or loses the device must not end the watching.
fn watch(dir: &Path) -> Result<()> {
    let arguments: Vec<_> = std::env::args_os()
        .skip(1)
        .filter(|a| a != "--watch")
        .collect();
    let program = std::env::current_exe()
        .map_err(|e| Error::data(format!("can't find this program to run it again: {e}")))?;
    let mut seen = kernel_texts(dir)?;
    let mut before: Option<Vec<String>> = None;
    loop {
        let output = Command::new(&program)
            .args(&arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| Error::data(format!("can't run this program again: {e}")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // Cut short by a kernel that does not compile, whose message stands on stderr: compared as far as it came.
        let cut =
            !output.status.success() && before.as_ref().is_some_and(|b| lines.len() < b.len());
        match &before {
            None => lines.iter().for_each(|l| console::line(l)),
            Some(before) => {
                let mut changes = changes(before, &lines);
                changes.retain(|l| !cut || !l.starts_with("- "));
                changes.iter().for_each(|l| console::line(l));
                if changes.is_empty() && !cut {
                    console::line("nothing changed");
                }
            }
        }
        if !cut && !lines.is_empty() {
            before = Some(lines);
        }
        console::note(&format!("watching {}", dir.display()));
        let now = loop {
            thread::sleep(PAUSE);
            match kernel_texts(dir) {
                Ok(now) if now != seen => break now,
                // Unreadable for a moment while an editor replaces a file.
                _ => {}
            }
        };
        for name in differing(&seen, &now) {
            console::line(&format!("\n{name} was saved"));
        }
        seen = now;
    }
}

/// Files that were added, removed or changed.
fn differing(old: &BTreeMap<PathBuf, String>, new: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let mut names: Vec<&PathBuf> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|n| old.get(*n) != new.get(*n));
    names.iter().map(|n| n.display().to_string()).collect()
}

/// A number that is measured (with a point) changes with every run; less than this share of it is noise.
const NOISE: f64 = 0.05;

/// Lines of the new table that say something else than the old one's: of a line whose words are the same, the numbers that differ, as
/// `old -> new`; of others, both.
fn changes(old: &[String], new: &[String]) -> Vec<String> {
    let mut unmatched: Vec<Option<&String>> = old.iter().map(Some).collect();
    let mut changes = Vec::new();
    for line in new {
        let same = |o: &&mut Option<&String>| o.is_some_and(|o| words(o) == words(line));
        match unmatched.iter_mut().find(same).and_then(Option::take) {
            None => changes.push(format!("+ {line}")),
            Some(old) => changes.extend(compare(old, line)),
        }
    }
    let gone = unmatched.into_iter().flatten();
    let gone: Vec<String> = gone.map(|l| format!("- {l}")).collect();
    [gone, changes].concat()
}

fn number(token: &str) -> Option<f64> {
    token
        .trim_end_matches(['%', ',', 'x'])
        .parse()
        .ok()
        .filter(|v: &f64| v.is_finite())
}

/// What a line is known by: all of it but its numbers.
fn words(line: &str) -> Vec<&str> {
    let tokens = line.split_whitespace();
    tokens.filter(|t| number(t).is_none()).collect()
}

/// `line` with `old -> new` in the places of numbers that differ; none where all are the same but for noise.
fn compare(old: &str, new: &str) -> Option<String> {
    let pairs: Vec<(&str, &str)> = old.split_whitespace().zip(new.split_whitespace()).collect();
    let differs = |(a, b): &(&str, &str)| {
        let (Some(x), Some(y)) = (number(a), number(b)) else {
            return a != b;
        };
        let measured = [a, b].iter().any(|t| t.contains(['.', 'e', '%']));
        match measured {
            true => (x - y).abs() > NOISE * x.abs().max(y.abs()),
            false => x != y,
        }
    };
    if !pairs.iter().any(differs) {
        return None;
    }
    let told: Vec<String> = pairs
        .iter()
        .map(|p| match differs(p) {
            true => format!("{} -> {}", p.0, p.1),
            false => p.1.to_owned(),
        })
        .collect();
    Some(format!("  {}", told.join("  ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn only_what_changed_is_told() {
        let old = lines("op  rung  ms\nrelu naive 1.00 ok\nadd naive 2.00 ok\n60 registers");
        let noise = lines("op  rung  ms\nrelu naive 1.02 ok\nadd naive 1.99 ok\n60 registers");
        assert_eq!(changes(&old, &noise), Vec::<String>::new());
        let new = lines("op  rung  ms\nrelu naive 0.50 ok\nadd naive 2.00 FAILED\n61 registers");
        assert_eq!(
            changes(&old, &new),
            [
                "- add naive 2.00 ok",
                "  relu  naive  1.00 -> 0.50  ok",
                "+ add naive 2.00 FAILED",
                "  60 -> 61  registers",
            ]
        );
    }

    #[test]
    fn a_file_is_changed_by_its_text_not_its_time() {
        let dir = tempfile::tempdir().expect("folder");
        let file = dir.path().join("relu/forward.wgsl");
        fs::create_dir(dir.path().join("relu")).expect("folder");
        fs::write(&file, "fn a() {}").expect("file");
        fs::write(dir.path().join("notes.txt"), "x").expect("file");
        let old = kernel_texts(dir.path()).expect("readable");
        fs::write(&file, "fn a() {}").expect("file");
        assert_eq!(kernel_texts(dir.path()).expect("readable"), old);
        fs::write(&file, "fn b() {}").expect("file");
        let new = kernel_texts(dir.path()).expect("readable");
        let expected = PathBuf::from("relu/forward.wgsl").display().to_string();
        assert_eq!(differing(&old, &new), [expected]);
    }
}
