//! Several trainings at once, numbers that are none, output that can't be written.

use crate::place::{Place, train};
use std::process::{Child, Output, Stdio};

fn together(place: &Place, all: &[Vec<&str>]) -> Vec<Output> {
    let children: Vec<Child> = all
        .iter()
        .map(|args| {
            let mut command = place.command(args);
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("starts")
        })
        .collect();
    children
        .into_iter()
        .map(|c| c.wait_with_output().expect("waited"))
        .collect()
}

fn lines(place: &Place, file: &str) -> usize {
    let text = std::fs::read_to_string(place.path(file)).expect("a history");
    text.lines().count()
}

fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn trainings_started_together_get_a_folder_each_and_equal_models_byte_for_byte() {
    let place = Place::new();
    let outs = together(&place, &vec![train(&["--epochs", "3"]); 3]);
    let mut models = Vec::new();
    for (n, out) in (1..).zip(&outs) {
        assert!(out.status.success(), "{}", stderr(out));
        assert_eq!(lines(&place, &format!("runs/toy-{n}/history.csv")), 4);
        let model = place.path(&format!("runs/toy-{n}/model.safetensors"));
        models.push(std::fs::read(model).expect("a model"));
        assert!(!place.path(&format!("runs/toy-{n}/.lock")).exists());
    }
    assert!(models[0] == models[1] && models[1] == models[2]);
}

