//! Folders as people have them: deep, linked, with leftovers, pipes, odd names and the same song in two formats.

use std::fs;
use std::path::Path;

use gtzan_gpu::dataset::{Dataset, KnownSplit, Options, Side, SplitRule, split};
use tempfile::TempDir;

use crate::{QUIET, folder, open, write_clip};

fn clips(names: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (id, name) in names.iter().enumerate() {
        write_clip(&dir.path().join(name), id);
    }
    dir
}

fn names(set: &Dataset) -> Vec<&str> {
    set.tracks.iter().map(|t| t.name.as_str()).collect()
}

fn fails(path: &Path) -> String {
    Dataset::open(path, &Options::default(), QUIET)
        .unwrap_err()
        .to_string()
}

fn strict() -> Options {
    Options {
        strict: true,
        ..Options::default()
    }
}

#[test]
fn any_depth_is_read_and_told() {
    let dir = clips(&[
        "jazz/artist/album/01.au",
        "jazz/artist/album/02.au",
        "jazz/other/01.au",
        "jazz/x.au",
        "rock/a.au",
        "rock/b/c/d/e/a.au",
    ]);
    fs::create_dir(dir.path().join("jazz/covers")).unwrap();
    fs::write(dir.path().join("jazz/covers/front.jpg"), [0]).unwrap();
    let set = open(dir.path(), &strict());
    assert_eq!(
        names(&set),
        [
            "jazz/x",
            "jazz/artist/album/01",
            "jazz/artist/album/02",
            "jazz/other/01",
            "rock/a",
            "rock/b/c/d/e/a"
        ]
    );
    assert_eq!(set.labels(), [0, 0, 0, 0, 1, 1]);
    assert_eq!(
        set.notes,
        [
            "depth: 2 files in the genres' folders, 1 file one folder below, 2 files 2 folders below, 1 file 4 folders below"
        ]
    );
    assert!(open(folder().path(), &Options::default()).notes.is_empty());

    // Written splits find them by path, by genre and name, and by content.
    let lists = TempDir::new().unwrap();
    let file = lists.path().join("split.txt");
    let write = |text: &str| {
        fs::write(&file, text).unwrap();
        split(&set, &SplitRule::File(file.clone()))
    };
    let made = write("train jazz/artist/album/01.wav\ntrain rock/a\nvalidation /m/jazz/other/01.mp3\nvalidation jazz/02\n").unwrap();
    assert_eq!(
        (made.train.as_slice(), made.validation.as_slice()),
        (&[1, 4][..], &[2, 3][..])
    );
    let error = write("train jazz/01\n").unwrap_err().to_string();
    assert!(
        error.contains("a track of several folders: write jazz/folder/01"),
        "{error}"
    );
}

