//! Options of `train`: each does what its help says.

use crate::place::{Place, tensors, train};

/// The numbers of `history.csv` but for times: epoch, loss, accuracy, val_loss, val_accuracy, lr.
fn history(place: &Place, run: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(place.path(run).join("history.csv")).expect("the history");
    let row = |line: &str| line.split(',').take(6).map(str::to_owned).collect();
    text.lines().skip(1).map(row).collect()
}

fn same_weights(place: &Place, a: &str, b: &str) -> bool {
    let of = |run: &str| tensors(&place.path(run).join("checkpoint.safetensors"));
    of(a) == of(b)
}

#[test]
fn the_saved_config_gives_the_same_run_and_the_command_line_wins() {
    let place = Place::new();
    let options = [
        "--epochs",
        "2",
        "--dropout",
        "0",
        "--no-shuffle",
        "--seed",
        "3",
        "--val-fraction",
        "0.3",
        "--limit",
        "30",
        "--learning-rate",
        "2e-3",
        "--no-class-weights",
        "--label-smoothing",
        "0.1",
        "--clip-norm",
        "1.5",
        "--run",
        "a",
    ];
    place.ok(&train(&options));
    place.ok(&["train", "--config", "a/config.toml", "--run", "b"]);
    assert!(same_weights(&place, "a", "b"));
    assert_eq!(history(&place, "a"), history(&place, "b"));
    let read = |run: &str| std::fs::read_to_string(place.path(run).join("config.toml"));
    assert_eq!(read("a").expect("a config"), read("b").expect("a config"));
    place.ok(&[
        "train",
        "--config",
        "a/config.toml",
        "--seed",
        "4",
        "--run",
        "c",
    ]);
    assert!(!same_weights(&place, "a", "c"));
    assert!(read("c").expect("a config").contains("seed = 4"));

    std::fs::write(place.path("wrong.toml"), "epochs = 2\nbatch_sise = 4\n").expect("written");
    let error = place.fails(&["train", "--config", "wrong.toml"], 2);
    for part in ["wrong.toml", "line 2", "batch_sise", "batch_size"] {
        assert!(error.contains(part), "{error}");
    }
    let error = place.fails(&["train", "--config", "nowhere.toml"], 1);
    assert!(error.contains("nowhere.toml"), "{error}");
}

#[test]
fn init_starts_from_given_weights() {
    let place = Place::new();
    place.ok(&train(&["--epochs", "12", "--run", "first"]));
    let init = [
        "--epochs",
        "1",
        "--init",
        "first/model.safetensors",
        "--run",
        "second",
    ];
    place.ok(&train(&init));
    place.ok(&train(&["--epochs", "1", "--run", "fresh"]));
    let loss = |run: &str| -> f64 { history(&place, run)[0][1].parse().expect("a loss") };
    assert!(
        loss("second") < 0.5 * loss("fresh"),
        "{} and {}",
        loss("second"),
        loss("fresh")
    );
}

#[test]
fn limit_and_val_fraction_choose_the_tracks() {
    let place = Place::new();
    let half = [
        "--epochs",
        "1",
        "--limit",
        "12",
        "--val-fraction",
        "0.5",
        "--run",
        "half",
    ];
    let out = place.ok(&train(&half));
    assert!(
        out.contains("12 tracks of 3 genres; 6 samples train, 6 validate"),
        "{out}"
    );
    let fails = |more: &[&str], part: &str| {
        let error = place.fails(&train(more), 2);
        assert!(error.contains(part), "{error}");
    };
    fails(&["--val-fraction", "1.5"], "--val-fraction 1.5");
    fails(&["--limit", "0"], "--limit");
    fails(&["--dropout", "1"], "dropout");
    fails(&["--threads", "0"], "--threads");
}

/// Every track trains: nothing validates, nothing stops the run early, the last weights are kept, and all that follows a run says so.
#[test]
fn val_fraction_0_trains_on_all_there_is() {
    let place = Place::new();
    let all = |epochs: &'static str, run: &'static str| {
        train(&["--val-fraction", "0", "--epochs", epochs, "--run", run])
    };
    let out = place.ok(&all("3", "all"));
    for part in [
        "samples train, none validates",
        "nothing validates: ",
        "accuracy on the training samples",
        "the last weights",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("val loss") && !out.contains("best"), "{out}");
    for row in history(&place, "all") {
        assert_eq!((&row[3][..], &row[4][..]), ("", ""), "{row:?}");
    }
    let text = std::fs::read_to_string(place.path("all/metrics.json")).expect("metrics");
    let metrics: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(metrics["train_accuracy"].as_f64().is_some(), "{text}");
    assert!(metrics.get("accuracy").is_none() && metrics["last"].is_null());
    let split = std::fs::read_to_string(place.path("all/split.txt")).expect("the split");
    assert!(split.lines().all(|l| l.starts_with("train ")), "{split}");
    let tracks = split.lines().count();

    // The model of the last epoch, and the same bits when the run was shorter first.
    place.ok(&all("2", "two"));
    place.ok(&["train", "--resume", "two", "--epochs", "3"]);
    assert!(same_weights(&place, "all", "two"));
    let saved = |file: &str| tensors(&place.path(file));
    assert_eq!(
        saved("all/model.safetensors"),
        saved("two/model.safetensors")
    );

    let data = place.path("set.safetensors");
    let data = data.to_str().expect("UTF-8");
    let out = place.ok(&["evaluate", "all", data]);
    let expected = format!("the model was trained on {tracks}, 0 validated it");
    assert!(out.contains(&expected), "{out}");
    let error = place.fails(&["evaluate", "all", data, "--side", "validation"], 1);
    assert!(error.contains("validation side"), "{error}");

    // What would have nothing to watch.
    for option in [
        &["--keep", "best"][..],
        &["--plateau-patience", "3"],
        &["--schedule", "plateau"],
        &["--min-lr", "1e-5"],
    ] {
        let error = place.fails(&[&all("1", "no")[..], option].concat(), 2);
        assert!(
            error.contains(option[0]) && error.contains("--val-fraction 0"),
            "{error}"
        );
    }
}

