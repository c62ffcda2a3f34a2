//! A model knows what it was trained on, and groups stay together.

use crate::place::{Place, train};
use crate::songs::{json, songs};
use serde_json::{Value, json as value};

const EARS: [&str; 7] = [
    "train",
    "songs",
    "--model",
    "ears.toml",
    "--epochs",
    "1",
    "--run",
];

fn tracks(answer: &Value) -> u64 {
    let rows = answer["confusion"].as_array().expect("a matrix");
    let cells = rows.iter().flat_map(|row| row.as_array().expect("a row"));
    cells.map(|n| n.as_u64().expect("a count")).sum()
}

#[test]
fn evaluate_uses_the_split_that_the_model_was_trained_with() {
    let place = Place::new();
    songs(&place);
    place.ok(&[
        &EARS[..],
        &["run", "--limit", "8", "--val-fraction", "0.25"],
    ]
    .concat());
    let split = std::fs::read_to_string(place.path("run/split.txt")).expect("the split");
    let line = |l: &str| l.starts_with("validation ") || l.starts_with("train ");
    assert_eq!(
        (split.lines().count(), split.lines().all(line)),
        (8, true),
        "{split}"
    );
    let evaluate =
        |side: &str| json(&place.ok(&["evaluate", "run", "songs", "--side", side, "--json"]));
    let metrics: Value =
        json(&std::fs::read_to_string(place.path("run/metrics.json")).expect("metrics"));
    let counts = value!({"training": 6, "validation": 2, "test": 0, "new": 4, "related": 0});

    // All twelve songs are there now, then under other names and in other folders: still two of them validate.
    for round in 0..2 {
        let validation = evaluate("validation");
        assert_eq!(
            validation["confusion"], metrics["confusion"],
            "round {round}"
        );
        assert_eq!(validation["tracks"], counts, "round {round}");
        for (side, n) in [("training", 6), ("train", 6), ("new", 4), ("all", 12)] {
            assert_eq!(tracks(&evaluate(side)), n, "{side}, round {round}");
        }
        if round == 0 {
            for genre in ["high", "low"] {
                let folder = place.path("songs").join(genre).join("album");
                std::fs::create_dir(&folder).expect("a folder");
                for i in 0..6 {
                    let from = place.path(&format!("songs/{genre}/{genre}.{i:05}.au"));
                    std::fs::rename(from, folder.join(format!("{}.au", 9 - i))).expect("moved");
                }
            }
        }
    }
    let text = place.ok(&[
        "evaluate",
        "run/model.safetensors",
        "songs",
        "--side",
        "validation",
    ]);
    assert!(
        text.contains("of 12 tracks the model was trained on 6, 2 validated it, 4 are new to it"),
        "{text}"
    );
    let error = place.fails(&["evaluate", "run", "songs", "--side", "test"], 1);
    assert!(
        error.contains("no track in it is on the test side"),
        "{error}"
    );

    // Another run on the same split, by content.
    place.ok(&[&EARS[..], &["again", "--split", "run/split.txt"]].concat());
    let sides = |run: &str| {
        let text = std::fs::read_to_string(place.path(run).join("split.txt")).expect("a split");
        let key = |l: &str| {
            (
                l.split(' ').next().map(str::to_owned),
                l.rsplit('#').next().map(str::to_owned),
            )
        };
        let mut lines: Vec<_> = text.lines().map(key).collect();
        lines.sort();
        lines
    };
    assert_eq!(sides("run"), sides("again"));

    // A file of an older version.
    let bytes = std::fs::read(place.path("run/model.safetensors")).expect("the model");
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("a header");
    let mut metadata = header.metadata().clone().expect("metadata");
    assert!(metadata.remove("split").is_some() && metadata.remove("checksum").is_some());
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
    let old = safetensors::serialize(file.tensors(), Some(metadata)).expect("bytes");
    std::fs::write(place.path("old.safetensors"), old).expect("written");
    let error = place.fails(
        &[
            "evaluate",
            "old.safetensors",
            "songs",
            "--side",
            "validation",
        ],
        1,
    );
    for part in ["old.safetensors", "older version", "--resume"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(
        place
            .ok(&["evaluate", "old.safetensors", "songs"])
            .contains("does not know what it was trained on")
    );
}

/// Arrays without the ids of their tracks may be of the very recordings that the model knows.
#[test]
fn what_arrays_do_not_say_is_not_told_of_them() {
    let place = Place::new();
    songs(&place);
    place.ok(&[&EARS[..], &["run"]].concat());
    for (features, file) in [
        ("segment", "own.safetensors"),
        ("notebook", "other.safetensors"),
    ] {
        place.ok(&["features", "songs", "--features", features, "--out", file]);
    }
    let evaluate = |file: &str| place.ok(&["evaluate", "run", file]);
    assert!(evaluate("own.safetensors").contains("of 12 tracks the model was trained on"));
    let error = place.fails(&["evaluate", "run", "other.safetensors"], 1);
    assert!(
        error.contains("of the definition notebook, the model was trained on segment"),
        "{error}"
    );
    place.ok(&["features", "songs", "--out", "x.npy"]);
    let text = evaluate("x.npy");
    assert!(
        text.contains("the data does not say which recordings"),
        "{text}"
    );
    let error = place.fails(&["evaluate", "run", "x.npy", "--side", "new"], 1);
    assert!(
        error.starts_with("error: x.npy: ") && error.contains("--side new can't be told"),
        "{error}"
    );
    // Nor does a copy of such a file know more.
    place.ok(&["features", "x.npy", "--out", "copy.npz"]);
    let error = place.fails(&["evaluate", "run", "copy.npz", "--side", "new"], 1);
    assert!(error.contains("--side new can't be told"), "{error}");
    let answer = json(&place.ok(&["evaluate", "run", "x.npy", "--json"]));
    assert!(answer["tracks"].is_null() && tracks(&answer) == 12);
    // The other way round: a model of such arrays knows these, and can't tell whether it knows others.
    let of_arrays = [
        "train",
        "x.npy",
        "--model",
        "ears.toml",
        "--epochs",
        "1",
        "--run",
        "nameless",
    ];
    place.ok(&of_arrays);
    let evaluate = |data: &str| place.ok(&["evaluate", "nameless", data]);
    assert!(evaluate("x.npy").contains("of 12 tracks the model was trained on"));
    let text = evaluate("own.safetensors");
    assert!(
        text.contains("trained on arrays that did not say"),
        "{text}"
    );
    // Other arrays without ids, as from the tool that made the first, are new.
    place.ok(&train(&["--epochs", "1", "--run", "plain"]));
    let bytes = std::fs::read(place.path("set.safetensors")).expect("the arrays");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("arrays");
    let (x, y) = (file.tensor("x").expect("x"), file.tensor("y").expect("y"));
    let moved: Vec<u8> = (bytemuck::pod_collect_to_vec::<u8, f32>(x.data()).iter())
        .flat_map(|v| (v + 0.25).to_le_bytes())
        .collect();
    let shape = x.shape().to_vec();
    let x = safetensors::tensor::TensorView::new(x.dtype(), shape, &moved).expect("x");
    let others = safetensors::serialize([("x", x), ("y", y)], None).expect("bytes");
    std::fs::write(place.path("others.safetensors"), others).expect("written");
    let text = place.ok(&["evaluate", "plain", "others.safetensors", "--side", "new"]);
    assert!(text.contains("36 are new to it"), "{text}");
}

#[test]
fn groups_and_copies_are_told_and_kept_together() {
    let place = Place::new();
    songs(&place);
    for genre in ["high", "low"] {
        for i in 0..6 {
            let folder = place
                .path("songs")
                .join(genre)
                .join(format!("artist{}", i / 2));
            std::fs::create_dir_all(&folder).expect("a folder");
            let from = place.path(&format!("songs/{genre}/{genre}.{i:05}.au"));
            std::fs::rename(from, folder.join(format!("{i} title.au"))).expect("moved");
        }
    }
    let copy =
        |from: &str, to: &str| std::fs::copy(place.path(from), place.path(to)).expect("copied");
    copy(
        "songs/high/artist0/0 title.au",
        "songs/high/artist2/another name.au",
    );
    copy(
        "songs/high/artist1/2 title.au",
        "songs/low/artist1/wrong.au",
    );
    let out = place.run(
        &[
            &EARS[..],
            &["run", "--group-by", "folder", "--val-fraction", "0.34"],
        ]
        .concat(),
    );
    let (stdout, stderr) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    assert!(out.status.success(), "{stderr}");
    for part in [
        "depth: 14 files one folder below",
        "grouped by folder: 14 files of 6 folders",
        "high/artist0/0 title = high/artist2/another name",
    ] {
        assert!(stdout.contains(part), "{stdout}");
    }
    assert!(
        stderr.contains("warning: the same content in two genres")
            && stderr.contains("high/artist1/2 title = low/artist1/wrong"),
        "{stderr}"
    );
    let report = std::fs::read_to_string(place.path("run/report.html")).expect("the report");
    // A slash is escaped in HTML, and may be.
    let report = report.replace("&#x2f;", "/");
    assert!(report.contains("high/artist1/2 title = low/artist1/wrong"));
    let split = std::fs::read_to_string(place.path("run/split.txt")).expect("the split");
    let side = |name: &str| {
        let line = split.lines().find(|l| l.contains(&format!(" {name} #")));
        line.unwrap_or_else(|| panic!("{name} in {split}"))
            .split(' ')
            .next()
            .map(str::to_owned)
    };
    for (a, b) in [
        ("0 title", "1 title"),
        ("2 title", "3 title"),
        ("4 title", "5 title"),
    ] {
        let artist = format!("artist{}", &a[..1].parse::<u32>().expect("a number") / 2);
        for genre in ["high", "low"] {
            assert_eq!(
                side(&format!("{genre}/{artist}/{a}")),
                side(&format!("{genre}/{artist}/{b}"))
            );
        }
    }
    assert_eq!(side("high/artist0/0 title"), side("high/artist2/4 title"));
    assert_eq!(side("high/artist1/2 title"), side("low/artist1/3 title"));
    let error = place.fails(&[&EARS[..], &["b", "--group-by", "artist"]].concat(), 2);
    assert!(error.contains("recording, folder or file"), "{error}");
}
