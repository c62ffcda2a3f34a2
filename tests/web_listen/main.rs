//! The Listen tab of an exported page: its features and probabilities against the program's own, for files of many kinds, and
//! what it says when there is nothing to listen to. In Chromium, and the features in node too; it says so where one is missing.

#[path = "../web/browser.rs"]
mod browser;
mod songs;
mod sounds;

use browser::{Browser, Served};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

use std::io::Write;
use std::process::Command;

/// Reads the folder's files for the script, and prints what it reports.
const RUN: &str = r#"
    import { readFile } from "node:fs/promises";
    const [script, folder] = process.argv.slice(-2);
    const { checkFeatures } = await import(script);
    const report = await checkFeatures(async (name) => new Uint8Array(await readFile(`${folder}/${name}`)).buffer);
    console.log(JSON.stringify(report));
    process.exitCode = report.failed.length > 0 ? 1 : 0;
"#;

#[test]
fn the_pages_features_are_the_programs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    sounds::write(folder.path());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/web/test/features-check.js");
    let run = Command::new("node")
        .args(["--input-type=module", "-e", RUN, "--", script])
        .arg(folder.path())
        .output();
    let run = match run {
        Ok(run) => run,
        Err(e) => {
            // Straight to stderr, for the harness hides what a passing test prints.
            let note =
                format!("\n!!! the page's features were NOT compared: node can't be run ({e})\n\n");
            std::io::stderr().write_all(note.as_bytes()).unwrap();
            return;
        }
    };
    let (said, errors) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{said}{errors}");
    println!("{said}");
    let report: serde_json::Value = serde_json::from_str(&said).expect("a report");
    assert_eq!(report["sounds"], 25);
}

/// What the program prints; it must succeed.
fn program(args: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"))
        .args(args)
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    output.stdout
}

#[test]
fn a_page_hears_what_predict_hears() {
    let Some(browser) = Browser::asked_for() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    let page = dir.path().join("page");
    let (run, page_name) = (dir.path().join("run"), page.to_string_lossy());
    let run = run.to_string_lossy();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/short.toml");
    program(&[
        "train",
        "--synthetic",
        "--model",
        model,
        "--epochs",
        "1",
        "--limit",
        "40",
        "--run",
        &run,
    ]);
    program(&["export", &run, "--web", &page_name]);
    std::fs::create_dir_all(page.join("test")).expect("a folder");
    for (name, text) in [
        ("test.html", include_str!("test.html")),
        ("test.js", include_str!("test.js")),
        (
            "test/features-check.js",
            include_str!("../../web/test/features-check.js"),
        ),
    ] {
        std::fs::write(page.join(name), text).expect("written");
    }
    sounds::write(&page);
    let songs = songs::write(&page);
    let list = serde_json::to_vec(&songs).expect("JSON");
    std::fs::write(page.join("songs.json"), list).expect("written");

    let served = Served::new(&page);
    let _running = browser.open(&served.address("test.html"));
    let report = |step: &str| {
        let result = served.result(step, Duration::from_secs(240));
        assert_eq!(result["error"], Value::Null, "{step}");
        result
    };
    let features = report("features");
    println!("features: {features}");
    assert_eq!(features["failed"], serde_json::json!([]));
    assert_eq!(features["sounds"], 25);

    let heard = report("songs");
    println!("long tasks in ms: {}", heard["long"]);
    for name in songs {
        let file = page.join(name);
        let worst = worst_difference(&run, &file, &heard["all"][name]["probabilities"]);
        println!(
            "{name}: {worst:.1e} from predict's, first after {} ms",
            heard["all"][name]["first"]
        );
        assert!(worst <= 1e-5, "{name}: probabilities differ by {worst:e}");
    }

    let trouble = report("trouble");
    for (what, expected) in [
        ("text", "notes.txt is no sound"),
        ("mp3", "text.mp3 is no sound"),
        ("empty", "empty.wav is empty"),
        ("silent", "no genre: its 8.0 s are silent"),
        ("damaged", "cut.wav: its WAVE format chunk is too short"),
        ("long", "Only the first 30 min of 5.0 h"),
        ("stopped", "Stopped after"),
        ("two", "One song at a time"),
        ("denied", "may not be used"),
        ("none", "There is no microphone"),
        ("recorded", "The microphone went away"),
        // On a device that is opened anew.
        ("lost", "song.wav: "),
        ("reopened", "yes"),
    ] {
        let said = trouble[what].as_str().unwrap_or_default();
        assert!(said.contains(expected), "{what}: {said:?}");
    }
}

/// How far the page's probabilities of a song are from those that `predict` prints.
fn worst_difference(run: &str, file: &Path, page: &Value) -> f64 {
    let printed = program(&["predict", run, &file.to_string_lossy(), "--json"]);
    let answers: Value = serde_json::from_slice(&printed).expect("JSON");
    let predictions = answers[0]["predictions"].as_array().expect("predictions");
    assert!(!predictions.is_empty());
    let difference = |p: &Value| {
        let number = |v: &Value| v.as_f64().expect("a probability");
        let genre = p["genre"].as_str().expect("a genre");
        (number(&page[genre]) - number(&p["probability"])).abs()
    };
    predictions.iter().map(difference).fold(0.0, f64::max)
}
