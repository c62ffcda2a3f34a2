//! Numbers that are too large, too small or none: a sentence at once, with what is possible; no panic and no memory.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program with 6 GiB of address space where that can be limited: drivers map a lot, but no size of a user's may.
fn program(dir: &Path, args: &[&str]) -> Output {
    let exe = env!("CARGO_BIN_EXE_gtzan-gpu");
    let mut command = if cfg!(target_os = "linux") {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -v 6291456; exec \"$@\"", "sh", exe]);
        shell
    } else {
        Command::new(exe)
    };
    command.args(args).current_dir(dir).stdin(Stdio::null());
    command.env("XDG_CACHE_HOME", dir.join("cache"));
    command.output().expect("the program starts")
}

/// Run it, and expect an error of one sentence; returns it.
fn refused(dir: &Path, args: &[&str]) -> String {
    let began = Instant::now();
    let out = program(dir, args);
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        matches!(out.status.code(), Some(1 | 2)),
        "{args:?}: {:?}\n{stderr}",
        out.status
    );
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    // At once, also on a busy machine.
    assert!(began.elapsed() < Duration::from_secs(120), "{args:?}");
    let error = stderr.lines().find(|l| l.starts_with("error: "));
    error
        .unwrap_or_else(|| panic!("{args:?}: no error in {stderr}"))
        .to_owned()
}

/// The options of a command that take a value, from its help.
fn valued(dir: &Path, command: &str) -> Vec<String> {
    let out = program(dir, &[command, "--help"]);
    let help = String::from_utf8(out.stdout).expect("UTF-8");
    let flags = help.lines().map(str::trim_start).filter_map(|line| {
        let flag = line.split_whitespace().next()?;
        let takes_value = line.strip_prefix(flag)?.starts_with(" <");
        (flag.starts_with("--") && takes_value).then(|| flag.to_owned())
    });
    flags.collect()
}

#[test]
fn whatever_value_an_option_gets_the_answer_is_a_sentence() {
    let dir = tempfile::tempdir().expect("a folder");
    let values = [
        "-1",
        "0",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "1e300",
        "-nan",
        "",
    ];
    // What has to stand there besides; with a device that does not exist, so that nothing begins. What needs no device
    // gets a file that does not exist.
    let none = ["--device", "no-such-device"];
    let commands: [(&str, &[&str], bool); 13] = [
        ("train", &["--synthetic"], true),
        ("evaluate", &["no-model", "no-data"], true),
        ("predict", &["no-model", "no-song"], true),
        ("plan", &[], true),
        ("gradcheck", &["no-op"], true),
        ("bench", &["no-op"], true),
        ("tune", &[], true),
        ("profile", &[], true),
        ("inspect", &["no-kernel"], true),
        ("devices", &[], true),
        ("kernel", &["no-kernel"], false),
        ("features", &["no-data", "--out", "x.npz"], false),
        ("synth", &["/proc/self/no/such"], false),
    ];
    let mut options = 0;
    for (command, others, has_device) in commands {
        for flag in valued(dir.path(), command) {
            if [
                "--device",
                "--cache",
                "--out",
                "--svg",
                "--trace",
                "--export",
                "--shaders",
            ]
            .contains(&flag.as_str())
            {
                continue;
            }
            options += 1;
            for value in values {
                let given = format!("{flag}={value}");
                let mut args = vec![command];
                args.extend(others);
                if has_device {
                    args.extend(none);
                }
                args.push(&given);
                refused(dir.path(), &args);
            }
        }
    }
    assert!(options > 40, "help has {options} options with values only");
}

#[test]
fn the_range_of_a_number_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    for (args, range) in [
        (
            &["plan", "--rows", "0"][..],
            "give a whole number from 1 to 9223372036854775807",
        ),
        (
            &["plan", "--rows", "9223372036854775808"],
            "from 1 to 9223372036854775807",
        ),
        (
            &["plan", "--classes", "-2"],
            "from 1 to 9223372036854775807",
        ),
        (&["plan", "--batch-size", "100000"], "from 1 to 65535"),
        (&["profile", "--repeats", "0"], "from 1 to 100000"),
        (&["tune", "--batch-size", "65536"], "from 1 to 65535"),
        (&["synth", "x", "--tracks", "100001"], "from 1 to 100000"),
        (&["synth", "x", "--seconds", "1e300"], "0.1 to 3600 s"),
        (&["synth", "x", "--seconds", "nan"], "0.1 to 3600 s"),
        (
            &["features", ".", "--out", "x.npz", "--threads", "1025"],
            "from 1 to 1024",
        ),
        (&["train", "--threads", "100000"], "from 1 to 1024"),
        (
            &["train", "--synthetic-tracks", "1000000000"],
            "from 1 to 100000",
        ),
        (&["train", "--epochs", "4294967296"], "from 0 to 4294967295"),
        (&["train", "--learning-rate", "1e300"], "3.4e38 at most"),
        (&["train", "--learning-rate", "1e-60"], "above 1.2e-38"),
        (&["train", "--weight-decay", "1e39"], "3.4e38 at most"),
    ] {
        let error = refused(dir.path(), args);
        assert!(error.contains(range), "{args:?}: {error}");
    }
}

