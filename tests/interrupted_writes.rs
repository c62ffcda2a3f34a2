//! What becomes of a run when something happens in the middle of a write, at each of its writes in turn: the disk is full,
//! Ctrl-C is pressed, the process ends.
//!
//! The program runs in a process of its own, which is this test executable again: it watches the run's writes.

mod common;

use clap::Parser;
use common::{keep_in, write_arrays};
use gtzan_gpu::cli::Cli;
use gtzan_gpu::fsutil::watch;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const MODEL: &str = "name='toy'\n[[layer]]\ntype='conv2d'\nfilters=4\nkernel=3\nactivation='relu'\n\
    [[layer]]\ntype='max_pool2d'\nwindow=2\n[[layer]]\ntype='batch_norm'\n[[layer]]\ntype='dropout'\nrate=0.2\n\
    [[layer]]\ntype='global_avg_pool'\n[[layer]]\ntype='dense'\nunits='classes'\n";

/// Files that hold times or say which part of a run wrote them; all others are equal, byte for byte.
const DIFFER: [&str; 4] = ["history.csv", "metrics.json", "report.html", "kernels.svg"];

/// The program, when this executable was started as it: what to do at which write stands in the environment.
#[test]
fn the_program() {
    let Ok(what) = std::env::var("AT_WRITE") else {
        return;
    };
    let (act, at) = what.split_once(' ').expect("what and when");
    let (act, at) = (act.to_owned(), at.parse::<u64>().expect("a number"));
    watch::each_write(move |n, path| {
        match act.as_str() {
            // The number of writes, and the files, for the test that starts this.
            "name" => eprintln!("write {n}: {}", path.display()),
            _ if n != at => {}
            "full" => return Err(std::io::ErrorKind::StorageFull.into()),
            "die" => std::process::exit(99),
            "interrupt" => {
                let this = std::process::id().to_string();
                let sent = Command::new("kill").args(["-INT", &this]).status();
                assert!(sent.expect("kill runs").success());
                // So that the handler has run.
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            other => panic!("{other}"),
        }
        Ok(())
    });
    let args = std::env::var("ARGUMENTS").expect("arguments");
    let cli = Cli::try_parse_from(args.split(' ')).expect("they make sense");
    let status = match cli.run() {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("error: {e}");
            e.exit_code()
        }
    };
    std::process::exit(status.into());
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        write_arrays(&dir.path().join("set.safetensors"), 8, 3);
        std::fs::write(dir.path().join("toy.toml"), MODEL).expect("written");
        Self(dir)
    }

    /// Begin the run in this folder, or go on where it stands.
    fn train(&self, run: &str, at_write: &str) -> Output {
        let begun = self.0.path().join(run).join("config.toml").exists();
        let arguments = if begun {
            format!("gtzan-gpu train --resume {run}")
        } else {
            format!(
                "gtzan-gpu train set.safetensors --model toy.toml --epochs 2 --early-stopping 0 --run {run}"
            )
        };
        self.program(&arguments, at_write)
    }

    fn program(&self, arguments: &str, at_write: &str) -> Output {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command
            .args(["--exact", "the_program", "--nocapture"])
            .current_dir(self.0.path())
            .env("AT_WRITE", at_write)
            .env("ARGUMENTS", arguments)
            .stdin(Stdio::null());
        keep_in(&mut command, &self.0.path().join("cache"));
        command.output().expect("it starts")
    }

    /// Every file of a run, plots included, by its path in the folder.
    fn files(&self, run: &str) -> BTreeMap<String, Vec<u8>> {
        fn add(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                if path.is_dir() {
                    add(&path, &format!("{prefix}{name}/"), found);
                } else {
                    let bytes = std::fs::read(&path).expect("read");
                    let _new = found.insert(format!("{prefix}{name}"), bytes);
                }
            }
        }
        let mut found = BTreeMap::new();
        add(&self.0.path().join(run), "", &mut found);
        found
    }
}

fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn whatever_happens_in_whichever_write_the_run_goes_on_to_the_same_bits() {
    let place = Place::new();
    let out = place.train("whole", "name 0");
    let text = stderr(&out);
    assert!(out.status.success(), "{text}");
    let named: Vec<&str> = text.lines().filter(|l| l.starts_with("write ")).collect();
    let whole = place.files("whole");
    // Every file that a run leaves is written under the watch, and nothing else is left.
    for file in whole.keys() {
        assert!(
            named.iter().any(|l| l.ends_with(&format!("whole/{file}"))),
            "{file}: {text}"
        );
    }
    for wanted in [
        "config.toml",
        "split.txt",
        "checkpoint.safetensors",
        "report.html",
        "plots/loss.svg",
    ] {
        assert!(whole.contains_key(wanted), "{wanted} of {:?}", whole.keys());
    }
    // Writes after which there is an epoch to come: an interrupt at one of them stops the run.
    let last = named
        .iter()
        .rposition(|l| l.ends_with("checkpoint.safetensors"));
    let mut stopped = Vec::new();
    for (n, name) in (1..).zip(&named) {
        let file = name.rsplit('/').next().expect("a name");
        for (act, status) in [("full", 1), ("interrupt", 130), ("die", 99)] {
            let run = format!("{act}-{n}");
            let out = place.train(&run, &format!("{act} {n}"));
            let text = stderr(&out);
            // Ctrl-C after the last epoch, or before training begins, does not undo what follows.
            let fine = act == "interrupt" && out.status.code() == Some(0);
            // Before there is a handler, Ctrl-C ends the process by itself.
            let early = act == "interrupt" && out.status.code().is_none();
            assert!(
                fine || early || out.status.code() == Some(status),
                "{run}: {text}"
            );
            if act == "interrupt" && out.status.code() == Some(130) {
                stopped.push(n - 1);
            }
            if act == "full" {
                assert!(
                    text.contains(file) && text.contains("the disk is full"),
                    "{run}: {text}"
                );
            }
            let out = place.train(&run, "none 0");
            assert!(out.status.success(), "{run}: {}", stderr(&out));
            let files = place.files(&run);
            assert_eq!(
                files.keys().collect::<Vec<_>>(),
                whole.keys().collect::<Vec<_>>(),
                "{run}"
            );
            for (file, bytes) in &files {
                let may_differ =
                    DIFFER.iter().any(|d| file.ends_with(d)) || file == "checkpoint.safetensors";
                assert!(may_differ || *bytes == whole[file], "{run}: {file} differs");
            }
            let of = |files: &BTreeMap<String, Vec<u8>>| tensors(&files["checkpoint.safetensors"]);
            assert!(of(&files) == of(&whole), "{run}: other weights");
        }
    }
    assert!(
        stopped.iter().any(|&n| Some(n) < last),
        "no interrupt stopped the run: {stopped:?} of {named:?}"
    );
}

/// Files that are one set are replaced together, or none of them.
#[test]
fn a_full_disk_leaves_a_pair_of_arrays_as_it_was() {
    let place = Place::new();
    write_arrays(&place.0.path().join("other.safetensors"), 4, 3);
    let write = |set: &str, at_write: &str| {
        place.program(
            &format!("gtzan-gpu features {set} --out out/x.npy"),
            at_write,
        )
    };
    std::fs::create_dir(place.0.path().join("out")).expect("a folder");
    let out = write("set.safetensors", "name 0");
    let writes = stderr(&out).matches("write ").count();
    let first = place.files("out");
    let names: Vec<&String> = first.keys().collect();
    let all = ["labels.npy", "segment.npy", "track.npy", "x.npy", "y.npy"];
    assert_eq!(names, all);
    assert_eq!(writes, all.len());
    for n in 1..=writes {
        let out = write("other.safetensors", &format!("full {n}"));
        let text = stderr(&out);
        assert!(text.contains("the disk is full"), "{n}: {text}");
        assert!(place.files("out") == first, "{n}");
    }
    assert!(write("other.safetensors", "none 0").status.success());
    assert!(place.files("out")["x.npy"] != first["x.npy"]);
}

/// All tensors of a safetensors file; the checkpoint's metadata holds times.
fn tensors(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let all = safetensors::SafeTensors::deserialize(bytes).expect("a safetensors file");
    let tensors = all.tensors();
    let copied = tensors
        .into_iter()
        .map(|(name, t)| (name, t.data().to_vec()));
    copied.collect()
}