#[test]
fn folders_around_a_data_set_are_not_genres() {
    let tree = |root: &str| -> Vec<String> {
        ["jazz/a.au", "jazz/b.au", "rock/c.au", "rock/d.au"]
            .map(|n| format!("{root}/{n}"))
            .to_vec()
    };
    for root in [
        "genres_original",
        "Data/genres_original",
        "x/Data/genres_original",
    ] {
        let all = tree(root);
        let dir = clips(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let error = fails(dir.path());
        let wanted = format!(
            "{} looks like one: give that path",
            dir.path().join(root).display()
        );
        assert!(error.contains(&wanted), "{error}");
        assert_eq!(open(&dir.path().join(root), &Options::default()).len(), 4);
    }
    let all = [tree("train"), tree("test")].concat();
    let dir = clips(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let error = fails(dir.path());
    for part in [
        "test, train are named after the sides of a split",
        "--split",
    ] {
        assert!(error.contains(part), "{error}");
    }
    // The same artists in two genres are no sides.
    let dir = clips(&["jazz/a/1.au", "jazz/b/2.au", "rock/a/3.au", "rock/b/4.au"]);
    assert_eq!(open(dir.path(), &Options::default()).len(), 4);
}

#[test]
fn of_two_files_of_one_name_the_one_that_decodes_is_used() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    write_clip(&at("jazz/j1.wav.au"), 40);
    fs::rename(at("jazz/j1.wav.au"), at("jazz/j1.wav")).unwrap();
    fs::write(at("jazz/j1.au"), []).unwrap();
    for name in ["jazz/j2.au", "jazz/j2.flac", "jazz/j2.wav"] {
        fs::write(at(name), []).unwrap();
    }
    let cache = TempDir::new().unwrap();
    let options = Options {
        cache: Some(cache.path().into()),
        ..Options::default()
    };
    for (round, reused) in [(0, 0), (1, 7)] {
        let set = open(dir.path(), &options);
        assert_eq!(set.cache.reused, reused, "round {round}");
        let track = set.tracks.iter().find(|t| t.name == "jazz/j1").unwrap();
        assert_eq!(track.path.as_deref(), Some(at("jazz/j1.wav").as_path()));
        let mut lines: Vec<String> = set
            .skipped
            .iter()
            .map(|s| s.path.display().to_string())
            .collect();
        lines.sort();
        assert_eq!(
            lines,
            ["jazz/j1.au", "jazz/j2.au", "jazz/j2.flac", "jazz/j2.wav"]
                .map(|n| at(n).display().to_string())
        );
        assert!(
            set.skipped.iter().all(|s| s.reason.contains("empty")),
            "{:?}",
            set.skipped
        );
    }
    let error = Dataset::open(dir.path(), &strict(), QUIET)
        .unwrap_err()
        .to_string();
    assert!(error.contains("j1.au"), "{error}");
}

#[test]
fn leftovers_and_a_limit_are_no_fault() {
    let dir = folder();
    for name in [
        "__MACOSX/jazz/._a.au",
        "jazz/._jazz.00000.au",
        "jazz/.DS_Store",
        "jazz/Thumbs.db",
        "Thumbs.db",
        "@eaDir/x.au",
    ] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, [0; 9]).unwrap();
    }
    assert_eq!(open(dir.path(), &strict()).len(), 6);
    for (id, genre) in ["pop", "metal", "disco"].iter().enumerate() {
        write_clip(&dir.path().join(genre).join("x.au"), 20 + id);
    }
    let limited = open(
        dir.path(),
        &Options {
            limit: Some(3),
            ..strict()
        },
    );
    assert!(limited.skipped.is_empty(), "{:?}", limited.skipped);
    assert_eq!(limited.genres, ["disco", "jazz", "metal"]);
    assert_eq!(limited.notes, ["a limit of 3 tracks leaves 3 of 5 genres"]);
}

#[cfg(unix)]
#[test]
fn pipes_links_and_names_that_are_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let fifo = |path: &Path| {
        let made = std::process::Command::new("mkfifo")
            .arg(path)
            .status()
            .unwrap();
        assert!(made.success());
    };
    fifo(&at("jazz/pipe.wav"));
    fifo(&at("pipe.au"));
    fifo(&at("rock/README"));
    let _socket = UnixListener::bind(at("rock/socket.au")).unwrap();
    symlink("/dev/zero", at("rock/zero.wav")).unwrap();
    // Circles, and a link to nothing.
    symlink(dir.path(), at("jazz/up")).unwrap();
    symlink(at("jazz"), at("jazz/self")).unwrap();
    fs::create_dir(at("rock/sub")).unwrap();
    symlink(at("rock"), at("rock/sub/again")).unwrap();
    symlink(at("nothing"), at("rock/broken.au")).unwrap();
    for (id, byte) in [0xff, 0xfe].iter().enumerate() {
        let name = [b"caf", &[*byte][..], b".au"].concat();
        write_clip(&at("jazz").join(OsStr::from_bytes(&name)), 50 + id);
    }
    let cache = TempDir::new().unwrap();
    let options = Options {
        cache: Some(cache.path().into()),
        ..Options::default()
    };
    for reused in [0, 8] {
        let set = open(dir.path(), &options);
        assert_eq!(set.cache.reused, reused, "{:?}", names(&set));
        let jazz: Vec<&str> = names(&set)
            .into_iter()
            .filter(|n| n.starts_with("jazz/"))
            .collect();
        assert_eq!(
            jazz,
            [
                "jazz/caf\\xfe",
                "jazz/caf\\xff",
                "jazz/jazz.00000",
                "jazz/jazz.00001",
                "jazz/jazz.00002"
            ]
        );
        for (name, reason) in [
            ("jazz/pipe.wav", "a pipe or a device"),
            ("rock/socket.au", "a pipe or a device"),
            ("rock/zero.wav", "a pipe or a device"),
            ("rock/broken.au", ""),
        ] {
            assert!(
                set.skipped
                    .iter()
                    .any(|s| s.path == at(name) && s.reason.contains(reason)),
                "{name}: {:?}",
                set.skipped
            );
        }
    }
    let data = dir.path().join("x.npz");
    fifo(&data);
    assert!(fails(&data).contains("a pipe or a device"));
}

