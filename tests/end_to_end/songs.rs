//! Audio in, genres out: `predict` and `evaluate` on songs.

use crate::place::Place;
use gtzan_gpu::audio::au::write_pcm16;
use serde_json::Value;

/// Two genres of six songs of 0.5 s: low tones and high tones.
pub fn songs(place: &Place) {
    for (genre, base) in [("high", 3000.0), ("low", 200.0)] {
        std::fs::create_dir_all(place.path("songs").join(genre)).expect("a folder");
        for i in 0..6 {
            let hz = base * (1.0 + 0.1 * i as f32);
            let tone = |n: i32| 0.5 * (n as f32 / 22_050.0 * hz * std::f32::consts::TAU).sin();
            let samples: Vec<f32> = (0..11_025).map(tone).collect();
            let path = place.path(&format!("songs/{genre}/{genre}.{i:05}.au"));
            write_pcm16(&path, &samples, 22_050).expect("written");
        }
    }
    // Pools first, so that the network is a few operations on a few numbers.
    let model = "name='ears'\n[[layer]]\ntype='max_pool2d'\nwindow=4\n[[layer]]\ntype='conv2d'\nfilters=4\nkernel=3\n\
        activation='relu'\n[[layer]]\ntype='max_pool2d'\nwindow=4\n[[layer]]\ntype='flatten'\n[[layer]]\ntype='dense'\n\
        units='classes'\n";
    std::fs::write(place.path("ears.toml"), model).expect("written");
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn predict_agrees_with_evaluate_and_names_what_it_cannot_read() {
    let place = Place::new();
    songs(&place);
    let args = [
        "train",
        "songs",
        "--model",
        "ears.toml",
        "--epochs",
        "2",
        "--batch-size",
        "4",
        "--run",
        "run",
    ];
    place.ok(&args);
    let evaluated = json(&place.ok(&["evaluate", "run", "songs", "--json"]));
    let mut files = Vec::new();
    for genre in ["high", "low"] {
        files.extend((0..6).map(|i| format!("songs/{genre}/{genre}.{i:05}.au")));
    }
    let mut args = vec!["predict", "run", "--json"];
    args.extend(files.iter().map(String::as_str));
    let predicted = json(&place.ok(&args));
    let mut confusion = [[0u64; 2]; 2];
    for (file, answer) in files.iter().zip(predicted.as_array().expect("a list")) {
        assert_eq!(answer["file"], file.as_str());
        let guesses = answer["predictions"].as_array().expect("a list");
        let total: f64 = guesses
            .iter()
            .filter_map(|p| p["probability"].as_f64())
            .sum();
        assert!((total - 1.0).abs() < 1e-5, "{answer}");
        let column = usize::from(guesses[0]["genre"] == "low");
        confusion[usize::from(file.contains("low"))][column] += 1;
    }
    assert_eq!(evaluated["confusion"], serde_json::json!(confusion));

    std::fs::write(place.path("noise.wav"), b"not a song").expect("written");
    let error = place.fails(&["predict", "run", "noise.wav"], 1);
    assert!(error.contains("noise.wav"), "{error}");
    // The others are predicted all the same.
    let out = place.run(&["predict", "run", "noise.wav", &files[0], "nowhere.au"]);
    assert_eq!(out.status.code(), Some(1));
    let (stdout, stderr) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    assert!(
        stdout.contains(&files[0]) && !stdout.contains('\u{1b}'),
        "{stdout}"
    );
    for part in ["noise.wav", "nowhere.au", "2 of 3 files"] {
        assert!(stderr.contains(part), "{stderr}");
    }
}

/// A model names a genre for anything; silence and clicks get a line instead, as text and as JSON.
#[test]
fn silence_and_a_single_sample_have_no_genre() {
    let place = Place::new();
    songs(&place);
    let options = "train songs --model ears.toml --epochs 1 --batch-size 4 --run run";
    place.ok(&options.split(' ').collect::<Vec<_>>());
    let dither: Vec<f32> = (0..66_150).map(|i| (i % 3) as f32 / 32_768.0).collect();
    let offset = vec![0.25; 66_150];
    let clips = [
        ("silence.au", vec![0.0; 66_150], "its 3.0 s are silent"),
        ("dither.au", dither, "its 3.0 s are silent"),
        ("offset.au", offset, "its 3.0 s are silent"),
        ("click.au", vec![0.5], "too short to tell"),
        ("short.au", vec![0.5, -0.5, 0.1], "too short to tell"),
    ];
    for (name, samples, why) in &clips {
        write_pcm16(place.path(name), samples, 22_050).expect("written");
        let text = place.ok(&["predict", "run", name]);
        assert!(
            text.contains(name) && text.contains(why) && !text.contains('%'),
            "{text}"
        );
        let answers = json(&place.ok(&["predict", "run", name, "--json"]));
        assert_eq!(answers[0]["file"], *name);
        assert_eq!(answers[0]["predictions"], serde_json::json!([]));
        let note = answers[0]["note"].as_str().expect("a note");
        assert!(note.contains(why), "{note}");
    }
    // What is beside them keeps its genres, and has no note.
    let args = [
        "predict",
        "run",
        "click.au",
        "songs/low/low.00000.au",
        "--json",
    ];
    let answers = json(&place.ok(&args));
    assert!(answers[0]["note"].is_string() && answers[1]["note"].is_null());
    assert_eq!(answers[1]["predictions"].as_array().map(Vec::len), Some(2));
}

/// One genre is nothing to train on, but a model can be tried on it.
#[test]
fn a_folder_of_one_genre_is_enough_to_evaluate() {
    let place = Place::new();
    songs(&place);
    let train = ["--model", "ears.toml", "--epochs", "1", "--run"];
    place.ok(&[&["train", "songs"], &train[..], &["run"]].concat());
    std::fs::create_dir(place.path("some")).expect("a folder");
    std::fs::rename(place.path("songs/low"), place.path("some/low")).expect("moved");
    let text = place.ok(&["evaluate", "run", "some"]);
    assert!(text.contains("no track here is of high"), "{text}");
    place.ok(&["features", "some", "--out", "some.npz"]);
    let of = |data| json(&place.ok(&["evaluate", "run", data, "--json"]));
    assert_eq!(of("some"), of("some.npz"));
    for data in ["some", "some.npz"] {
        let error = place.fails(&[&["train", data], &train[..], &["b"]].concat(), 1);
        assert!(error.contains("only one genre (low)"), "{error}");
    }
    // Where nothing can be written is said before anything is computed.
    std::fs::write(place.path("some/low/broken.wav"), b"RIFF").expect("written");
    let out = place.run(&["features", "some", "--out", "matrix.npy"]);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(
        !out.status.success() && stderr.contains("NAME_x.npy"),
        "{stderr}"
    );
    assert!(!stderr.contains("broken"), "{stderr}");
}

#[test]
fn bad_files_and_empty_folders_are_named_and_skipped() {
    let place = Place::new();
    songs(&place);
    std::fs::create_dir(place.path("songs/silence")).expect("a folder");
    std::fs::write(place.path("songs/low/low.00009.wav"), b"RIFF").expect("written");
    let args = [
        "train",
        "songs",
        "--model",
        "ears.toml",
        "--epochs",
        "1",
        "--run",
        "run",
    ];
    let out = place.run(&args);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{stderr}");
    for part in [
        "low.00009.wav",
        "songs/silence",
        "2 files skipped",
        "--strict",
    ] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let strict: Vec<&str> = args[..6].iter().copied().chain(["--strict"]).collect();
    let error = place.fails(&strict, 1);
    assert!(error.contains("songs"), "{error}");
}

/// A song of several segments: what `predict` says is the vote of its segments' probabilities, which `evaluate` counts too.
#[test]
fn segments_of_a_song_vote() {
    let place = Place::new();
    songs(&place);
    // 3 s low, 3 s high, and 2 s of both, enough for a segment.
    let wave = |hz: f32, n: i32| 0.4 * (n as f32 / 22_050.0 * hz * std::f32::consts::TAU).sin();
    let long: Vec<f32> = (0..8 * 22_050)
        .map(|n| match n / 66_150 {
            0 => wave(220.0, n),
            1 => wave(3300.0, n),
            _ => wave(220.0, n) + wave(3300.0, n),
        })
        .collect();
    let write = |name: &str, samples: &[f32]| {
        write_pcm16(place.path(name), samples, 22_050).expect("written")
    };
    write("long.au", &long);
    for (i, part) in long.chunks(66_150).enumerate() {
        write(&format!("part {i}.au"), part);
    }
    place.ok(&[
        "train",
        "songs",
        "--model",
        "ears.toml",
        "--epochs",
        "4",
        "--batch-size",
        "4",
        "--run",
        "run",
    ]);
    let predict = |args: &[&str]| json(&place.ok(&[&["predict", "run", "--json"], args].concat()));
    let of = |answer: &Value, genre: &str| {
        let list = answer["predictions"].as_array().expect("a list");
        let found = list.iter().find(|p| p["genre"] == genre).expect("a genre");
        found["probability"].as_f64().expect("a number")
    };
    let parts = predict(&["part 0.au", "part 1.au", "part 2.au"]);
    let parts = parts.as_array().expect("a list");
    assert_eq!(parts.len(), 3);
    // The mean of the log-probabilities, normalised.
    let sum = |genre| parts.iter().map(|p| of(p, genre).ln()).sum::<f64>() / 3.0;
    let (low, high) = (sum("low").exp(), sum("high").exp());
    let whole = predict(&["long.au"]);
    let voted = of(&whole[0], "low");
    assert!(
        (voted - low / (low + high)).abs() < 1e-4,
        "{voted}, not {}",
        low / (low + high)
    );
    assert!(
        (0..3).all(|i| (of(&parts[i], "low") - voted).abs() > 1e-3),
        "{parts:?}"
    );
    let first = predict(&["long.au", "--segments", "first"]);
    assert!((of(&first[0], "low") - of(&parts[0], "low")).abs() < 1e-6);
    let top = predict(&["long.au", "--top", "1"]);
    assert_eq!(top[0]["predictions"].as_array().map(Vec::len), Some(1));
    assert_eq!(top[0]["predictions"][0], whole[0]["predictions"][0]);
    // Every file has an answer, in its place.
    std::fs::write(place.path("noise.wav"), b"not a song").expect("written");
    let out = place.run(&[
        "predict",
        "run",
        "--json",
        "part 0.au",
        "noise.wav",
        "part 1.au",
    ]);
    assert_eq!(out.status.code(), Some(1));
    let answers = json(&String::from_utf8_lossy(&out.stdout));
    assert_eq!(answers.as_array().map(Vec::len), Some(3));
    let error = answers[1]["error"].as_str().expect("an error");
    assert!(error.contains("noise.wav") && answers[1]["predictions"] == serde_json::json!([]));
    assert_eq!(answers[2], parts[1]);
}

/// The notebook's features are of the whole track, so there are no segments to choose from.
#[test]
fn a_model_of_the_notebook_s_features_predicts() {
    let place = Place::new();
    songs(&place);
    place.ok(&[
        "train",
        "songs",
        "--model",
        "ears.toml",
        "--features",
        "notebook",
        "--epochs",
        "1",
        "--run",
        "run",
    ]);
    let answers = json(&place.ok(&["predict", "run", "--json", "songs/low/low.00000.au"]));
    assert_eq!(answers[0]["predictions"].as_array().map(Vec::len), Some(2));
    let error = place.fails(
        &[
            "predict",
            "run",
            "songs/low/low.00000.au",
            "--segments",
            "first",
        ],
        2,
    );
    assert!(error.contains("--segments"), "{error}");
}

/// Audio beside the genres' folders is not in the set, which is said; `synth` puts nothing among it.
#[test]
fn loose_songs_are_told_and_never_overwritten() {
    let place = Place::new();
    songs(&place);
    std::fs::copy(
        place.path("songs/low/low.00000.au"),
        place.path("songs/loose.au"),
    )
    .expect("copied");
    let args = ["features", "songs", "--out", "x.npz"];
    let out = place.run(&args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        out.status.success() && said.contains("loose.au") && said.contains("has no genre"),
        "{said}"
    );
    let error = place.fails(&[&args[..], &["--strict"]].concat(), 1);
    assert!(error.contains("loose.au"), "{error}");
    let error = place.fails(&["synth", "songs", "--tracks", "1", "--seconds", "1"], 1);
    assert!(
        error.contains("songs") && error.contains("holds files already"),
        "{error}"
    );
    assert!(!place.path("songs/synthetic.json").exists());
    // A set that is there may be written again, but not another over it.
    let synth = ["synth", "made", "--tracks", "1", "--seconds", "0.2"];
    place.ok(&synth);
    place.ok(&synth);
    let error = place.fails(&[&synth[..], &["--seed", "7"]].concat(), 1);
    assert!(
        error.contains("another synthetic set (seed 42, 1 tracks per genre of 0.2 s)"),
        "{error}"
    );
}
