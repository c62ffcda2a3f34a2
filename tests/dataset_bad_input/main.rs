//! What users bring: broken files, odd folders, impossible splits and arrays. Each gets a
//! sentence, none a panic.

mod splits;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use gtzan_gpu::ErrorKind;
use gtzan_gpu::audio::au::write_pcm16;
use gtzan_gpu::dataset::{Dataset, Options, Sample, SplitRule, Track, split};
use proptest::prelude::*;
use tempfile::TempDir;

const QUIET: &(dyn Fn(usize, usize) + Sync) = &|_, _| {};

/// A clip that depends on its name, so that no two are copies.
fn write_clip(path: &Path) {
    let name = path.to_string_lossy();
    let period = 40
        + name
            .bytes()
            .fold(0, |h: u32, b| (h * 31 + u32::from(b)) % 997);
    let samples: Vec<f32> = (0..5000u32)
        .map(|i| ((i % period) as f32 - 20.0) / 1100.0)
        .collect();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_pcm16(path, &samples, 22_050).unwrap();
}

/// A folder of these clips (`genre/name`).
fn folder(clips: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for clip in clips {
        write_clip(&dir.path().join(clip));
    }
    dir
}

fn open(path: &Path) -> Result<Dataset, String> {
    Dataset::open(path, &Options::default(), QUIET).map_err(|e| e.to_string())
}

/// The message, which must hold every one of `parts`.
#[track_caller]
fn fails(path: &Path, parts: &[&str]) {
    let message = open(path).unwrap_err();
    for part in parts {
        assert!(
            message.contains(part),
            "\"{message}\" does not say \"{part}\""
        );
    }
}

#[test]
fn folders_without_a_data_set_say_what_one_is() {
    let empty = TempDir::new().unwrap();
    fails(
        empty.path(),
        &["no audio found", "one folder of audio files per genre"],
    );
    fails(
        &empty.path().join("nowhere"),
        &["nowhere", "can't be opened as a data set"],
    );

    let loose = folder(&["a.au", "b.au"]);
    fails(loose.path(), &["a.au lies in it directly", "genre/a.au"]);

    let one = folder(&["jazz/a.au", "jazz/b.au"]);
    fails(one.path(), &["only one genre (jazz)", "at least two"]);

    let hidden = folder(&[".git/a.au", ".venv/b.au"]);
    fails(hidden.path(), &["no audio found"]);

    // The layout of a popular copy: the folder above the one that is meant.
    let above = folder(&[
        "genres_original/jazz/a.au",
        "genres_original/rock/b.au",
        "images/x.au",
    ]);
    fs::remove_file(above.path().join("images/x.au")).unwrap();
    fails(
        above.path(),
        &["genres_original looks like one: give that path"],
    );
}

#[test]
fn bad_files_are_skipped_with_a_line_each_or_fatal_when_strict() {
    let dir = folder(&[
        "jazz/good.au",
        "rock/good.au",
        "rock/twice.au",
        "rock/twice.wav",
        "pop/x.au",
    ]);
    let at = |name: &str| dir.path().join(name);
    let good = fs::read(at("jazz/good.au")).unwrap();
    fs::write(at("jazz/jazz.00054.wav"), [0; 5000]).unwrap();
    fs::write(at("jazz/zero.au"), []).unwrap();
    fs::write(at("jazz/cut.au"), &good[..10]).unwrap();
    fs::write(
        at("jazz/random.mp3"),
        (0..4000u32)
            .map(|i| ((i * i * 31) >> 7) as u8)
            .collect::<Vec<_>>(),
    )
    .unwrap();
    fs::write(at("jazz/song.m4a"), [1; 100]).unwrap();
    fs::create_dir(at("jazz/folder.wav")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::write(at("pop/x.au"), [0; 50]).unwrap();
    fs::write(at("jazz/README"), "not audio").unwrap();

    let set = open(dir.path()).unwrap();
    assert_eq!(
        set.genres,
        ["jazz", "rock"],
        "a genre without a usable track is none"
    );
    assert_eq!(set.labels(), [0, 1, 1]);
    let lines: Vec<String> = set.skipped.iter().map(ToString::to_string).collect();
    for (name, reason) in [
        ("jazz/jazz.00054.wav", ""),
        ("jazz/zero.au", "empty"),
        ("jazz/cut.au", ""),
        ("jazz/random.mp3", ""),
        ("jazz/song.m4a", ".m4a files can't be read: convert"),
        ("jazz/folder.wav", "a folder, not an audio file"),
        ("empty", "no audio file in this folder"),
        ("pop/x.au", ""),
        ("pop", "none of the files in this folder is usable"),
        ("rock/twice.wav", "the same track as twice.au"),
    ] {
        let path = at(name).display().to_string();
        let found: Vec<&String> = lines
            .iter()
            .filter(|l| l.starts_with(&format!("{path}: ")))
            .collect();
        assert_eq!(found.len(), 1, "{name} in {lines:#?}");
        assert!(
            found[0].contains(reason) && found[0].ends_with(": skipped"),
            "{}",
            found[0]
        );
        assert_eq!(
            found[0].matches(&path).count(),
            1,
            "the path once: {}",
            found[0]
        );
        assert!(!found[0].contains('\n'));
    }
    assert_eq!(lines.len(), 10);

    let strict = Options {
        strict: true,
        ..Options::default()
    };
    assert!(Dataset::open(dir.path(), &strict, QUIET).is_err());
    for name in ["jazz/jazz.00054.wav", "jazz/song.m4a"] {
        let dir = folder(&["jazz/a.au", "rock/b.au"]);
        fs::write(dir.path().join(name), [0; 100]).unwrap();
        let error = Dataset::open(dir.path(), &strict, QUIET).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.exit_code(), 1);
    }
}

