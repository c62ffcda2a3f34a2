//! What goes wrong, with its sentence, and that nothing is lost by it.

use crate::place::{Place, tensors, train};

/// A check that checks nothing must not look like one that passed.
#[test]
fn a_gradient_check_without_a_case_fails() {
    let place = Place::new();
    let check = ["gradcheck", "relu", "--rung", "dense.forward:naive"];
    let error = place.fails(&check, 2);
    assert!(
        error.contains("'relu'") && error.contains("nothing was checked"),
        "{error}"
    );
    let error = place.fails(&[&check[..], &["--json"]].concat(), 2);
    assert!(error.contains("nothing was checked"), "{error}");
    place.ok(&["gradcheck", "dense", "--rung", "dense.forward:naive"]);
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

/// Checkpoints and models that a disk or a tool has spoiled.
#[test]
fn damaged_files_are_refused_by_name() {
    let place = Place::new();
    place.ok(&train(&["--epochs", "1", "--run", "run"]));
    for file in ["checkpoint.safetensors", "model.safetensors"] {
        let path = place.path("run").join(file);
        let whole = std::fs::read(&path).expect("the file");
        let mut flipped = whole.clone();
        let middle = whole.len() * 2 / 3;
        flipped[middle] ^= 4;
        for bytes in [&whole[..whole.len() / 2], &flipped, &[]] {
            std::fs::write(&path, bytes).expect("written");
            let error = if file.starts_with("model") {
                place.fails(&["evaluate", "run", "set.safetensors"], 1)
            } else {
                place.fails(&["train", "--resume", "run", "--epochs", "2"], 1)
            };
            assert!(error.contains(file) && error.contains("damaged"), "{error}");
            assert!(std::fs::read(&path).expect("the file") == bytes, "touched");
        }
        std::fs::write(&path, &whole).expect("written");
    }
    place.ok(&["train", "--resume", "run", "--epochs", "2"]);
}

/// A model file whose weights are not its architecture's.
#[test]
fn another_architecture_is_refused_by_name() {
    let place = Place::new();
    place.ok(&train(&["--epochs", "1", "--run", "run"]));
    let path = place.path("run/model.safetensors");
    let bytes = std::fs::read(&path).expect("the model");
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("a header");
    let mut metadata = header.metadata().clone().expect("metadata");
    let other = metadata["architecture"].replace("filters = 6", "filters = 7");
    assert_ne!(other, metadata["architecture"]);
    metadata.insert("architecture".into(), other);
    metadata.remove("checksum");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
    let changed = safetensors::serialize(file.tensors(), Some(metadata)).expect("bytes");
    std::fs::write(place.path("other.safetensors"), changed).expect("written");
    let error = place.fails(&["evaluate", "other.safetensors", "set.safetensors"], 1);
    for part in ["other.safetensors", "conv1.weight", "another architecture"] {
        assert!(error.contains(part), "{error}");
    }

    // A run whose model, or whose data, was changed behind its back.
    let toy = std::fs::read_to_string(place.path("toy.toml")).expect("the model");
    std::fs::write(
        place.path("toy.toml"),
        toy.replace("filters=6", "filters=7"),
    )
    .expect("written");
    let go_on = ["train", "--resume", "run", "--epochs", "2"];
    let error = place.fails(&go_on, 1);
    for part in ["toy.toml", "other layers than the run was begun with"] {
        assert!(error.contains(part), "{error}");
    }
    // Also where all weights would fit.
    let drier = toy.replace("rate=0.2", "rate=0.3");
    std::fs::write(place.path("toy.toml"), drier).expect("written");
    assert_eq!(place.fails(&go_on, 1), error);
    std::fs::remove_file(place.path("toy.toml")).expect("removed");
    let error = place.fails(&go_on, 2);
    assert!(
        error.contains("toy.toml") && error.contains("run/config.toml"),
        "{error}"
    );
    std::fs::write(place.path("toy.toml"), toy).expect("written");
    crate::common::write_arrays(&place.path("set.safetensors"), 13, 3);
    let error = place.fails(&["train", "--resume", "run", "--epochs", "2"], 1);
    assert!(
        error.contains("the data is not what the run was trained on"),
        "{error}"
    );
    crate::common::write_arrays(&place.path("set.safetensors"), 12, 3);
    let error = place.fails(&["train", "--resume", "run", "--dropout", "0"], 2);
    assert!(error.contains("--resume"), "{error}");
    // The run's own settings may be said again.
    place.ok(&[
        "train",
        "--resume",
        "run",
        "--epochs",
        "2",
        "--batch-size",
        "4",
    ]);
}

/// A disk that is full when an epoch ends; here, a limit on the size of files between those of the first two checkpoints
/// (the second holds the best weights as well).
#[cfg(unix)]
#[test]
fn a_checkpoint_that_cannot_be_written_loses_nothing() {
    use std::process::Command;
    let place = Place::new();
    // Large enough for drivers that compile kernels into files in memory, which the limit holds for too (SwiftShader).
    let toy = std::fs::read_to_string(place.path("toy.toml")).expect("the model");
    let wide = "units=600\n[[layer]]\ntype='dense'\nunits=600";
    std::fs::write(place.path("toy.toml"), toy.replace("units=8", wide)).expect("written");
    place.ok(&train(&["--epochs", "3", "--run", "whole"]));
    let size = std::fs::metadata(place.path("whole/checkpoint.safetensors"))
        .expect("a file")
        .len();
    // Weights, two moments and the best weights: a quarter less has no room for the last. In blocks of 512 bytes.
    let blocks = size * 7 / 8 / 512;
    let program = env!("CARGO_BIN_EXE_gtzan-gpu");
    let args = train(&["--epochs", "3", "--run", "run"]).join(" ");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {program} {args}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(place.path(""));
    let out = crate::common::keep_in(&mut shell, &place.path("cache"))
        .output()
        .expect("a shell");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    let error = stderr
        .lines()
        .find(|l| l.starts_with("error: "))
        .expect("an error");
    for part in [
        "run/checkpoint.safetensors",
        "can't be written",
        "is saved",
        "go on with: gtzan-gpu train --resume run",
    ] {
        assert!(error.contains(part), "{error}");
    }
    place.ok(&["train", "--resume", "run"]);
    for file in ["model.safetensors", "checkpoint.safetensors"] {
        let of = |run: &str| tensors(&place.path(run).join(file));
        assert!(of("whole") == of("run"), "{file} differs");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let place = Place::new();
    std::fs::write(place.path("plain"), b"a file").expect("written");
    let error = place.fails(&train(&["--epochs", "1", "--run", "plain/run"]), 1);
    assert!(
        error.contains("plain/run") && error.contains("in the way"),
        "{error}"
    );
    let error = place.fails(&["features", "set.safetensors", "--out", "no/where.npz"], 1);
    assert!(error.contains("no/where.npz"), "{error}");
}

/// A run with this batch size.
fn with_batch<'a>(size: &'a str, run: &'a str) -> [&'a str; 10] {
    [
        "train",
        "set.safetensors",
        "--model",
        "toy.toml",
        "--epochs",
        "1",
        "--run",
        run,
        "--batch-size",
        size,
    ]
}

#[test]
fn a_batch_is_no_larger_than_what_trains() {
    let place = Place::new();
    let out = place.run(&with_batch("100000", "run"));
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    let stdout = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{stderr}");
    let (_, most) = stderr.split_once("batches of ").expect("a line about it");
    let most = most.split(' ').next().expect("a number");
    assert!(
        stdout.contains(&format!("; {most} samples train,")),
        "{stdout}"
    );
    assert!(
        stdout.contains(&format!("1 steps of {most} per epoch")),
        "{stdout}"
    );
    let config = std::fs::read_to_string(place.path("run/config.toml")).expect("a config");
    assert!(
        config.contains(&format!("batch_size = {most}\n")),
        "{config}"
    );
    place.ok(&["train", "--resume", "run"]);
}

#[test]
fn batch_norm_behind_global_pooling_wants_two_samples() {
    let place = Place::new();
    let model = "name='one'\n[[layer]]\ntype='global_avg_pool'\n[[layer]]\ntype='dense'\nunits=4\n\
        [[layer]]\ntype='batch_norm'\n[[layer]]\ntype='dense'\nunits='classes'\n";
    std::fs::write(place.path("one.toml"), model).expect("written");
    let args = [
        "train",
        "set.safetensors",
        "--model",
        "one.toml",
        "--epochs",
        "1",
        "--run",
        "one",
    ];
    let one: Vec<&str> = args.into_iter().chain(["--batch-size", "1"]).collect();
    let error = place.fails(&one, 2);
    assert!(
        error.contains("bn1") && error.contains("--batch-size 2"),
        "{error}"
    );
    assert!(!place.path("one").exists());
    let two: Vec<&str> = args.into_iter().chain(["--batch-size", "2"]).collect();
    place.ok(&two);
    // In front of the pooling a sample has many values per channel.
    place.ok(&with_batch("1", "conv"));
    // 33 samples in batches of 11, and of 8 with one left over, whose variance of 0 is not that of the activations: with a
    // learning rate that changes no weight, the running variances are two estimates of the same.
    std::fs::write(
        place.path("one.toml"),
        model.replace("global_avg_pool", "flatten"),
    )
    .expect("written");
    let running = |batch: &str| {
        let more = "--val-fraction 0 --limit 33 --no-shuffle --learning-rate 1e-12 --batch-size";
        let run = format!("of-{batch}");
        let (mut all, more) = (args.to_vec(), more.split(' '));
        all.extend(more.chain([batch]));
        if let Some(name) = all.iter_mut().find(|a| **a == "one") {
            *name = &run;
        }
        place.ok(&all);
        let model = tensors(&place.path(&run).join("model.safetensors"));
        let (_, bytes) = (model
            .into_iter()
            .find(|(name, _)| name == "bn1.running_var"))
        .expect("running variances");
        bytemuck::pod_collect_to_vec::<u8, f32>(&bytes)
    };
    for (whole, left_over) in running("11").into_iter().zip(running("8")) {
        let ratio = left_over / whole;
        assert!((0.6..1.6).contains(&ratio), "{left_over} for {whole}");
    }
}

#[test]
fn more_folds_than_recordings_are_refused() {
    let place = Place::new();
    for folds in ["5000", "9223372036854775807"] {
        let error = place.fails(&train(&["--folds", folds, "--run", "run"]), 1);
        assert!(error.contains("folds are the most here"), "{error}");
    }
}

/// What is somebody else's stays, what can't be used is told before anything is computed, and what was left out by wish is not missing.
#[test]
fn places_and_wishes_are_told_by_name() {
    let place = Place::new();
    std::fs::create_dir(place.path("page")).expect("a folder");
    std::fs::write(place.path("page/index.html"), "my own page").expect("written");
    let error = place.fails(&["export", "--web", "page", "toy.toml"], 1);
    assert!(
        error.contains("index.html") && error.contains("another folder"),
        "{error}"
    );
    let page = std::fs::read(place.path("page/index.html")).expect("there");
    assert_eq!(page, b"my own page");

    std::fs::write(place.path("none.md"), "no markers").expect("written");
    let error = place.fails(&["bench", "relu", "--readme=none.md"], 1);
    assert!(
        error.contains("none.md") && error.contains("has no place"),
        "{error}"
    );

    let error = place.fails(&train(&["--limit", "2", "--run", "few"]), 1);
    assert!(error.contains("--limit 2 leaves out the others"), "{error}");

    let plan = place.ok(&["plan", "--model", "toy.toml", "--portable", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    assert_eq!(plan["planned_for"], "any WebGPU-class GPU");

    // A run that ended before it began leaves its number to the next.
    std::fs::create_dir_all(place.path("runs/toy-1")).expect("a folder");
    std::fs::write(place.path("runs/toy-1/.lock"), "").expect("written");
    place.ok(&train(&["--epochs", "1"]));
    assert!(place.path("runs/toy-1/model.safetensors").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_no_text_is_refused_before_anything_is_computed() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let name = std::ffi::OsStr::from_bytes(b"set\xff.safetensors");
    std::fs::copy(place.path("set.safetensors"), place.dir.path().join(name)).expect("copied");
    let mut command = place.command(&["train", "--model", "toy.toml", "--run", "run"]);
    let out = command.arg(name).output().expect("starts");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("DATA: ") && stderr.contains("symbolic link"),
        "{stderr}"
    );
    assert!(out.stdout.is_empty() && !place.path("run").exists());
}
