//! What a GPU's compiler makes of the kernels that a run trained with.

use crate::gpu::Gpu;
use crate::inspect::radv;
use crate::nn::Model;
use crate::report::CompiledKernels;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The chip to ask about where a CPU driver runs what a GPU would: RDNA 3.
const CHIP: &str = "gfx1100";

/// A compiler takes a few seconds for a model; a report must not wait for one that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What runs by default in a step of `model` with so many samples, compiled by the GPU's own driver; where a CPU driver runs a GPU's
/// kernels (`--class gpu`), by Mesa's for another chip. None where nobody can be asked: the report does without.
///
/// Another process asks, so that a driver that ends badly takes nothing with it, and because Mesa reads which chip is meant when it is loaded.
pub fn compiled(gpu: &Gpu, model: &Model, samples: usize) -> Option<CompiledKernels> {
    let target = match (gpu.software_note(), gpu.class_note()) {
        (None, None) => ["--device".to_owned(), gpu.name().to_owned()],
        (Some(_), Some(_)) if radv::find().is_some() => ["--target".to_owned(), CHIP.to_owned()],
        _ => return None,
    };
    let folder = tempfile::tempdir().ok()?;
    let file = folder.path().join("model.toml");
    std::fs::write(&file, model.to_toml().ok()?).ok()?;
    let child = Command::new(std::env::current_exe().ok()?)
        .args(["inspect", "--json", "--batch-size", &samples.to_string()])
        .arg("--model")
        .arg(&file)
        .args(&target)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    serde_json::from_str(&output(child, PATIENCE)?).ok()
}

/// What a process prints before it succeeds; none when it fails or takes longer than this, in which case it is ended.
fn output(mut child: Child, patience: Duration) -> Option<String> {
    let mut pipe = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).map(|_| text)
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if began.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => {
                // It may have ended just now, in which case there is nothing to end.
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let text = reader.join().ok()?.ok()?;
    status.is_some_and(|s| s.success()).then_some(text)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        command.spawn().expect("there is a shell")
    }

    #[test]
    fn only_what_succeeds_in_time_counts() {
        let minute = Duration::from_secs(60);
        assert_eq!(output(shell("echo yes"), minute).as_deref(), Some("yes\n"));
        assert_eq!(output(shell("echo no; exit 1"), minute), None);
        let began = Instant::now();
        let slow = output(shell("exec sleep 50"), Duration::from_millis(50));
        assert_eq!(slow, None);
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
