//! Every exercise: as handed out it fails for the reason that it is about, and the program's own kernel passes.

use gtzan_gpu::exercise::{self, Exercise, Progress};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn handed_out() -> Vec<Exercise> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("exercises");
    exercise::all(&dir).expect("exercises")
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"))
        .arg("exercise")
        .args(arguments)
        .arg("--dir")
        .arg(dir)
        .env_remove("GTZAN_GPU_SHADERS")
        .output()
        .expect("runs")
}

fn told(out: &Output) -> String {
    String::from_utf8_lossy(&[out.stdout.as_slice(), out.stderr.as_slice()].concat()).into_owned()
}

#[test]
fn there_are_enough_and_they_are_in_order() {
    let all = handed_out();
    assert!(all.len() >= 30, "{}", all.len());
    for (i, e) in all.iter().enumerate() {
        assert_eq!(e.number, i + 1, "{}", e.folder.display());
        let task = e.task().expect("a task");
        assert!(
            task.starts_with(&format!("# {}. {}\n", e.number, e.title)),
            "{task}"
        );
        assert!(task.contains("**Do:**") && !e.hint.is_empty(), "{task}");
        let kernel = fs::read_to_string(e.file()).expect("a kernel");
        assert_ne!(kernel, e.solution().expect("a solution"), "{}", e.title);
    }
}

/// Each hole and each planted fault is caught, where the exercise says that it is; each of the program's kernels passes.
#[test]
fn holes_fail_and_solutions_pass() {
    let dir = tempfile::tempdir().expect("a folder");
    exercise::start(dir.path()).expect("written");
    let mut wrong = Vec::new();
    for e in exercise::all(dir.path()).expect("exercises") {
        let number = e.number.to_string();
        let out = run(dir.path(), &[&number]);
        let text = told(&out);
        // Some are right as they stand, and cost more than is asked for.
        let right = e.placement || !e.counted.is_empty() || e.barriers_in_loops.is_some();
        let reason = match (e.refused, right) {
            (true, _) => format!("{}:", e.file().display()),
            (_, true) => "asked for".to_owned(),
            _ => "wrong in ".to_owned(),
        };
        if out.status.success() || !text.contains(&reason) || text.contains("panicked") {
            wrong.push(format!("{number} as handed out: {text}"));
        }
        fs::write(e.file(), e.solution().expect("a solution")).expect("written");
        let out = run(dir.path(), &[&number]);
        let text = told(&out);
        if !out.status.success() || !text.ends_with("Solved.\n") {
            wrong.push(format!("{number} solved: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
    let text = told(&run(dir.path(), &[]));
    let all = handed_out().len();
    assert!(text.contains(&format!("{all} of {all} solved")), "{text}");
}

#[test]
fn progress_follows_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let written = exercise::start(dir.path()).expect("written");
    assert_eq!(written, 3 * handed_out().len());
    let all = exercise::all(dir.path()).expect("exercises");
    let state = || exercise::progress(dir.path(), &all).expect("readable")[2];
    assert_eq!(state(), Progress::Untouched);
    fs::write(all[2].file(), all[2].solution().expect("a solution")).expect("written");
    assert_eq!(state(), Progress::Begun);
    assert!(run(dir.path(), &["3"]).status.success());
    assert_eq!(state(), Progress::Solved);
    fs::write(all[2].file(), "fn main() {}").expect("written");
    assert_eq!(state(), Progress::Begun);
    // What is there is never written over.
    assert_eq!(exercise::start(dir.path()).expect("nothing to do"), 0);
    assert_eq!(
        fs::read_to_string(all[2].file()).expect("readable"),
        "fn main() {}"
    );
}

#[test]
fn hints_solutions_and_mistakes() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = told(&run(dir.path(), &[]));
    assert!(text.contains("exercise --start"), "{text}");
    exercise::start(dir.path()).expect("written");
    let all = exercise::all(dir.path()).expect("exercises");
    let text = told(&run(dir.path(), &["3", "--hint"]));
    assert_eq!(text.trim_end(), all[2].hint);
    let text = told(&run(dir.path(), &["3", "--solution"]));
    assert_eq!(text.trim_end(), all[2].solution().expect("one").trim_end());
    let text = told(&run(dir.path(), &["99"]));
    assert!(text.contains("there is no exercise 99"), "{text}");

    // Not a kernel at all, and one that has lost its bindings.
    for (kernel, expected) in [
        ("hello", "kernel.wgsl:1"),
        (
            "@compute @workgroup_size(64) fn main() {}",
            "binding 0 is missing",
        ),
    ] {
        fs::write(all[2].file(), kernel).expect("written");
        let out = run(dir.path(), &["3"]);
        let text = told(&out);
        assert!(!out.status.success() && text.contains(expected), "{text}");
    }
    fs::write(dir.path().join("01_an_index/exercise.toml"), "title = 3").expect("written");
    let text = told(&run(dir.path(), &[]));
    assert!(text.contains("01_an_index/exercise.toml"), "{text}");
}
