//! Recipes, folds and what a run says of its last epoch.

use crate::place::{Place, tensors, train};
use serde_json::Value;

fn json(place: &Place, path: &str) -> Value {
    let text = std::fs::read_to_string(place.path(path)).expect(path);
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_recipe_stands_below_the_command_line_and_is_saved() {
    let place = Place::new();
    let recipe = "model = 'toy.toml'\nepochs = 2\nbatch_size = 4\nearly_stopping = 0\nschedule = 'cosine'\nmixup = 0.5\nkeep = 'last'\n";
    std::fs::write(place.path("mine.toml"), recipe).expect("written");
    let with = |more: &[&str]| {
        let all = [&["train", "set.safetensors"], more].concat();
        place.ok(&all)
    };
    with(&["--recipe", "mine.toml", "--epochs", "3", "--run", "a"]);
    let config = std::fs::read_to_string(place.path("a/config.toml")).expect("saved");
    for line in [
        "epochs = 3",
        "mixup = 0.5",
        "schedule = \"cosine\"",
        "keep = \"last\"",
    ] {
        assert!(config.contains(line), "{line}: {config}");
    }
    // By hand, and from what was saved.
    let by_hand = "--model toy.toml --epochs 3 --batch-size 4 --early-stopping 0 --schedule cosine --mixup 0.5 --keep last --run b";
    with(&by_hand.split(' ').collect::<Vec<_>>());
    with(&["--config", "a/config.toml", "--run", "c"]);
    let of = |run: &str| tensors(&place.path(run).join("checkpoint.safetensors"));
    assert!(of("a") == of("b"), "options by hand differ");
    assert!(of("a") == of("c"), "the saved config differs");
    // The weights kept are the last ones.
    let (kept, all) = (tensors(&place.path("a/model.safetensors")), of("a"));
    for tensor in kept {
        assert!(all.contains(&tensor), "{} is of another epoch", tensor.0);
    }
    let error = place.fails(
        &[
            "train",
            "set.safetensors",
            "--recipe",
            "mine.toml",
            "--plateau-patience",
            "2",
        ],
        2,
    );
    assert!(
        error.contains("--plateau-patience is without effect"),
        "{error}"
    );
    std::fs::write(place.path("bad.toml"), "\nmixup = 'much'\n").expect("written");
    let error = place.fails(&["train", "--recipe", "bad.toml"], 2);
    assert!(
        error.contains("bad.toml, line 2: mixup = \"much\": give a number"),
        "{error}"
    );
    let error = place.fails(&["train", "--resume", "a", "--recipe", "strong"], 2);
    assert!(error.contains("--recipe"), "{error}");
}

#[test]
fn all_folds_validate_every_track_once_and_go_on_after_a_stop() {
    let place = Place::new();
    let folds = |run: &str| {
        let args = ["--epochs", "2", "--folds", "3", "--run", run];
        place.ok(&train(&args))
    };
    let text = folds("all");
    assert!(text.contains("mean") && text.contains("std"), "{text}");
    let all = json(&place, "all/metrics.json");
    let counted: u64 = all["confusion"]
        .as_array()
        .expect("rows")
        .iter()
        .flat_map(|row| row.as_array().expect("counts"))
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(counted, 36, "12 tracks of each of 3 genres");
    let rows = all["folds"].as_array().expect("folds");
    for scores in [&all, &all["last"], &json(&place, "all/fold-0/metrics.json")] {
        let low = scores["intervals"]["accuracy"][0]
            .as_f64()
            .expect("a number");
        assert!(low <= scores["accuracy"].as_f64().expect("a number"));
    }
    assert_eq!([&rows[2]["fold"], &rows[2]["epochs"]], [2, 2]);
    let accuracies: Vec<f64> = (0..3)
        .map(|i| {
            json(&place, &format!("all/fold-{i}/metrics.json"))["accuracy"]
                .as_f64()
                .expect("a number")
        })
        .collect();
    for (row, accuracy) in rows.iter().zip(&accuracies) {
        assert_eq!(row["accuracy"].as_f64(), Some(*accuracy));
    }
    let mean = accuracies.iter().sum::<f64>() / 3.0;
    let told = all["accuracy_over_folds"]["mean"]
        .as_f64()
        .expect("a number");
    assert!((told - mean).abs() < 1e-12);
    // The whole's report leads to each fold's.
    let html = std::fs::read_to_string(place.path("all/report.html")).expect("read");
    for i in 0..3 {
        let link = format!("fold-{i}/report.html");
        assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
        assert!(place.path("all").join(link).is_file());
    }
    assert!(html.contains("<h2>Learning curves"));
    // A fold is what it is alone.
    place.ok(&train(&[
        "--epochs", "2", "--folds", "3", "--fold", "1", "--run", "one",
    ]));
    let of = |run: &str| tensors(&place.path(run).join("model.safetensors"));
    assert!(of("all/fold-1") == of("one"));
    // As if stopped in the last fold.
    folds("again");
    std::fs::remove_dir_all(place.path("again/fold-2")).expect("removed");
    std::fs::remove_file(place.path("again/metrics.json")).expect("removed");
    let kept = std::fs::metadata(place.path("again/fold-0/model.safetensors")).expect("there");
    // What is broken is said before anything is trained, with the way out.
    let broken = place.path("again/fold-1/history.csv");
    std::fs::write(&broken, "epoch,lo").expect("written");
    let error = place.fails(&["train", "--resume", "again"], 1);
    assert!(error.contains("history.csv"), "{error}");
    let metrics = place.path("again/fold-1/metrics.json");
    assert!(
        error.contains("metrics.json and the fold's files"),
        "{error}"
    );
    std::fs::remove_file(metrics).expect("removed");
    let text = place.ok(&["train", "--resume", "again"]);
    assert!(text.contains("done already"), "{text}");
    let [mended, whole] = ["again", "all"].map(|run| {
        let csv = std::fs::read_to_string(place.path(run).join("fold-1/history.csv"));
        csv.expect("read")
            .lines()
            .map(|l| l.split(',').take(6).collect::<Vec<_>>().join(","))
            .collect::<Vec<_>>()
    });
    assert_eq!(mended, whole, "but for the times");
    let same = std::fs::metadata(place.path("again/fold-0/model.safetensors")).expect("there");
    assert_eq!(
        kept.modified().expect("time"),
        same.modified().expect("time")
    );
    assert!(of("again/fold-2") == of("all/fold-2"));
    assert_eq!(
        json(&place, "again/metrics.json")["confusion"],
        all["confusion"]
    );
}

#[test]
fn the_last_epoch_stands_beside_the_best_and_a_test_side_is_scored_once() {
    let place = Place::new();
    let text = place.ok(&train(&["--epochs", "3", "--run", "run"]));
    assert!(
        text.contains("the last epoch (3)") || text.contains("the best epoch is the last one"),
        "{text}"
    );
    let metrics = json(&place, "run/metrics.json");
    assert!(metrics["last"]["accuracy"].is_f64() && metrics["test"].is_null());
    let split = std::fs::read_to_string(place.path("run/split.txt")).expect("saved");
    assert_eq!(split.lines().count(), 36);
    // The same split with every third training track on a third side.
    let lines: Vec<String> = (split.lines().enumerate())
        .map(|(i, line)| match line.strip_prefix("train ") {
            Some(track) if i % 3 == 0 => format!("test {track}"),
            _ => line.to_owned(),
        })
        .collect();
    let tested = lines.iter().filter(|l| l.starts_with("test ")).count() as u64;
    assert!(tested > 5);
    std::fs::write(place.path("three.txt"), lines.join("\n")).expect("written");
    let text = place.ok(&train(&[
        "--epochs",
        "2",
        "--split",
        "three.txt",
        "--run",
        "three",
    ]));
    assert_eq!(
        text.matches("the test side, scored once").count(),
        1,
        "{text}"
    );
    let metrics = json(&place, "three/metrics.json");
    let support = metrics["test"]["classes"]
        .as_array()
        .expect("classes")
        .iter();
    let support: u64 = support.filter_map(|c| c["support"].as_u64()).sum();
    assert_eq!(support, tested);
}
