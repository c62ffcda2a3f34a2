//! The program as a user runs it: train, stop, go on, evaluate, predict; and what goes wrong, with its sentence.

mod common;

use common::write_arrays;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// A folder with a small labelled set of arrays and a small model in it.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        write_arrays(&dir.path().join("set.safetensors"), 12, 3);
        let model = "name='toy'\n[[layer]]\ntype='conv2d'\nfilters=6\nkernel=3\nactivation='relu'\n\
            [[layer]]\ntype='max_pool2d'\nwindow=2\n[[layer]]\ntype='batch_norm'\nmomentum=0.9\n[[layer]]\ntype='dropout'\nrate=0.2\n\
            [[layer]]\ntype='flatten'\n[[layer]]\ntype='dense'\nunits=8\nactivation='relu'\nl2=1e-3\n[[layer]]\ntype='dense'\nunits='classes'\n";
        std::fs::write(dir.path().join("toy.toml"), model).expect("written");
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    /// Runs and returns stdout.
    fn ok(&self, args: &[&str]) -> String {
        let out = self.run(args);
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{args:?}: {stderr}");
        String::from_utf8(out.stdout).expect("UTF-8")
    }

    /// Runs, expects this exit status, returns the error's one line.
    fn fails(&self, args: &[&str], status: i32) -> String {
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

fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    TRAIN.iter().copied().chain(more.iter().copied()).collect()
}

/// All tensors of a safetensors file as bytes, by name.
fn tensors(path: &Path) -> Vec<(String, Vec<u8>)> {
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

#[test]
fn a_run_learns_and_leaves_everything_behind() {
    let place = Place::new();
    let out = place.ok(&train(&["--epochs", "12", "--run", "run"]));
    assert!(!out.contains('\u{1b}'), "escape codes on a pipe");
    for part in [
        "device:",
        "data:",
        "conv1 (conv2d)",
        "memory:",
        "epoch  12/12",
        "macro avg",
        "predicted",
        "report.html",
    ] {
        assert!(out.contains(part), "the output lacks '{part}':\n{out}");
    }
    for file in [
        "model.safetensors",
        "checkpoint.safetensors",
        "history.csv",
        "metrics.json",
        "report.html",
        "config.toml",
    ] {
        assert!(place.path("run").join(file).is_file(), "{file} is missing");
    }
    let history = std::fs::read_to_string(place.path("run/history.csv")).expect("the history");
    assert!(history.starts_with(
        "epoch,loss,accuracy,val_loss,val_accuracy,lr,seconds,ms_per_step,vram_bytes\n"
    ));
    assert_eq!(history.lines().count(), 13);
    let metrics: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("run/metrics.json")).expect("metrics"))
            .expect("JSON");
    assert!(
        metrics["accuracy"].as_f64().expect("a number") > 0.9,
        "{metrics}"
    );
    for key in [
        "macro_f1",
        "weighted_f1",
        "classes",
        "confusion",
        "seed",
        "settings",
        "adapter",
        "driver",
        "version",
    ] {
        assert!(!metrics[key].is_null(), "metrics.json lacks {key}");
    }
    let names: Vec<String> = tensors(&place.path("run/model.safetensors"))
        .into_iter()
        .map(|(n, _)| n)
        .collect();
    let expected = [
        "bn1.bias",
        "bn1.running_mean",
        "bn1.running_var",
        "bn1.weight",
        "conv1.bias",
        "conv1.weight",
        "fc1.bias",
        "fc1.weight",
        "fc2.bias",
        "fc2.weight",
    ];
    assert_eq!(names, expected);
    let evaluated: serde_json::Value =
        serde_json::from_str(&place.ok(&["evaluate", "run", "set.safetensors", "--json"]))
            .expect("JSON");
    assert!(evaluated["accuracy"].as_f64().expect("a number") > 0.9);
    let side = place.ok(&[
        "evaluate",
        "run",
        "set.safetensors",
        "--side",
        "validation",
        "--json",
    ]);
    let side: serde_json::Value = serde_json::from_str(&side).expect("JSON");
    assert_eq!(
        side["confusion"], metrics["confusion"],
        "evaluate and the run's own validation differ"
    );
}

#[test]
fn resuming_gives_the_same_bits() {
    let place = Place::new();
    place.ok(&train(&["--epochs", "4", "--run", "whole"]));
    place.ok(&train(&["--epochs", "2", "--run", "parts"]));
    place.ok(&["train", "--resume", "parts", "--epochs", "4"]);
    for file in ["model.safetensors", "checkpoint.safetensors"] {
        let (a, b) = (
            tensors(&place.path("whole").join(file)),
            tensors(&place.path("parts").join(file)),
        );
        assert!(a == b, "{file} differs");
    }
}

