//! What `cargo package` packs: all that the sources include, and nothing else than what is meant to be in it. And what it is
//! built with: the same for the program as for its tests.

use crate::named::{files, root};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Files of the package, as paths from its root.
fn packed() -> BTreeSet<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--list", "--allow-dirty", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let list = String::from_utf8(output.stdout).expect("UTF-8");
    list.lines().map(PathBuf::from).collect()
}

/// `a/b/../c` as `a/c`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// Arguments of a macro that names a path as a plain text, in a source.
fn arguments<'a>(source: &'a str, call: &str) -> Vec<&'a str> {
    let calls = source.split(call).skip(1);
    let texts = calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    texts.collect()
}

/// Files that a Rust source includes.
fn included(path: &Path) -> Vec<PathBuf> {
    let source = std::fs::read_to_string(root().join(path)).expect("a source");
    let beside = path.parent().expect("a folder");
    let mut all = Vec::new();
    for call in ["include_str!(", "include_bytes!("] {
        let texts = arguments(&source, call);
        all.extend(texts.iter().map(|text| plain(&beside.join(text))));
    }
    for folder in arguments(&source, "include_dir!(") {
        let folder = folder.strip_prefix("$CARGO_MANIFEST_DIR/");
        all.extend(files(folder.expect("a path from the root")));
    }
    for name in arguments(&source, "wgsl!(") {
        all.push(beside.join(format!("{name}.wgsl")));
    }
    for name in arguments(&source, "kernel!(") {
        all.push(Path::new("shaders").join(format!("{name}.wgsl")));
    }
    all
}

#[test]
fn everything_included_is_packed() {
    let packed = packed();
    let sources = packed
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "rs"));
    let mut seen = BTreeSet::new();
    for source in sources {
        for path in included(source) {
            // Macros are documented by names that stand for others.
            if root().join(&path).exists() {
                assert!(
                    packed.contains(&path),
                    "{} includes {}",
                    source.display(),
                    path.display()
                );
                seen.insert(path);
            }
        }
    }
    for path in [
        "shaders/lib/step.wgsl",
        "exercises/01_an_index/kernel.wgsl",
        "web/main.js",
        "models/seed.toml",
        "examples/square/forward.wgsl",
    ] {
        assert!(
            seen.contains(Path::new(path)),
            "{path} is not seen to be included"
        );
    }
    // Every module, and what makes a package.
    for path in files("src")
        .into_iter()
        .chain(["README.md", "LICENSE-MIT", "LICENSE-APACHE", "Cargo.lock"].map(PathBuf::from))
    {
        assert!(packed.contains(&path), "{} is not packed", path.display());
    }
}

#[test]
fn nothing_needless_is_packed() {
    let packed = packed();
    let needless = [
        "tests", "fuzz", ".ci", ".github", "target", "runs", "web/test",
    ];
    for path in &packed {
        let found = needless.iter().find(|folder| path.starts_with(folder));
        assert!(found.is_none(), "{} is packed", path.display());
    }
    let bytes: u64 = packed
        .iter()
        .filter_map(|p| Some(root().join(p).metadata().ok()?.len()))
        .sum();
    assert!(bytes < 4 << 20, "{bytes} bytes are packed");
}

/// Packages that edges of these kinds lead to, each with its features.
fn packages(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(["--format", "{p} {f}", "--no-dedupe", "--edges", edges])
        .current_dir(root())
        .output()
        .expect("cargo");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let list = String::from_utf8(output.stdout).expect("UTF-8");
    list.lines().map(str::to_owned).collect()
}

/// Else cargo compiles those packages, and the library over them, once for `cargo build` and once for `cargo test`.
#[test]
fn tests_switch_no_feature_on() {
    let program = packages("normal,build");
    let tests = packages("normal,build,dev");
    assert!(tests.len() > program.len() && program.len() > 50);
    let other: Vec<_> = program.difference(&tests).collect();
    assert!(other.is_empty(), "built with other features: {other:?}");
}
