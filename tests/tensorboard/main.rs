//! `train --tensorboard`: what is told, read back by hand and by TensorBoard itself, and that nothing else changes.

#[path = "../common/mod.rs"]
mod common;
#[path = "../end_to_end/place.rs"]
mod place;
mod reader;

use clap::Parser;
use gtzan_gpu::cli::Cli;
use gtzan_gpu::fsutil::watch;
use place::{Place, tensors, train};
use reader::{Told, told};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// 30 of the 36 samples train, in batches of 4.
const STEPS: i64 = 8;

fn steps(told: &Told, tag: &str) -> Vec<i64> {
    told[tag].iter().map(|t| t.0).collect()
}

/// A column of a run's history.
fn history(place: &Place, run: &str, column: usize) -> Vec<f64> {
    let text = std::fs::read_to_string(place.path(run).join("history.csv")).unwrap();
    let cells = text.lines().skip(1).map(|line| line.split(',').nth(column));
    cells.map(|c| c.unwrap().parse().unwrap()).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &name),
            false => std::fs::copy(&path, &name).map(|_| ()).unwrap(),
        }
    }
}

#[test]
fn a_run_tells_its_steps_and_epochs_once_and_keeps_its_bits() {
    let place = Place::new();
    place.ok(&train(&[
        "--epochs", "6", "--run", "plain", "--vram", "1GiB",
    ]));
    place.ok(&train(&[
        "--epochs",
        "3",
        "--run",
        "runs/told",
        "--tensorboard",
        "logs",
    ]));
    // Three epochs more, and back to where it was after three: the files then tell of what never was.
    copy(&place.path("runs/told"), &place.path("saved"));
    place.ok(&["train", "--resume", "runs/told", "--epochs", "6"]);
    std::fs::remove_dir_all(place.path("runs/told")).unwrap();
    copy(&place.path("saved"), &place.path("runs/told"));
    // As a kill leaves it: the last record of the last file in pieces.
    let folder = place.path("logs/told");
    let last = std::fs::read_dir(folder.join("train")).unwrap();
    let last = last.map(|e| e.unwrap().path()).max().unwrap();
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() - 11]).unwrap();
    place.ok(&["train", "--resume", "runs/told", "--epochs", "6"]);

    assert_eq!(
        std::fs::read(place.path("plain/model.safetensors")).unwrap(),
        std::fs::read(place.path("runs/told/model.safetensors")).unwrap()
    );
    let checkpoint = |run: &str| tensors(&place.path(run).join("checkpoint.safetensors"));
    assert!(checkpoint("plain") == checkpoint("runs/told"));

    let train = told(&folder.join("train"));
    let validation = told(&folder.join("validation"));
    let epochs: Vec<i64> = (1..=6).map(|e| e * STEPS).collect();
    assert_eq!(steps(&train, "steps/loss"), [10, 20, 30, 40]);
    for tag in ["epoch/loss", "weights/conv1.weight", "gradients/fc1.bias"] {
        assert_eq!(steps(&train, tag), epochs, "{tag}");
    }
    assert_eq!(steps(&validation, "confusion"), epochs);
    let equal = |told: &Told, tag: &str, column: usize| {
        let numbers = told[tag].iter().map(|t| t.1);
        let wanted = history(&place, "runs/told", column);
        assert!(
            numbers.eq(wanted.iter().map(|&v| v as f32)),
            "{tag}: {:?} {wanted:?}",
            told[tag]
        );
    };
    equal(&train, "epoch/loss", 1);
    equal(&train, "epoch/accuracy", 2);
    equal(&validation, "epoch/loss", 3);
    equal(&validation, "epoch/accuracy", 4);
    equal(&train, "memory/created_bytes", 8);
    assert_eq!(train["steps/learning_rate"][0].1, 1e-3);
    tensorboard(&place.path("logs"), &place, &epochs);
}

