//! Cross-validation: every fold, what they say together, and how it goes on.

use crate::common::write_arrays;
use crate::place::{Place, tensors, train};
use crate::recipes::json;
use serde_json::{Value, json as value};

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

/// Lines of a run's history below its head.
fn epochs(place: &Place, run: &str) -> usize {
    let csv = std::fs::read_to_string(place.path(run).join("history.csv")).expect("read");
    csv.lines().count() - 1
}

fn saved_epochs(place: &Place, run: &str) -> String {
    let config = std::fs::read_to_string(place.path(run).join("config.toml")).expect("read");
    let line = config.lines().find(|l| l.starts_with("epochs = "));
    line.expect("epochs").to_owned()
}

#[test]
fn every_fold_goes_on_to_more_epochs_which_are_remembered() {
    let place = Place::new();
    let folds = |epochs: &str, run: &str| {
        place.ok(&train(&["--epochs", epochs, "--folds", "2", "--run", run]))
    };
    folds("2", "straight");
    folds("1", "cv");
    place.ok(&["train", "--resume", "cv", "--epochs", "2"]);
    for run in ["cv", "cv/fold-0", "cv/fold-1"] {
        assert_eq!(saved_epochs(&place, run), "epochs = 2", "{run}");
    }
    assert_eq!(json(&place, "cv/metrics.json")["settings"]["epochs"], 2);
    for fold in ["fold-0", "fold-1"] {
        assert_eq!(epochs(&place, &format!("cv/{fold}")), 2);
        let of = |run: &str| tensors(&place.path(run).join(fold).join("model.safetensors"));
        assert!(of("cv") == of("straight"), "{fold}");
    }
    let text = place.ok(&["train", "--resume", "cv"]);
    assert_eq!(text.matches("done already").count(), 2, "{text}");
    let error = place.fails(&["train", "--resume", "cv", "--epochs", "1"], 2);
    assert!(
        error.contains("fold-0 has come to epoch 2 already"),
        "{error}"
    );
    assert_eq!(saved_epochs(&place, "cv"), "epochs = 2");
    // Nor is a fold that came less far changed before that.
    let history = place.path("cv/fold-0/history.csv");
    let whole = std::fs::read_to_string(&history).expect("read");
    let first: Vec<&str> = whole.lines().take(2).collect();
    std::fs::write(&history, first.join("\n")).expect("written");
    let error = place.fails(&["train", "--resume", "cv", "--epochs", "1"], 2);
    assert!(error.contains("fold-1 has come to epoch 2"), "{error}");
    for run in ["cv", "cv/fold-0"] {
        assert_eq!(saved_epochs(&place, run), "epochs = 2", "{run}");
    }
    std::fs::write(&history, whole).expect("written");
    // A fold that was stopped before its report was written.
    let report = place.path("cv/fold-1/report.html");
    std::fs::remove_file(&report).expect("removed");
    let text = place.ok(&["train", "--resume", "cv"]);
    assert_eq!(text.matches("done already").count(), 1, "{text}");
    assert!(report.is_file());
    // There is no model of the whole.
    let error = place.fails(&["evaluate", "cv", "set.safetensors"], 1);
    assert!(error.contains("such as cv/fold-0"), "{error}");
}

#[test]
fn folds_of_different_data_do_not_come_together() {
    let place = Place::new();
    let args = ["--epochs", "1", "--folds", "2", "--run", "cv"];
    place.ok(&train(&args));
    let whole = json(&place, "cv/metrics.json");
    for key in ["adapter", "driver", "version"] {
        assert_eq!(whole[key], json(&place, "cv/fold-0/metrics.json")[key]);
    }
    let second = place.path("cv/fold-1");
    std::fs::rename(&second, place.path("kept")).expect("moved");
    write_arrays(&place.path("set.safetensors"), 13, 3);
    let error = place.fails(&["train", "--resume", "cv"], 1);
    assert!(
        error.contains("fold-0: was trained on other data"),
        "{error}"
    );
    assert!(!second.exists(), "nothing was trained");
    // What a fold says of its data, the whole says too; what it can't have counted is refused.
    std::fs::rename(place.path("kept"), &second).expect("moved back");
    let change = |fold: &str, change: &dyn Fn(&mut Value)| {
        let path = format!("cv/{fold}/metrics.json");
        let mut metrics = json(&place, &path);
        change(&mut metrics);
        std::fs::write(place.path(&path), metrics.to_string()).expect("written");
    };
    for fold in ["fold-0", "fold-1"] {
        change(fold, &|m| {
            m["synthetic"] = value!(true);
            m["notes"] = value!(["a = b, kept on one side"]);
        });
    }
    place.ok(&["train", "--resume", "cv"]);
    let whole = json(&place, "cv/metrics.json");
    assert_eq!(whole["synthetic"], true);
    assert_eq!(whole["notes"], value!(["a = b, kept on one side"]));
    let html = std::fs::read_to_string(place.path("cv/report.html")).expect("read");
    assert_eq!(html.matches("a = b, kept on one side").count(), 1);
    assert!(html.to_lowercase().contains("synthetic data"), "{html}");
    change("fold-1", &|m| m["data_fingerprint"] = value!("of another"));
    let error = place.fails(&["train", "--resume", "cv"], 1);
    assert!(error.contains("trained on different data"), "{error}");
    change("fold-1", &|m| {
        m["confusion"][0][0] = value!(1_000_000_000_000_000_u64)
    });
    let error = place.fails(&["train", "--resume", "cv"], 1);
    assert!(error.contains("counts more than the 18 tracks"), "{error}");
}
