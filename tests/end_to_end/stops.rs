//! Runs that stop and go on: resumed, killed, interrupted.

use crate::place::{Place, tensors, train};
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn resuming_gives_the_same_bits() {
    let place = Place::new();
    place.ok(&train(&["--epochs", "4", "--run", "whole"]));
    place.ok(&train(&["--epochs", "2", "--run", "parts"]));
    place.ok(&["train", "--resume", "parts", "--epochs", "4"]);
    for file in ["model.safetensors", "checkpoint.safetensors"] {
        let (a, b) = (
            tensors(&place.path("whole").join(file)),
            tensors(&place.path("parts").join(file)),
        );
        assert!(a == b, "{file} differs");
    }
}

/// What a recipe may ask for, all of it.
const EVERYTHING: &str = "--schedule cosine --warm-up 1.5 --min-lr 1e-5 --weight-decay 0.05 --label-smoothing 0.1 --average 0.9 \
    --time-shift 7 --gain 0.2 --offset 0.1 --frequency-masks 2 --frequency-mask 4 --time-masks 2 --time-mask 3 --mixup 0.3";

/// A run goes on as it was last told to, and says where a schedule leaps.
#[test]
fn what_changes_when_a_run_goes_on_is_remembered() {
    let place = Place::new();
    place.ok(&train(&[
        "--epochs",
        "2",
        "--schedule",
        "cosine",
        "--run",
        "run",
    ]));
    let config = || std::fs::read_to_string(place.path("run/config.toml")).expect("saved");
    let out = place.run(&[
        "train", "--resume", "run", "--epochs", "4", "--vram", "1GiB",
    ]);
    assert!(out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        said.contains("the cosine now ends with epoch 4: the learning rate goes on from 5.0e-4, and after epoch 2 it was 0.0e0"),
        "{said}"
    );
    for line in ["epochs = 4", "vram = \"1GiB\""] {
        assert!(config().contains(line), "{}", config());
    }
    let out = place.run(&["train", "--resume", "run"]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.contains("all 4 epochs done"), "{text}");
    assert!(!String::from_utf8_lossy(&out.stderr).contains("cosine"));
    // The memory budget changed nothing that computes.
    assert!(!said.contains("kernels"), "{said}");
    let with = |class, epochs| {
        let args = ["train", "--resume", "run", "--class", class, "--epochs"];
        place.run(&[&args[..], &[epochs]].concat())
    };
    assert!(with("gpu", "5").status.success());
    let said = String::from_utf8_lossy(&with("cpu", "6").stderr).into_owned();
    assert!(
        said.contains("the run's kernels are others than before"),
        "{said}"
    );
    let error = place.fails(&["train", "--resume", "run", "--epochs", "3"], 2);
    assert!(
        error.contains("--epochs 3: run has come to epoch 6 already"),
        "{error}"
    );
    assert!(config().contains("epochs = 6"), "{}", config());
}

#[test]
fn a_killed_run_with_everything_on_goes_on_to_the_same_bits() {
    let everything: Vec<&str> = EVERYTHING.split_whitespace().collect();
    kill_and_compare(&everything, &["killed"], 4);
}

/// Two runs side by side, each killed at moments all over it, also before it began and while files are written, go on to the
/// same bits. `KILLS=30 cargo test` kills each more often.
#[test]
fn killed_runs_go_on_to_the_same_bits() {
    let wanted = match std::env::var("KILLS") {
        Ok(text) => text.parse().expect("KILLS is a number"),
        Err(_) => 5,
    };
    kill_and_compare(&[], &["killed 1", "killed 2"], wanted);
}

/// Kill runs with these options, side by side, so often, let them go on each time, and compare them with one that nobody
/// killed.
fn kill_and_compare(options: &[&str], runs: &[&str], wanted: usize) {
    let place = Place::new();
    place.ok(&begin(options, "whole"));
    std::thread::scope(|scope| {
        for (run, seed) in runs.iter().zip([12345, 54321]) {
            let place = &place;
            scope.spawn(move || kill(place, options, run, wanted, seed));
        }
    });
    for run in runs {
        for file in ["model.safetensors", "checkpoint.safetensors"] {
            let of = |run: &str| tensors(&place.path(run).join(file));
            assert!(of("whole") == of(run), "{file} of {run} differs");
        }
    }
}

fn begin<'a>(options: &[&'a str], run: &'a str) -> Vec<&'a str> {
    train(&[&["--epochs", "30", "--run", run], options].concat())
}

