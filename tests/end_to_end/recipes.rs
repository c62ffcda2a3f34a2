//! Recipes, folds and what a run says of its last epoch.

use crate::place::{Place, tensors, train};
use serde_json::Value;

pub fn json(place: &Place, path: &str) -> Value {
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
    // The same file by another path.
    place.ok(&["train", "--resume", "a", "--recipe", "./mine.toml"]);
    // A saved config leaves nothing to another recipe.
    let error = place.fails(
        &["train", "--config", "a/config.toml", "--recipe", "strong"],
        2,
    );
    assert!(
        error.contains("--recipe strong is without effect on --config a/config.toml"),
        "{error}"
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
    // One track of the data on no side, and two in the list that the data lacks.
    let left_out = lines.iter().position(|l| l.starts_with("train "));
    let mut lines = lines;
    lines.remove(left_out.expect("a training track"));
    lines.extend(["train lost".to_owned(), "test gone".to_owned()]);
    std::fs::write(place.path("three.txt"), lines.join("\n")).expect("written");
    let text = place.ok(&train(&[
        "--epochs",
        "2",
        "--split",
        "three.txt",
        "--run",
        "three",
    ]));
    for part in [
        &*format!("validate, {tested} test"),
        "of 37 tracks in the split's lists 2 are not in the data, the first of them lost",
        "1 of 36 tracks are on no side of the split",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
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