#[test]
fn one_of_several_gets_a_folder_and_the_others_are_told_who_has_it() {
    let place = Place::new();
    let new = train(&["--epochs", "60", "--run", "run"]);
    let resume = vec!["train", "--resume", "run", "--epochs", "120"];
    for args in [new, resume] {
        let outs = together(&place, &vec![args; 3]);
        let won = outs.iter().filter(|o| o.status.success()).count();
        assert_eq!(won, 1);
        for out in outs.iter().filter(|o| !o.status.success()) {
            let text = stderr(out);
            assert_eq!(out.status.code(), Some(1), "{text}");
            assert!(
                text.contains("(process ") && text.contains("since"),
                "{text}"
            );
        }
    }
    assert_eq!(lines(&place, "run/history.csv"), 121);
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_and_keeps_good_weights() {
    let place = Place::new();
    let args = ["--epochs", "3", "--learning-rate", "1e30", "--run", "run"];
    let error = place.fails(&train(&args), 1);
    for part in [
        "step ",
        "epoch 1",
        "--learning-rate below 1e30",
        "--sync-check",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains("--resume"), "{error}");
    assert!(!place.path("run/model.safetensors").exists());
    // A model of numbers that are none, and one whose numbers are too large to calculate with.
    place.ok(&train(&["--epochs", "1", "--run", "good"]));
    let path = place.path("good/model.safetensors");
    let bytes = std::fs::read(&path).expect("a model");
    let (begin, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("a header");
    let at = 8 + begin + header.tensors()["fc2.bias"].data_offsets.0;
    for bad in [f32::NAN, f32::INFINITY] {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&bad.to_le_bytes());
        // Another tool's file has no checksum.
        let name = bytes
            .windows(8)
            .position(|w| w == b"checksum")
            .expect("there");
        bytes[name..name + 8].copy_from_slice(b"chucksum");
        std::fs::write(place.path("bad.safetensors"), &bytes).expect("written");
        for args in [
            train(&["--init", "bad.safetensors", "--run", "other"]),
            vec!["evaluate", "bad.safetensors", "set.safetensors"],
        ] {
            let error = place.fails(&args, 1);
            assert!(error.contains("fc2.bias is"), "{error}");
        }
        assert!(!place.path("other/model.safetensors").exists());
    }
}

/// A run that diverges later names the epoch whose weights it keeps, which are those of the last whole one where it keeps the last
/// or nothing validates.
#[test]
fn a_later_divergence_names_the_epoch_that_is_kept() {
    let place = Place::new();
    for (options, which) in [
        (&["--keep", "last"][..], "the weights of epoch 2 are kept"),
        (&["--val-fraction", "0"], "the weights of epoch 2 are kept"),
        (&[], ", the best one, are kept"),
    ] {
        let run = format!("run{}", options.concat());
        place.ok(&train(
            &[&["--epochs", "2", "--run", &run], options].concat(),
        ));
        let kept = std::fs::read(place.path(&run).join("model.safetensors")).expect("a model");
        // Every step multiplies the weights by -1e17.
        let config = place.path(&run).join("config.toml");
        let text = std::fs::read_to_string(&config).expect("saved");
        let text = text.replace("weight_decay = 0.0", "weight_decay = 1e20");
        std::fs::write(&config, text).expect("written");
        let error = place.fails(&["train", "--resume", &run, "--epochs", "4"], 1);
        assert!(error.contains("in epoch 3"), "{error}");
        assert!(error.contains(which), "{error}");
        let now = std::fs::read(place.path(&run).join("model.safetensors")).expect("a model");
        assert!(kept == now, "{options:?}");
    }
}

/// A closed pipe, whatever the moment, costs no epoch.
#[test]
fn a_closed_pipe_does_not_stop_training() {
    let place = Place::new();
    let mut command = place.command(&train(&["--epochs", "5", "--run", "run"]));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let out = child.wait_with_output().expect("waited");
    assert!(out.status.success(), "{}", stderr(&out));
    assert!(stderr(&out).contains("going on without it"));
    assert_eq!(lines(&place, "run/history.csv"), 6);
    assert!(place.path("run/report.html").exists());
}

/// Nor is it anything to complain about elsewhere: whoever closes it has seen enough.
#[test]
fn a_closed_pipe_ends_other_commands_quietly() {
    let place = Place::new();
    place.ok(&train(&["--epochs", "1", "--run", "run"]));
    for args in [
        vec!["plan", "--portable"],
        vec!["plan", "--portable", "--json"],
        vec!["devices"],
        vec!["--help"],
        vec!["gradcheck", "relu", "--reference"],
        vec!["gradcheck", "relu", "--json"],
        vec!["evaluate", "run", "set.safetensors"],
        vec!["evaluate", "run", "set.safetensors", "--json"],
        vec!["features", "set.safetensors", "--out", "set.npz"],
        vec![
            "profile",
            "--model",
            "toy.toml",
            "--batch-size",
            "2",
            "--repeats",
            "1",
        ],
    ] {
        let mut command = place.command(&args);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        drop(child.stdout.take());
        let out = child.wait_with_output().expect("waited");
        assert_eq!(out.status.code(), Some(0), "{args:?}: {}", stderr(&out));
        let text = stderr(&out);
        assert!(
            !text.contains("error") && !text.contains("panicked"),
            "{args:?}: {text}"
        );
    }
    // What was asked for besides printing is done.
    assert!(place.path("set.npz").is_file());
}

#[cfg(target_os = "linux")]
mod full {
    use super::*;
    use crate::place::tensors;
    use std::fs::File;

    fn full() -> File {
        File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it")
    }

    #[test]
    fn output_that_cannot_be_written_is_an_error() {
        let place = Place::new();
        place.ok(&train(&["--epochs", "1", "--run", "run"]));
        for args in [
            vec!["plan", "--json"],
            vec!["devices"],
            vec!["--help"],
            vec!["--version"],
            vec!["evaluate", "run", "set.safetensors", "--json"],
            train(&["--epochs", "2", "--run", "none"]),
        ] {
            let out = place
                .command(&args)
                .stdout(full())
                .output()
                .expect("starts");
            assert_eq!(out.status.code(), Some(1), "{args:?}");
            assert!(
                stderr(&out).contains("the disk is full"),
                "{}",
                stderr(&out)
            );
        }
        assert!(!place.path("none").exists());
        // Neither can the sentence be written: the exit status remains.
        for (args, status) in [(vec!["plan", "--json"], 1), (vec!["nonsense"], 2)] {
            let mut command = place.command(&args);
            let out = command.stdout(full()).stderr(full()).status();
            assert_eq!(out.expect("starts").code(), Some(status));
        }
    }

    /// Each of a run's files in turn is a link to a device that is always full.
    #[test]
    fn whichever_file_the_disk_fills_at_the_run_goes_on_to_the_same_bits() {
        let place = Place::new();
        place.ok(&train(&["--epochs", "3", "--run", "whole"]));
        for file in [
            "history.csv",
            "model.safetensors",
            "metrics.json",
            "report.html",
        ] {
            let run = format!("run-{file}");
            place.ok(&train(&["--epochs", "1", "--run", &run]));
            let path = place.path(&run).join(file);
            std::fs::remove_file(&path).expect("removed");
            std::os::unix::fs::symlink("/dev/full", &path).expect("linked");
            let go_on = ["train", "--resume", &run, "--epochs", "3"];
            // What a run says when it is over is removed where it trains on, and written anew where there is nothing to train.
            let report = ["metrics.json", "report.html"].contains(&file);
            let error = place.fails(&go_on[..if report { 3 } else { 5 }], 1);
            assert!(
                error.contains(file) && error.contains("disk is full"),
                "{error}"
            );
            std::fs::remove_file(&path).expect("removed");
            place.ok(&go_on);
            assert!(path.is_file());
            for file in ["model.safetensors", "checkpoint.safetensors"] {
                let of = |run: &str| tensors(&place.path(run).join(file));
                assert!(of("whole") == of(&run), "{file} differs");
            }
        }
    }
}

/// What Git LFS leaves of a file that it has not fetched, in the place of every kind of file.
#[test]
fn a_pointer_in_the_place_of_a_file_is_told_how_to_fetch_it() {
    let place = Place::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 12345\n";
    for name in [
        "p.safetensors",
        "p.npz",
        "x.npy",
        "p.toml",
        "p.txt",
        "p.mp3",
    ] {
        std::fs::write(place.path(name), pointer).expect("written");
    }
    for args in [
        &["evaluate", "p.safetensors", "set.safetensors"][..],
        &["train", "p.safetensors"],
        &["train", "p.npz"],
        &["train", "x.npy"],
        &["plan", "--model", "p.toml"],
        &["train", "--config", "p.toml"],
        &train(&["--recipe", "p.toml"]),
        &train(&["--split", "p.txt"]),
        &train(&["--init", "p.safetensors"]),
    ] {
        let error = place.fails(args, 1);
        assert!(error.contains("git lfs pull"), "{args:?}: {error}");
    }
    place.ok(&train(&["--epochs", "1", "--run", "run"]));
    std::fs::write(place.path("run/checkpoint.safetensors"), pointer).expect("written");
    let error = place.fails(&["train", "--resume", "run"], 1);
    assert!(error.contains("git lfs pull"), "{error}");
}