/// Train `run` to its end, killing it `wanted` times on the way.
fn kill(place: &Place, options: &[&str], run: &str, wanted: usize, seed: u32) {
    let epochs = || {
        let history = std::fs::read_to_string(place.path(run).join("history.csv"));
        history.map_or(0, |h| h.lines().count().saturating_sub(1))
    };
    let start = || {
        let begun = place.path(run).join("config.toml").exists();
        let args = if begun {
            vec!["train", "--resume", run]
        } else {
            begin(options, run)
        };
        place
            .command(&args)
            .stdout(Stdio::null())
            .spawn()
            .expect("starts")
    };
    let mut kills = 0;
    let mut state = seed;
    for round in 0..wanted {
        let mut child = start();
        // After some progress on the run so far, and then a moment that looks random: anywhere in an epoch or between files.
        let reached = (round * 25 / wanted).saturating_sub(1);
        while epochs() < reached && child.try_wait().expect("waited").is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_micros(u64::from(state >> 16)));
        child.kill().expect("killed");
        kills += usize::from(!child.wait().expect("waited").success());
    }
    println!("{run}: {kills} of {wanted} kills hit a running program");
    assert!(
        kills * 4 >= wanted * 3,
        "{run}: only {kills} kills hit a running program"
    );
    assert!(start().wait().expect("waited").success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let place = Place::new();
    let everything: Vec<&str> = EVERYTHING.split_whitespace().collect();
    let many = |run| train(&[&["--epochs", "150", "--run", run], &everything[..]].concat());
    place.ok(&many("whole"));
    let child = place
        .command(&many("run"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let history = place.path("run/history.csv");
    for _ in 0..60_000 {
        if history.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
    let out = child.wait_with_output().expect("waited");
    assert_eq!(out.status.code(), Some(130));
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(stderr.contains("--resume run"), "{stderr}");
    assert!(place.path("run/checkpoint.safetensors").exists());
    place.ok(&["train", "--resume", "run"]);
    for file in ["model.safetensors", "checkpoint.safetensors"] {
        let of = |run: &str| tensors(&place.path(run).join(file));
        assert!(of("whole") == of("run"), "{file} differs");
    }
}

/// Early stopping and the plateau go on counting where they stood: stopped between two bad epochs, a run has the rates, the end and the
/// weights of one that was not.
#[test]
fn callbacks_go_on_where_they_stood() {
    let place = Place::new();
    let options = "train set.safetensors --model toy.toml --batch-size 4 --learning-rate 0.02 --plateau-patience 2 --early-stopping 7";
    let begin = |epochs: &str, run: &str| {
        let more = ["--epochs", epochs, "--run", run];
        place.ok(&options.split(' ').chain(more).collect::<Vec<_>>())
    };
    begin("60", "whole");
    let rows = |run: &str| {
        let text = std::fs::read_to_string(place.path(run).join("history.csv")).expect("saved");
        let mut lines = text
            .lines()
            .map(|l| l.split(',').map(str::to_owned).collect::<Vec<_>>());
        let names = lines.next().expect("names");
        let timed = ["seconds", "ms_per_step"];
        let kept: Vec<usize> = (0..names.len())
            .filter(|&i| !timed.contains(&names[i].as_str()))
            .collect();
        assert_eq!(kept.len() + timed.len(), names.len(), "{names:?}");
        let lr = names.iter().position(|n| n == "lr").expect("a rate");
        let lines: Vec<Vec<String>> = lines.collect();
        let rates: Vec<String> = lines.iter().map(|l| l[lr].clone()).collect();
        let rest: Vec<Vec<String>> = lines
            .iter()
            .map(|l| kept.iter().map(|&i| l[i].clone()).collect())
            .collect();
        (rates, rest)
    };
    let (rates, whole) = rows("whole");
    // A set so easy is known by heart soon, after which no accuracy is better; how the loss moves is the driver's.
    assert!((8..60).contains(&whole.len()), "{whole:?}");
    let fall = rates
        .windows(2)
        .position(|w| w[0] != w[1])
        .map_or(4, |i| i + 1);
    let fall = fall.min(whole.len() - 2);
    // In the middle of patience with the loss, of patience with the accuracy, and right before the end.
    for stop in [fall, (fall + 2).min(whole.len() - 2), whole.len() - 1] {
        let run = format!("stopped at {stop}");
        begin(&stop.to_string(), &run);
        place.ok(&["train", "--resume", &run, "--epochs", "60"]);
        assert_eq!(rows(&run).1, whole, "{run}");
        for file in ["model.safetensors", "checkpoint.safetensors"] {
            let of = |run: &str| tensors(&place.path(run).join(file));
            assert!(of("whole") == of(&run), "{file} of {run} differs");
        }
    }
    // What early stopping has ended is over, and a report of other weights goes.
    let out = place.run(&["train", "--resume", "whole", "--epochs", "80"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        said.contains("more --epochs do not take it up again"),
        "{said}"
    );
    assert!(said.contains("--init"), "{said}");
    place.ok(&train(&[
        "--epochs", "1", "--init", "whole", "--run", "anew",
    ]));
}

/// A finished run that trains on has no report until it has ended anew.
#[cfg(unix)]
#[test]
fn a_report_of_other_weights_is_removed() {
    let place = Place::new();
    place.ok(&train(&["--epochs", "1", "--run", "run"]));
    let report = || ["metrics.json", "report.html"].map(|f| place.path("run").join(f).exists());
    assert_eq!(report(), [true; 2]);
    let mut child = place
        .command(&["train", "--resume", "run", "--epochs", "100000"])
        .stdout(Stdio::null())
        .spawn()
        .expect("starts");
    let epochs = || {
        let history = std::fs::read_to_string(place.path("run/history.csv"));
        history.map_or(0, |h| h.lines().count())
    };
    while epochs() < 4 {
        assert!(child.try_wait().expect("waited").is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("waited");
    assert_eq!(report(), [false; 2]);
}