/// Killed at moments all over a run, also before it began and while files are written, it goes on to the same bits.
#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let place = Place::new();
    place.ok(&train(&["--epochs", "30", "--run", "whole"]));
    let epochs = || {
        let history = std::fs::read_to_string(place.path("killed/history.csv"));
        history.map_or(0, |h| h.lines().count().saturating_sub(1))
    };
    let start = || {
        let begun = place.path("killed/config.toml").exists();
        let first = train(&["--epochs", "30", "--run", "killed"]);
        let args = if begun {
            vec!["train", "--resume", "killed"]
        } else {
            first
        };
        place
            .command(&args)
            .stdout(Stdio::null())
            .spawn()
            .expect("starts")
    };
    let mut kills = 0;
    for (round, reached) in [0, 0, 1, 4, 8, 13, 19].into_iter().enumerate() {
        let mut child = start();
        while epochs() < reached && child.try_wait().expect("waited").is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(7 * round as u64));
        child.kill().expect("killed");
        kills += usize::from(!child.wait().expect("waited").success());
    }
    assert!(kills >= 5, "only {kills} kills hit a running program");
    assert!(start().wait().expect("waited").success());
    for file in ["model.safetensors", "checkpoint.safetensors"] {
        let (a, b) = (
            tensors(&place.path("whole").join(file)),
            tensors(&place.path("killed").join(file)),
        );
        assert!(a == b, "{file} differs");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let place = Place::new();
    let child = place
        .command(&train(&["--epochs", "5000", "--run", "run"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let history = place.path("run/history.csv");
    for _ in 0..600 {
        if history.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
    let out = child.wait_with_output().expect("waited");
    assert_eq!(out.status.code(), Some(130));
    let stdout = String::from_utf8_lossy(&out.stdout);
    assert!(stdout.contains("--resume run"), "{stdout}");
    assert!(place.path("run/checkpoint.safetensors").exists());
}

#[test]
fn mistakes_get_a_sentence_and_lose_nothing() {
    let place = Place::new();
    place.ok(&train(&["--epochs", "1", "--run", "run"]));
    let before = tensors(&place.path("run/checkpoint.safetensors"));
    let error = place.fails(&train(&["--epochs", "1", "--run", "run"]), 1);
    assert!(
        error.contains("run: exists already") && error.contains("--resume"),
        "{error}"
    );
    assert_eq!(tensors(&place.path("run/checkpoint.safetensors")), before);

    assert!(
        place
            .fails(&["train", "--resume", "nowhere"], 1)
            .contains("nowhere")
    );
    assert!(
        place
            .fails(&["train", "nothing-here", "--run", "a"], 1)
            .contains("nothing-here")
    );
    assert!(
        !place.path("a").exists(),
        "a mistake left a run's folder behind"
    );
    assert!(
        place
            .fails(&["train", "set.safetensors", "--batch-size", "0"], 2)
            .contains("--batch-size 0")
    );
    assert!(
        place
            .fails(&["train", "set.safetensors", "--model", "deepest"], 2)
            .contains("deepest")
    );
    assert!(
        place
            .fails(&["train", "set.safetensors", "--vram", "lots"], 2)
            .contains("lots")
    );
    assert!(
        place
            .fails(&train(&["--run", "b", "--device", "no-such-gpu"]), 2)
            .contains("no-such-gpu")
    );
    let error = place.fails(&train(&["--run", "c", "--vram", "20kB"]), 1);
    assert!(error.contains("smallest"), "{error}");

    std::fs::write(place.path("run/checkpoint.safetensors"), b"garbage").expect("written");
    let error = place.fails(&["train", "--resume", "run"], 1);
    assert!(
        error.contains("checkpoint.safetensors") && error.contains("damaged"),
        "{error}"
    );
    std::fs::write(place.path("broken.safetensors"), b"0123456789").expect("written");
    assert!(
        place
            .fails(&["evaluate", "broken.safetensors", "set.safetensors"], 1)
            .contains("broken.safetensors")
    );

    let other = std::fs::read_to_string(place.path("toy.toml"))
        .expect("the model")
        .replace("filters=6", "filters=7");
    std::fs::write(place.path("other.toml"), other).expect("written");
    let args = [
        "train",
        "set.safetensors",
        "--model",
        "other.toml",
        "--init",
        "run/model.safetensors",
        "--run",
        "d",
    ];
    let error = place.fails(&args, 1);
    assert!(
        error.contains("architecture") && error.contains("conv1"),
        "{error}"
    );
}

#[test]
fn plan_prints_what_a_run_creates() {
    let place = Place::new();
    let plan: serde_json::Value = serde_json::from_str(&place.ok(&[
        "plan",
        "--model",
        "toy.toml",
        "--batch-size",
        "4",
        "--classes",
        "3",
        "--rows",
        "11",
        "--frames",
        "14",
        "--samples",
        "36",
        "--json",
    ]))
    .expect("JSON");
    let sum: u64 = [
        "weights",
        "gradients",
        "optimizer",
        "activations",
        "workspace",
        "staging",
        "dataset",
    ]
    .iter()
    .map(|k| plan[format!("{k}_bytes")].as_u64().expect("bytes"))
    .sum();
    assert_eq!(Some(sum), plan["total_bytes"].as_u64());
    place.ok(&train(&["--epochs", "1", "--run", "run"]));
    let history = std::fs::read_to_string(place.path("run/history.csv")).expect("the history");
    let created: u64 = history
        .lines()
        .nth(1)
        .and_then(|l| l.rsplit(',').next())
        .expect("a row")
        .parse()
        .expect("bytes");
    // The split rounds per genre, so order and predictions may hold a few entries more or less than plan's estimate.
    let planned = plan["total_bytes"].as_u64().expect("bytes");
    assert!(
        planned.abs_diff(created) <= 256,
        "{planned} planned, {created} created"
    );
}