/// What the means of ten steps add up to is what the epochs do: no step is left out at an epoch's end.
#[test]
fn steps_add_up_to_epochs() {
    let place = Place::new();
    place.ok(&train(&[
        "--epochs",
        "10",
        "--run",
        "r",
        "--tensorboard",
        "logs",
    ]));
    let train = told(&place.path("logs/r/train"));
    let samples = |steps: std::ops::Range<usize>| {
        // The last batch of an epoch is what the others leave of 30.
        let of = |step: usize| {
            if (step + 1).is_multiple_of(STEPS as usize) {
                2.0
            } else {
                4.0
            }
        };
        steps.map(of).sum::<f64>()
    };
    for (tag, column) in [("steps/loss", 1), ("steps/accuracy", 2)] {
        let told = &train[tag];
        assert_eq!(told.len(), 8);
        let sums = (0..8)
            .zip(told)
            .map(|(i, t)| f64::from(t.1) * samples(10 * i..10 * i + 10));
        let (a, b): (f64, f64) = (
            sums.sum(),
            history(&place, "r", column).iter().map(|v| v * 30.0).sum(),
        );
        assert!((a - b).abs() < 1e-4 * b, "{tag}: {a} {b}");
    }
    assert!(train["steps/samples_per_second"].iter().all(|t| t.1 > 0.0));
}

/// The package's verdict; a line to the terminal when it can't be had here.
fn tensorboard(logs: &Path, place: &Place, epochs: &[i64]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/tensorboard_read.py");
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tensorboard-venv");
    let result = place.path("read.json");
    let output = Command::new("python3")
        .args([&script, &environment, &logs.to_path_buf(), &result])
        .output();
    let why = match output {
        Err(e) => format!("python3: {e}"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => return check(&result, logs, place, epochs),
                Some(77) => text,
                _ => panic!("{text}"),
            }
        }
    };
    // Straight to stderr, for the harness hides what a passing test prints.
    let note = format!(
        "\n!!! TensorBoard did NOT read the event files: {}\n\n",
        why.trim()
    );
    std::io::stderr().write_all(note.as_bytes()).unwrap();
}

fn check(result: &Path, logs: &Path, place: &Place, epochs: &[i64]) {
    let found: Value = serde_json::from_str(&std::fs::read_to_string(result).unwrap()).unwrap();
    let runs: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(runs.len(), 2, "{runs:?}");
    for side in ["train", "validation"] {
        let ours = told(&logs.join("told").join(side));
        let theirs = &found[format!("told/{side}")];
        let mut seen = 0;
        for (tag, rows) in theirs["scalars"].as_object().unwrap() {
            let rows = rows.as_array().unwrap().iter();
            let rows: Vec<(i64, f32)> = rows
                .map(|r| (r[0].as_i64().unwrap(), r[1].as_f64().unwrap() as f32))
                .collect();
            assert_eq!(rows, ours[tag], "{side} {tag}");
            seen += 1;
        }
        assert!(seen >= 2, "{side}: {seen}");
    }
    // Of each tensor the last histogram, against the checkpoint.
    let weights = tensors(&place.path("runs/told/checkpoint.safetensors"));
    let histograms = found["told/train"]["histograms"].as_object().unwrap();
    let mut compared = 0;
    for (tag, rows) in histograms {
        let rows = rows.as_array().unwrap();
        let told: Vec<i64> = rows.iter().map(|r| r[0].as_i64().unwrap()).collect();
        assert_eq!(told, epochs, "{tag}");
        let last = rows.last().unwrap();
        let name = tag.split_once('/').unwrap().1;
        let (_, bytes) = weights.iter().find(|(n, _)| n == name).unwrap();
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
        assert_eq!(last[3].as_f64().unwrap(), values.len() as f64, "{tag}");
        if tag.starts_with("weights/") {
            let low = values.iter().copied().fold(f32::MAX, f32::min);
            assert_eq!(last[1].as_f64().unwrap() as f32, low, "{tag}");
            let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
            assert!((last[4].as_f64().unwrap() - sum).abs() < 1e-6, "{tag}");
            compared += 1;
        }
    }
    assert!(compared >= 8 && histograms.len() > compared, "{compared}");
    let pictures = found["told/validation"]["images"]["confusion"]
        .as_array()
        .unwrap();
    assert_eq!(pictures.len(), epochs.len());
    for picture in pictures {
        assert!(
            picture[1].as_u64() > Some(200) && picture[3].as_u64() < Some(100),
            "{picture}"
        );
    }
}

