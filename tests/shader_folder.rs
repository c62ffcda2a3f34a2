//! `--shaders DIR`: kernels from a folder instead of the built-in ones, mistakes in them, and `--watch`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"));
    command.env_remove("GTZAN_GPU_SHADERS");
    command
}

/// A folder with copies of these files of `shaders/`.
fn folder(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in names {
        let file = Path::new(name);
        let target = dir.path().join(file);
        fs::create_dir_all(target.parent().expect("a parent")).expect("a folder");
        fs::copy(built_in(name), target).expect("a copy");
    }
    dir
}

fn built_in(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("shaders")
        .join(name)
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("readable");
    assert!(text.contains(from), "{}: {from}", path.display());
    fs::write(path, text.replacen(from, to, 1)).expect("writable");
}

/// Exit status, stdout and stderr of `gradcheck relu` with this folder.
fn gradcheck(op: &str, dir: &Path) -> (bool, String, String) {
    let out = program()
        .args(["gradcheck", op, "--shaders"])
        .arg(dir)
        .output()
        .expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.success(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn a_copy_changes_nothing_and_a_change_is_seen() {
    let dir = folder(&["relu/forward.wgsl", "relu/backward.wgsl"]);
    let (ok, _, notes) = gradcheck("relu", dir.path());
    assert!(
        ok && notes.contains("the same as the built-in ones"),
        "{notes}"
    );

    let forward = dir.path().join("relu/forward.wgsl");
    let text = fs::read_to_string(&forward).expect("readable");
    fs::write(&forward, format!("// mine\n{text}")).expect("writable");
    let (ok, _, notes) = gradcheck("relu", dir.path());
    assert!(ok && notes.contains(": relu/forward\n"), "{notes}");

    edit(&forward, "max(y[i], vec4", "min(y[i], vec4");
    let (ok, table, notes) = gradcheck("relu", dir.path());
    assert!(!ok && notes.contains("gradient checks failed"), "{notes}");
    assert!(table.contains("FAIL"), "{table}");
}

/// Rounding to f16 lets either of two almost equal outputs be the largest, but no other: where argmax is turned to a smaller one, whose value
/// y does not show, the check of the rung in half precision fails by argmax, and so does that of the one in f32.
#[test]
fn an_argmax_beside_the_maximum_fails_in_half_precision_too() {
    let check = |rung: &str, dir: Option<&Path>| {
        let mut command = program();
        command.args(["gradcheck", "conv2d", "--json", "--rung", rung]);
        dir.map(|dir| command.arg("--shaders").arg(dir));
        let out = command.output().expect("runs");
        let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        let rows = report["results"].as_array().cloned().unwrap_or_default();
        let failed = |tensor: &str| {
            let of = rows.iter().filter(|r| r["tensor"] == tensor);
            of.filter(|r| r["ok"] == false).count()
        };
        let notes = String::from_utf8_lossy(&out.stderr).into_owned();
        (rows.len(), failed("y"), failed("y1"), failed("d0"), notes)
    };
    let dir = folder(&["lib/pooled.wgsl"]);
    let piece = dir.path().join("lib/pooled.wgsl");
    edit(
        &piece,
        "select(code, vec4(2u), w2 > best)",
        "select(code, vec4(2u), w2 < best)",
    );
    for rung in ["conv2d.forward:implicit_gemm", "conv2d.forward:half"] {
        let (rows, y, argmax, dx, notes) = check(rung, None);
        if rows == 0 {
            assert!(notes.contains("needs 16-bit floats"), "{rung}: {notes}");
            continue;
        }
        assert_eq!((y, argmax, dx), (0, 0, 0), "{rung}: {notes}");
        let (_, y, argmax, _, notes) = check(rung, Some(dir.path()));
        assert!(y == 0 && argmax >= 10, "{rung}: {y} {argmax} {notes}");
    }
}

/// A piece is put into every kernel that uses it, a kernel that is not in the folder stays as it is.
#[test]
fn a_piece_in_the_folder_reaches_the_kernels_that_use_it() {
    let dir = folder(&["lib/threefry.wgsl"]);
    let piece = dir.path().join("lib/threefry.wgsl");
    let text = fs::read_to_string(&piece).expect("readable");
    // Another constant of the key schedule: other random numbers, which the reference does not draw.
    let constant = "0x1BD11BDAu";
    let from = if text.contains(constant) {
        constant
    } else {
        "0x1bd11bdau"
    };
    edit(&piece, from, "0x1BD11BDBu");
    let (ok, _, notes) = gradcheck("dropout", dir.path());
    assert!(!ok && notes.contains("lib/threefry"), "{notes}");
    let (ok, _, notes) = gradcheck("relu", dir.path());
    assert!(ok, "{notes}");
}

#[test]
fn mistakes_are_named_with_file_and_line() {
    for (from, to, expected) in [
        ("max(y[i], vec4", "maximum(y[i], vec4", "relu/forward.wgsl:"),
        (
            "var<storage, read_write>",
            "var<storage, read>",
            "binding 0 is a storage buffer to read, but the op binds",
        ),
        (
            "@workgroup_size(",
            "@workgroup_size(2 * ",
            "but the op counts its workgroups for",
        ),
    ] {
        let dir = folder(&["relu/forward.wgsl"]);
        edit(&dir.path().join("relu/forward.wgsl"), from, to);
        let (ok, _, notes) = gradcheck("relu", dir.path());
        let place = dir.path().join("relu/forward.wgsl").display().to_string();
        assert!(!ok, "{to}");
        assert!(
            notes.contains(expected) && notes.contains(&place),
            "{to}: {notes}"
        );
        assert!(!notes.contains("panicked"), "{notes}");
    }
}

/// What is exported is what is built in; what is in the folder already stays.
#[test]
fn an_exported_folder_is_the_built_in_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let own = dir.path().join("relu/forward.wgsl");
    let export = || {
        let out = program()
            .args(["kernel", "--export"])
            .arg(dir.path())
            .output()
            .expect("runs");
        assert!(out.status.success());
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    export();
    for (name, text) in gtzan_gpu::ops::built_in_files() {
        let path = dir.path().join(format!("{name}.wgsl"));
        assert_eq!(fs::read_to_string(path).expect("exported"), text);
    }
    let (ok, _, notes) = gradcheck("relu", dir.path());
    assert!(
        ok && notes.contains("the same as the built-in ones"),
        "{notes}"
    );
    fs::write(&own, "mine").expect("written");
    fs::remove_file(dir.path().join("relu/backward.wgsl")).expect("removed");
    assert!(export().contains("1 files written"));
    assert_eq!(fs::read_to_string(&own).expect("there"), "mine");
}

#[test]
fn folders_that_hold_no_kernels_are_refused() {
    let empty = tempfile::tempdir().expect("a folder");
    let (ok, _, notes) = gradcheck("relu", empty.path());
    assert!(!ok && notes.contains("no .wgsl file in it"), "{notes}");

    let (ok, _, notes) = gradcheck("relu", &empty.path().join("missing"));
    assert!(!ok && notes.contains("missing: can't read it"), "{notes}");

    let misspelt = folder(&["relu/forward.wgsl"]);
    fs::rename(
        misspelt.path().join("relu/forward.wgsl"),
        misspelt.path().join("relu/foward.wgsl"),
    )
    .expect("renamed");
    let (ok, _, notes) = gradcheck("relu", misspelt.path());
    assert!(
        !ok && notes.contains("the closest is relu/forward.wgsl"),
        "{notes}"
    );

    let binary = folder(&["relu/forward.wgsl"]);
    fs::write(binary.path().join("relu/forward.wgsl"), [0xff, 0xfe, 0]).expect("written");
    let (ok, _, notes) = gradcheck("relu", binary.path());
    assert!(
        !ok && notes.contains("relu/forward.wgsl: can't read it"),
        "{notes}"
    );
}

/// A started program, and its lines as they come.
struct Watched {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Watched {
    fn start(dir: &Path) -> Self {
        // Both streams through one pipe, so that their lines come in the order in which they were printed.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let child = program()
            .args(["gradcheck", "relu", "--watch", "--shaders"])
            .arg(dir)
            .stdout(writer.try_clone().expect("a second end"))
            .stderr(writer)
            .spawn()
            .expect("starts");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// Everything up to the line that says that the next change is waited for.
    fn until_it_waits(&self) -> String {
        let mut text = String::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(120));
            let line = line.unwrap_or_else(|e| panic!("{e} after:\n{text}"));
            text += &line;
            text.push('\n');
            if line.starts_with("watching ") {
                return text;
            }
        }
    }
}

#[test]
fn watch_runs_again_and_tells_what_changed() {
    let dir = folder(&["relu/forward.wgsl"]);
    let forward = dir.path().join("relu/forward.wgsl");
    let watched = Watched::start(dir.path());
    let first = watched.until_it_waits();
    assert!(first.contains("0 failed"), "{first}");

    edit(&forward, "max(y[i], vec4", "min(y[i], vec4");
    let broken = watched.until_it_waits();
    assert!(broken.contains("+ ") && broken.contains("FAIL"), "{broken}");

    edit(&forward, "min(y[i], vec4", "minimum(y[i], vec4");
    let unknown = watched.until_it_waits();
    assert!(unknown.contains("relu/forward.wgsl:"), "{unknown}");

    edit(&forward, "minimum(y[i], vec4", "max(y[i], vec4");
    let mended = watched.until_it_waits();
    assert!(mended.contains("- ") && mended.contains("FAIL"), "{mended}");
}