#[test]
fn a_split_is_known_by_what_tracks_sound_like() {
    let dir = folder();
    let set = open(dir.path(), &Options::default());
    let made = split(
        &set,
        &SplitRule::Stratified {
            fraction: 0.34,
            seed: 3,
        },
    )
    .unwrap();
    let known = KnownSplit::new(&set, &made);
    let text = serde_json::to_string(&known).unwrap();
    assert!(text.len() < 16 * 6 + 40, "{text}");
    let known: KnownSplit = serde_json::from_str(&text).unwrap();
    let side = |t: usize| {
        if made.train.contains(&t) {
            Side::Train
        } else {
            Side::Validation
        }
    };
    assert_eq!(
        known.sides_of(&set),
        (0..6).map(|t| Some(side(t))).collect::<Vec<_>>()
    );
    assert_eq!(
        (known.count(Side::Train), known.count(Side::Validation)),
        (4, 2)
    );

    // Renamed, moved, in another format with silence before it, all segments, as arrays: known. Another: new.
    let other = TempDir::new().unwrap();
    for (t, track) in set.tracks.iter().enumerate() {
        let samples = gtzan_gpu::audio::load(track.path.as_deref().unwrap(), None).unwrap();
        let samples = [vec![0.0; 100 * t], samples].concat();
        let to = other
            .path()
            .join(["a", "b"][t % 2])
            .join(format!("deep/{t}.au"));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        gtzan_gpu::audio::au::write_pcm16(&to, &samples, 22_050).unwrap();
    }
    write_clip(&other.path().join("a/new.au"), 99);
    let options = Options {
        segments: gtzan_gpu::dataset::Segments::All,
        ..Options::default()
    };
    let moved = open(other.path(), &options);
    let arrays = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    for (dir, name) in arrays.iter().zip(["x.npz", "x.safetensors"]) {
        moved.save(&dir.path().join(name)).unwrap();
        let back = open(&dir.path().join(name), &Options::default());
        assert_eq!(back.contents(), moved.contents(), "{name}");
    }
    for (track, found) in moved.tracks.iter().zip(known.sides_of(&moved)) {
        let wanted = track
            .name
            .rsplit('/')
            .next()
            .unwrap()
            .parse()
            .ok()
            .map(side);
        assert_eq!(found, wanted, "{}", track.name);
    }
    // The written form holds by content as well.
    let lists = TempDir::new().unwrap();
    let file = lists.path().join("split.txt");
    fs::write(&file, made.to_text(&set)).unwrap();
    let again = split(&moved, &SplitRule::File(file)).unwrap();
    assert_eq!(KnownSplit::new(&moved, &again), known);
    assert_eq!(again.unused(&moved), 1);
}