/// What the sentence about a size names as possible is possible, and one more is not.
#[test]
fn the_largest_possible_value_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = |filters: u64, kernel: &str, units: u64| {
        format!(
            "name = 'm'\n[[layer]]\ntype = 'conv2d'\nfilters = {filters}\nkernel = {kernel}\n[[layer]]\ntype = 'max_pool2d'\nwindow = 8\n\
             [[layer]]\ntype = 'global_avg_pool'\n[[layer]]\ntype = 'dense'\nunits = {units}\n[[layer]]\ntype = 'dense'\nunits = 'classes'\n"
        )
    };
    let write = |text: String| std::fs::write(dir.path().join("m.toml"), text).expect("written");
    let plan = [
        "plan",
        "--portable",
        "--model",
        "m.toml",
        "--batch-size",
        "4",
    ];
    let named = |error: &str, what: &str| -> u64 {
        let (_, after) = error
            .split_once("the largest possible value here is ")
            .unwrap_or_else(|| panic!("{error}"));
        assert!(
            after.contains(&format!(" for {what}, which is ")),
            "{error}"
        );
        after
            .split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number")
    };
    for huge in [100_000, 1_000_000, 4_294_967_296, i64::MAX as u64] {
        type Write<'a> = Box<dyn Fn(u64) + 'a>;
        let layers: [(&str, Write); 3] = [
            ("filters of layer 1", Box::new(|n| write(model(n, "3", 4)))),
            (
                "kernel of layer 1",
                Box::new(|n| write(model(4, &format!("[1, {n}]"), 4))),
            ),
            ("units of layer 4", Box::new(|n| write(model(4, "3", n)))),
        ];
        for (what, write) in layers {
            write(huge);
            let out = program(dir.path(), &plan);
            if out.status.success() {
                assert!(huge <= 1_000_000, "{what}");
                continue;
            }
            let most = named(&refused(dir.path(), &plan), what);
            write(most);
            assert!(
                program(dir.path(), &plan).status.success(),
                "{what} = {most}"
            );
            write(most + 1);
            refused(dir.path(), &plan);
        }
        write(model(4, "3", 4));
        for option in ["--rows", "--frames", "--classes", "--samples"] {
            let with = |n: u64| -> Vec<String> {
                let args = plan.iter().map(|a| (*a).to_owned());
                args.chain([option.to_owned(), n.to_string()]).collect()
            };
            let args = with(huge);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            if program(dir.path(), &args).status.success() {
                assert!(huge <= 1_000_000, "{option}");
                continue;
            }
            let most = named(&refused(dir.path(), &args), &option[2..]);
            let fits = with(most);
            let fits: Vec<&str> = fits.iter().map(String::as_str).collect();
            assert!(program(dir.path(), &fits).status.success(), "{fits:?}");
        }
    }
}

#[test]
fn a_shape_to_measure_that_is_too_large_is_refused_before_it_is_filled() {
    let dir = tempfile::tempdir().expect("a folder");
    for shape in [
        "n=1048576,c=1048576,h=1048576,w=1048576,k=1",
        "n=1048576,c=1,h=1,w=1,k=1048576",
        "n=4,c=1024,h=1024,w=1024,k=8",
        "n=1,c=1,h=1,w=1,k=9223372036854775807",
    ] {
        refused(dir.path(), &["bench", "conv2d", "--shape", shape]);
    }
    for command in [
        &["bench", "--batch-size", "60000"][..],
        &["tune", "--batch-size", "60000"],
        &["profile", "--batch-size", "60000"],
        &[
            "gradcheck",
            "--sync-check",
            "small",
            "--batch-size",
            "60000",
        ],
    ] {
        let error = refused(dir.path(), command);
        assert!(
            error.contains("the largest possible value here is"),
            "{error}"
        );
        assert!(error.contains("for batch size, which is 60000"), "{error}");
    }
}

/// The kernels for CPU drivers go through their operands in pieces, of which far too large a layer has millions: with the adapter
/// that is here, whatever it is, and its limits.
#[test]
fn the_largest_possible_value_is_found_at_once_for_the_kernels_of_a_cpu_driver() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = "name = 'm'\n[[layer]]\ntype = 'conv2d'\nfilters = 1000000\nkernel = 3\n[[layer]]\ntype = 'global_avg_pool'\n\
        [[layer]]\ntype = 'dense'\nunits = 'classes'\n";
    std::fs::write(dir.path().join("m.toml"), model).expect("written");
    for (size, args) in [
        (
            "filters of layer 1",
            ["--model", "m.toml", "--classes", "10"],
        ),
        ("rows", ["--model", "small", "--rows", "100000"]),
        ("frames", ["--model", "small", "--frames", "100000"]),
    ] {
        let error = refused(
            dir.path(),
            &[&["plan", "--class", "cpu"], &args[..]].concat(),
        );
        assert!(
            error.contains("the largest possible value here is"),
            "{error}"
        );
        assert!(
            error.contains(&format!(" for {size}, which is ")),
            "{error}"
        );
    }
}
