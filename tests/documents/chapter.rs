//! The chapter on an op of one's own, followed as its reader would: its files are new, its changes apply to the files that are there.
//! That its op compiles, has the right gradients and learns is tried in `tests/examples`, by the files of `docs/a-new-op/`, which are the
//! chapter's. With `-- --ignored` everything is done to the letter, in a copy of this checkout: minutes.

use crate::markdown::Markdown;
use crate::named::root;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const CHAPTER: &str = "docs/a-new-op.md";

/// A block of code, and the file that the text before it names.
struct Block {
    file: String,
    language: String,
    text: String,
}

impl Block {
    /// The lines that a change takes away and keeps (`-`), or keeps and adds (`+`).
    fn side(&self, sign: char) -> String {
        let lines = self.text.lines().filter(|l| l.starts_with([' ', sign]));
        lines.map(|l| format!("{}\n", &l[1..])).collect()
    }
}

/// Blocks behind "New file `NAME`" or "In `NAME`"; another block in a row is of the same file.
fn blocks(chapter: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut file = "";
    let mut lines = chapter.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|l| *l != "```");
            found.push(Block {
                file: file.to_owned(),
                language: language.to_owned(),
                text: inside.map(|l| format!("{l}\n")).collect(),
            });
        } else if line.ends_with(':') || line.contains("New file") {
            let named = line.split('`').nth(1);
            file = named.filter(|n| n.contains('.')).unwrap_or(file);
        }
    }
    found
}

fn text() -> String {
    fs::read_to_string(root().join(CHAPTER)).expect("text")
}

/// How many lines the chapter adds to a file, or to those below a folder.
pub fn lines_added(file: &str) -> usize {
    let of_file = |b: &Block| b.file.starts_with(file) && b.language == "diff";
    let added = |b: &Block| b.text.lines().filter(|l| l.starts_with('+')).count();
    let all = blocks(&text());
    all.iter().filter(|b| of_file(b)).map(added).sum()
}

/// The files that are new, and those that are changed, with what they hold when the chapter has been followed.
fn followed(all: &[Block]) -> (BTreeMap<&str, String>, BTreeMap<&str, String>) {
    let (mut new, mut changed) = (BTreeMap::new(), BTreeMap::new());
    for block in all {
        let file = block.file.as_str();
        if block.language != "diff" {
            assert!(!root().join(file).exists(), "{file} is there already");
            new.insert(file, block.text.clone());
            continue;
        }
        let (before, after) = (block.side('-'), block.side('+'));
        assert_ne!(before, after, "{file}: a change that changes nothing");
        let read =
            || fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let source = changed.entry(file).or_insert_with(read);
        let places = source.matches(&before).count();
        assert_eq!(places, 1, "{file} has not once:\n{before}");
        *source = source.replace(&before, &after);
    }
    (new, changed)
}

/// A reader who follows the chapter in this checkout has its op, and still wants to see the other tests pass.
fn is_followed_here() -> bool {
    let here = root().join("src/ops/silu.rs").exists();
    if here {
        eprintln!("{CHAPTER} has been followed in this checkout: not compared");
    }
    here
}

#[test]
fn what_the_chapter_has_its_reader_write_fits() {
    let all = blocks(&text());
    for kept in ["silu.rs", "silu/forward.wgsl", "silu/backward.wgsl"] {
        let own = fs::read_to_string(root().join("docs/a-new-op").join(kept)).expect("a file");
        let block = all.iter().find(|b| b.file.ends_with(kept));
        let block = block.unwrap_or_else(|| panic!("{CHAPTER} lacks {kept}"));
        assert_eq!(
            own, block.text,
            "docs/a-new-op/{kept} and the chapter differ"
        );
    }
    if is_followed_here() {
        return;
    }
    let (new, changed) = followed(&all);
    assert_eq!((all.len(), new.len(), changed.len()), (11, 4, 5));
    // The layer's file is a model, as far as the layers that are there.
    let model = new["silu.toml"].replace("\"silu\"", "\"relu\"");
    let model = gtzan_gpu::Model::from_toml(&model, "silu.toml").expect("a model");
    model.summary(187, 130, 10).expect("shapes that fit");
}

/// Copies what is tracked, links left out.
fn copy(to: &Path) {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .expect("git");
    assert!(
        listed.status.success(),
        "this is no checkout: nothing to copy"
    );
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    for file in listed.split('\0').filter(|f| root().join(f).is_file()) {
        let copy = to.join(file);
        fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
        fs::copy(root().join(file), copy).expect("copied");
    }
}

/// Runs a line of the chapter; its output and whether it succeeded.
fn type_in(line: &str, copy: &Path) -> (String, bool) {
    eprintln!("{line}");
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", root().join("target/chapter"))
        .output()
        .expect("sh");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (text, output.status.success())
}

/// Builds, checks, breaks, plans, trains and times what the chapter has its reader write, by the lines that it has them type.
#[test]
#[ignore = "compiles the crate anew and trains: minutes"]
fn the_chapter_to_the_letter() {
    let chapter = text();
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    copy(here);
    let all = blocks(&chapter);
    let (new, changed) = followed(&all);
    for (file, text) in new.iter().chain(&changed) {
        let path = here.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    let must = |line: &str| {
        let (said, succeeded) = type_in(line, here);
        assert!(succeeded, "{line}\n{said}");
        said
    };
    must("cargo fmt --check");
    let lines = Markdown::parse(&chapter).code;
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.retain(|l| l.starts_with("cargo run "));
    let watched = lines.iter().find(|l| l.ends_with(" --watch")).copied();
    let once = watched
        .and_then(|l| l.strip_suffix(" --watch"))
        .expect("a line");
    for line in &lines {
        // Nobody ends a watch here.
        must(line.trim_end_matches(" --watch"));
    }
    // The two faults that the chapter has its reader plant.
    for (file, right, wrong) in [
        (
            "mine/silu/forward.wgsl",
            "exp(-max(x[i], vec4<f32>(-80.0)))",
            "exp(max(x[i], vec4<f32>(-80.0)))",
        ),
        ("mine/silu/backward.wgsl", "(s + x[i] * s * (1.0 - s))", "s"),
    ] {
        let path = here.join(file);
        let text = fs::read_to_string(&path).expect("exported");
        assert!(text.contains(right), "{file} lacks {right}");
        fs::write(&path, text.replace(right, wrong)).expect("written");
        let (said, succeeded) = type_in(once, here);
        assert!(
            !succeeded && said.contains("gradient checks failed"),
            "{file}: {said}"
        );
        fs::write(&path, text).expect("written");
    }
    // Its model has learned.
    let history = fs::read_to_string(here.join("runs/silu/history.csv")).expect("a run");
    let column = |name: &str| -> Vec<f64> {
        let mut rows = history.lines().map(|l| l.split(',').collect::<Vec<_>>());
        let place = rows.next().and_then(|h| h.iter().position(|c| *c == name));
        let place = place.unwrap_or_else(|| panic!("no {name} in {history}"));
        rows.map(|r| r[place].parse().expect("a number")).collect()
    };
    let loss = column("loss");
    assert!(loss.len() == 5 && loss[4] < 0.8 * loss[0], "{loss:?}");
}