#[cfg(unix)]
#[test]
fn a_skipped_file_with_a_line_break_in_its_name_is_one_line_with_its_name_once() {
    let dir = folder(&["jazz/a.au", "rock/b.au"]);
    let name = "jazz/x\n\x1b[2Jerror: all is lost.wav";
    fs::write(dir.path().join(name), [0; 100]).unwrap();
    let set = Dataset::open(dir.path(), &Options::default(), QUIET).unwrap();
    let line = set.skipped[0].to_string();
    assert!(!line.contains(['\n', '\x1b']), "{line:?}");
    assert_eq!(line.matches("all is lost").count(), 1, "{line:?}");
    let strict = Options {
        strict: true,
        ..Options::default()
    };
    let error = Dataset::open(dir.path(), &strict, QUIET).unwrap_err();
    assert!(!error.to_string().contains(['\n', '\x1b']), "{error:?}");
}

#[test]
fn a_limit_that_takes_only_bad_files_of_a_genre_does_not_call_the_genre_unusable() {
    let dir = folder(&["jazz/b.au", "pop/a.au", "rock/a.au"]);
    fs::write(dir.path().join("jazz/a.au"), "").unwrap();
    let options = Options {
        limit: Some(3),
        ..Options::default()
    };
    let set = Dataset::open(dir.path(), &options, QUIET).unwrap();
    assert_eq!(set.genres, ["pop", "rock"]);
    let lines: Vec<String> = set.skipped.iter().map(ToString::to_string).collect();
    let about = |l: &&String| l.contains("none of the files that --limit takes");
    assert_eq!(lines.iter().filter(about).count(), 1, "{lines:?}");
}

#[test]
fn when_nothing_usable_is_left_the_error_names_the_first_bad_file() {
    let dir = folder(&["jazz/a.au", "rock/b.au"]);
    fs::write(dir.path().join("rock/b.au"), [0; 3]).unwrap();
    fails(
        dir.path(),
        &["only one genre (jazz) has usable tracks", "rock/b.au"],
    );
    fs::write(dir.path().join("jazz/a.au"), [0; 3]).unwrap();
    fails(dir.path(), &["no usable track", "jazz/a.au"]);
}