#[test]
fn folds_have_folders_of_their_own() {
    let place = Place::new();
    let more = [
        "--epochs",
        "1",
        "--folds",
        "2",
        "--run",
        "x/cv",
        "--tensorboard",
        "logs",
    ];
    place.ok(&train(&more));
    for fold in ["fold-0", "fold-1"] {
        for side in ["train", "validation"] {
            let told = told(&place.path("logs/cv").join(fold).join(side));
            assert_eq!(told["epoch/loss"].len(), 1, "{fold} {side}");
        }
    }
}

/// The program, when this executable was started as it: its event files' disk is full from the given write on.
#[test]
fn the_program() {
    let Ok(full) = std::env::var("FULL_AFTER") else {
        return;
    };
    let full: u64 = full.parse().unwrap();
    let mut seen = 0;
    watch::each_write(move |_, path| {
        seen += u64::from(path.to_string_lossy().contains("tfevents"));
        match seen > full && path.to_string_lossy().contains("tfevents") {
            true => Err(std::io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    });
    let args = std::env::var("ARGUMENTS").unwrap();
    let status = match Cli::try_parse_from(args.split(' ')).unwrap().run() {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("error: {e}");
            e.exit_code()
        }
    };
    std::process::exit(status.into());
}

#[test]
fn a_full_disk_is_a_sentence_and_the_training_goes_on() {
    let place = Place::new();
    place.ok(&train(&["--epochs", "3", "--run", "plain"]));
    for (n, status) in [(0, 1), (1, 1), (2, 0), (4, 0)] {
        let run = format!("full-{n}");
        let arguments = train(&["--epochs", "3", "--tensorboard", "logs", "--run", &run]);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "the_program", "--nocapture"])
            .current_dir(place.dir.path());
        let out = common::keep_in(&mut command, &place.path("cache"))
            .env("FULL_AFTER", n.to_string())
            .env("ARGUMENTS", format!("gtzan-gpu {}", arguments.join(" ")))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(status), "{run}: {text}");
        assert_eq!(text.matches("the disk is full").count(), 1, "{run}: {text}");
        assert!(text.contains("tfevents"), "{run}: {text}");
        let model = place.path(&run).join("model.safetensors");
        if status == 0 {
            let plain = std::fs::read(place.path("plain/model.safetensors")).unwrap();
            assert!(std::fs::read(model).unwrap() == plain, "{run}");
        } else {
            assert!(
                !place.path(&run).exists(),
                "{run}: a run that can't begin stays"
            );
            assert!(!place.path("logs").join(&run).exists(), "{run}");
        }
    }
}

#[test]
fn folders_that_will_not_do_are_told_before_anything_is_trained() {
    let place = Place::new();
    let one = ["--epochs", "1", "--tensorboard", "logs", "--run", "a/r"];
    place.ok(&train(&one));
    let again = ["--epochs", "1", "--tensorboard", "logs", "--run", "b/r"];
    let error = place.fails(&train(&again), 1);
    assert!(
        error.contains("logs/r: holds another run's event files"),
        "{error}"
    );
    assert!(!place.path("b").exists());
    std::fs::write(place.path("plain"), "").unwrap();
    let blocked = ["--epochs", "1", "--tensorboard", "plain", "--run", "c"];
    let error = place.fails(&train(&blocked), 1);
    assert!(
        error.contains("plain/c/train") && error.contains("in the way"),
        "{error}"
    );
    assert!(!place.path("c").exists());
}
