//! What a run learns, shows and leaves behind.

use crate::place::{Place, tensors, train};

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