#[test]
fn wrong_arrays_are_named() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dataset");
    for (name, parts) in [
        (
            "bad_nan.npz",
            &["sample 4 of x is NaN at row 2, frame 1"][..],
        ),
        ("bad_onehot.npz", &["y has the shape [6, 3]", "argmax"]),
        ("bad_float_labels.npz", &["y is", "f4", "integer"]),
        (
            "bad_label.npz",
            &[
                "sample 5 has the label 3, but labels go from 0 to 2",
                "3 genres are named",
            ],
        ),
        ("bad_negative.npz", &["sample 5 has the label -1"]),
        (
            "bad_huge_label.npz",
            &["sample 5 has the label 1099511627776"],
        ),
        ("bad_count.npz", &["x has 6 samples, but y has 5"]),
        (
            "bad_shape.npz",
            &["x has the shape [6, 12]", "(samples, rows, frames)"],
        ),
        ("bad_empty.npz", &["x is empty"]),
        ("bad_dtype.npz", &["x is", "c8", "float32 or float64"]),
        ("bad_object.npz", &["names is", "must be strings"]),
        ("bad_fortran.npz", &["Fortran order", "ascontiguousarray"]),
        ("bad_one_class.npz", &["only one genre (0)", "at least two"]),
        ("bad_no_y.npz", &["no array named y", "it has: labels, x"]),
        (
            "bad_track.npz",
            &["sample 2 has the label 1, but earlier samples of the same track"],
        ),
        ("bad_dtype.safetensors", &["x is I32", "F32 or F64"]),
        ("y.npy", &["named x.npy and y.npy"]),
        ("make.py", &["ends in .safetensors, .npz or .npy"]),
    ] {
        let path = fixtures.join(name);
        let message = open(&path).unwrap_err();
        assert!(
            message.starts_with(&path.display().to_string()),
            "{message}"
        );
        for part in parts {
            assert!(
                message.contains(part),
                "{name}: \"{message}\" does not say \"{part}\""
            );
        }
    }
    // Headers in pairs and in archives, which store them as they are: one that claims 662 MB of itself, of which 100 bytes are
    // there, and brackets within brackets, for which a parser that tries again at each takes longer than anyone lives.
    let mut long = b"\x93NUMPY\x02\x00\x76\x00\x7b\x27".to_vec();
    long.resize(112, b' ');
    let nested = |version: u8, length: &[u8], bracket: &str| {
        let start = [&b"\x93NUMPY"[..], &[version, 0], length].concat();
        [
            start,
            format!("{{'descr': '<f4', {:<102}\n", bracket.repeat(64)).into(),
        ]
        .concat()
    };
    for (header, problem) in [
        (long, "header claims to be 662372470 bytes"),
        (nested(1, &[120, 0], "["), "brackets 65 deep"),
        (nested(2, &[120, 0, 0, 0], "("), "brackets 65 deep"),
        (nested(3, &[120, 0, 0, 0], "{"), "brackets 65 deep"),
    ] {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("x.npy"), &header).unwrap();
        fs::copy(fixtures.join("y.npy"), dir.path().join("y.npy")).unwrap();
        fails(&dir.path().join("x.npy"), &["x.npy", problem]);
        let archive = dir.path().join("x.npz");
        let mut zip = zip::ZipWriter::new(fs::File::create(&archive).unwrap());
        for name in ["x.npy", "y.npy"] {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(name, options).unwrap();
            let array = fs::read(dir.path().join(name)).unwrap();
            zip.write_all(&array).unwrap();
        }
        zip.finish().unwrap();
        fails(&archive, &["x.npz", "x can't be read", problem]);
    }
    // An x without a y beside it.
    let dir = TempDir::new().unwrap();
    fs::copy(fixtures.join("x.npy"), dir.path().join("x.npy")).unwrap();
    fails(&dir.path().join("x.npy"), &["y.npy", "array y"]);
}

#[test]
fn limits_and_settings_that_leave_nothing_are_usage_errors() {
    let dir = folder(&["jazz/a.au", "rock/b.au"]);
    for options in [
        Options {
            limit: Some(0),
            ..Options::default()
        },
        Options {
            definition: gtzan_gpu::features::Definition::Notebook,
            segments: gtzan_gpu::dataset::Segments::All,
            ..Options::default()
        },
    ] {
        let error = Dataset::open(dir.path(), &options, QUIET).unwrap_err();
        assert_eq!(
            (error.kind(), error.exit_code()),
            (ErrorKind::Usage, 2),
            "{error}"
        );
    }
    assert!(Dataset::synthetic(1, 0, &Options::default(), QUIET).is_err());
    let error = Dataset::open(
        dir.path(),
        &Options {
            limit: Some(1),
            ..Options::default()
        },
        QUIET,
    )
    .unwrap_err();
    assert!(error.to_string().contains("only one genre"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Damaged array files: any answer but a panic or an allocation by a made-up size.
    #[test]
    fn damaged_array_files_never_panic(
        name in prop::sample::select(vec!["good.npz", "good_nchw_f64.npz", "x.npy", "y.npy", "good.safetensors"]),
        edits in prop::collection::vec((0usize..2000, any::<u8>()), 1..6),
        cut in prop::option::of(0usize..2000),
    ) {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dataset");
        let dir = TempDir::new().unwrap();
        for other in ["x.npy", "y.npy"] {
            fs::copy(fixtures.join(other), dir.path().join(other)).unwrap();
        }
        let mut bytes = fs::read(fixtures.join(name)).unwrap();
        for (at, value) in edits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        fs::write(dir.path().join(name), bytes).unwrap();
        let target = if name == "y.npy" { "x.npy" } else { name };
        let _ = open(&dir.path().join(target));
    }
}