/// Without shuffling and dropout the seed decides weights and split alone; with them, also order and masks.
#[test]
fn shuffle_dropout_and_threads() {
    let place = Place::new();
    let run = |name: &str, more: &[&str]| {
        place.ok(&train(&[&["--epochs", "1", "--run", name], more].concat()));
    };
    // Threads compute features, of which a file of arrays has none to compute.
    for (name, threads) in [("one", "1"), ("three", "3")] {
        let mut command = vec!["train", "--synthetic", "--synthetic-tracks", "2"];
        command.extend(["--model", "small", "--batch-size", "4", "--epochs", "1"]);
        command.extend(["--no-cache", "--threads", threads, "--run", name]);
        place.ok(&command);
    }
    assert!(
        same_weights(&place, "one", "three"),
        "threads change the result"
    );
    run("a", &[]);
    run("c", &["--no-shuffle"]);
    run("d", &["--dropout", "0"]);
    run("e", &["--dropout", "0.2"]);
    assert!(!same_weights(&place, "a", "c"));
    assert!(!same_weights(&place, "a", "d"));
    assert!(
        same_weights(&place, "a", "e"),
        "0.2 is the model's own rate"
    );
}

#[test]
fn micro_batches_are_cut_as_asked_or_refused() {
    let place = Place::new();
    let run = |name: &str, more: &[&str]| {
        let options = [&["--epochs", "1", "--run", name], more].concat();
        place.ok(&train(&options))
    };
    run("whole", &[]);
    run("one", &["--micro-batches", "1"]);
    let text = run("halves", &["--micro-batches", "2"]);
    assert!(text.contains("2 micro-batches a step"), "{text}");
    assert!(same_weights(&place, "whole", "one"));
    assert!(!same_weights(&place, "whole", "halves"));
    // Another budget is not another cut.
    run("tight", &["--micro-batches", "2", "--vram", "1GiB"]);
    assert!(same_weights(&place, "halves", "tight"));
    for (k, batch, part) in [
        ("3", "4", "give 2 or 4"),
        ("5", "4", "give 4"),
        ("0", "4", "at least 1"),
        ("1000", "1000", "samples train"),
    ] {
        let error = place.fails(
            &[
                "train",
                "set.safetensors",
                "--model",
                "toy.toml",
                "--batch-size",
                batch,
                "--micro-batches",
                k,
                "--run",
                "none",
            ],
            2,
        );
        assert!(
            error.contains("--micro-batches") && error.contains(part),
            "{error}"
        );
        assert!(!place.path("none").exists());
    }
    // Fewer samples than a batch: the largest batch that can still be cut so (30 train).
    let few = [
        "train",
        "set.safetensors",
        "--model",
        "toy.toml",
        "--batch-size",
        "40",
        "--epochs",
        "1",
    ];
    for (k, batch) in [("4", "28"), ("8", "24")] {
        let out = place.run(&[&few[..], &["--micro-batches", k, "--run", k]].concat());
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        let said = format!("batches of {batch} it is");
        assert!(out.status.success() && stderr.contains(&said), "{stderr}");
    }
    let error = place.fails(&["train", "--resume", "halves", "--micro-batches", "4"], 2);
    assert!(error.contains("another --micro-batches"), "{error}");
    let plan =
        |more: &[&str]| place.ok(&[&["plan", "--model", "toy.toml", "--portable"], more].concat());
    let text = plan(&["--micro-batches", "4"]);
    assert!(text.contains("batch 8 in 4 micro-batches of 2"), "{text}");
    let statistics =
        "batch norm takes its statistics from each micro-batch of 2, not from the batch of 8";
    assert!(text.contains(statistics), "{text}");
    assert!(!plan(&[]).contains("statistics"));
    let error = place.fails(&["plan", "--model", "toy.toml", "--micro-batches", "3"], 2);
    assert!(error.contains("give 2 or 4"), "{error}");
    place.ok(&[
        "plan",
        "--model",
        "toy.toml",
        "--micro-batches",
        "4",
        "--json",
    ]);
}
