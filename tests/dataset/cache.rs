//! The cache never gives stale features.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gtzan_gpu::dataset::{Dataset, Options, Segments};
use tempfile::TempDir;

use crate::audio_support::Fixture;
use crate::{folder, open, write_clip};

/// The one cache file below `dir`.
fn cache_file(dir: &Path) -> PathBuf {
    let mut files = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let file = files.find(|p| p.extension().is_some_and(|e| e == "safetensors"));
    file.unwrap()
}

fn set_modified(path: &Path, time: SystemTime) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// Makes the files look as if they had been there long before the cache.
fn age(dir: &Path) {
    let old = SystemTime::now() - Duration::from_secs(3600);
    for genre in fs::read_dir(dir).unwrap() {
        for file in fs::read_dir(genre.unwrap().path()).unwrap() {
            set_modified(&file.unwrap().path(), old);
        }
    }
}

#[test]
fn the_cache_computes_only_what_is_new_or_changed() {
    let (dir, cache) = (folder(), TempDir::new().unwrap());
    age(dir.path());
    let options = Options {
        cache: Some(cache.path().to_path_buf()),
        ..Options::default()
    };
    let counts = |set: &Dataset| {
        assert_eq!(set.cache.problem, None);
        (set.cache.reused, set.cache.computed)
    };
    let fresh = open(dir.path(), &Options::default());
    let first = open(dir.path(), &options);
    assert_eq!(counts(&first), (0, 6));
    let second = open(dir.path(), &options);
    assert_eq!(counts(&second), (6, 0));
    assert!(first.x() == fresh.x());
    assert!(second.x() == fresh.x());
    assert_eq!(second.tracks, fresh.tracks);

    // Same content, new time: nothing to do. Same size, other content: one to do.
    let file = dir.path().join("jazz/jazz.00001.au");
    set_modified(&file, SystemTime::now());
    assert_eq!(counts(&open(dir.path(), &options)), (6, 0));
    write_clip(&file, 77);
    let changed = open(dir.path(), &options);
    assert_eq!(counts(&changed), (5, 1));
    assert!(changed.x() == open(dir.path(), &Options::default()).x());
    // Changed again at once, within the clock's step of the last writing of the cache.
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    write_clip(&file, 78);
    set_modified(&file, time);
    assert_eq!(counts(&open(dir.path(), &options)), (5, 1));

    fs::remove_file(&file).unwrap();
    write_clip(&dir.path().join("rock/new.au"), 9);
    let moved = open(dir.path(), &options);
    assert_eq!(counts(&moved), (5, 1));
    assert!(moved.x() == open(dir.path(), &Options::default()).x());
    assert_eq!(
        fs::read_dir(cache.path()).unwrap().count(),
        1,
        "one file, replaced"
    );

    // Other settings do not disturb it.
    let all = Options {
        segments: Segments::All,
        ..options.clone()
    };
    assert_eq!(counts(&open(dir.path(), &all)), (0, 6));
    assert_eq!(counts(&open(dir.path(), &options)), (6, 0));
}

/// A file that takes another's name takes its own times along, and here it has the other's time and size too: what tells is Unix's ctime.
#[cfg(unix)]
#[test]
fn a_file_that_takes_anothers_name_is_not_taken_for_it() {
    let (dir, cache) = (folder(), TempDir::new().unwrap());
    age(dir.path());
    let options = Options {
        cache: Some(cache.path().to_path_buf()),
        ..Options::default()
    };
    let [a, b] = ["jazz/jazz.00000.au", "rock/rock.00002.au"].map(|f| dir.path().join(f));
    let time = fs::metadata(&a).unwrap().modified().unwrap();
    set_modified(&b, time);
    assert_eq!(open(dir.path(), &options).cache.computed, 6);
    // As if the cache had been written long after.
    let later = SystemTime::now() + Duration::from_secs(3600);
    set_modified(&cache_file(cache.path()), later);
    assert_eq!(open(dir.path(), &options).cache.reused, 6);

    fs::rename(&b, &a).unwrap();
    let moved = open(dir.path(), &options);
    assert_eq!((moved.cache.reused, moved.cache.computed), (4, 1));
    assert!(moved.x() == open(dir.path(), &Options::default()).x());
}

/// What of a recording could not be decoded is said in every run.
#[test]
fn what_was_left_out_is_said_from_the_cache_too() {
    let (dir, cache) = (folder(), TempDir::new().unwrap());
    // Two recordings joined, of which the second is damaged.
    let file = dir.path().join("rock/joined.ogg");
    let one: Vec<u8> = Fixture::open("decode.npz").get("file_ogg_vorbis_file.ogg");
    let mut two = one.repeat(2);
    two[one.len() + 28..one.len() + 58].fill(0);
    fs::write(&file, two).unwrap();
    let options = Options {
        cache: Some(cache.path().to_path_buf()),
        segments: Segments::All,
        ..Options::default()
    };
    let said = |set: Dataset| -> Vec<String> {
        let all = set.notes.into_iter();
        all.filter(|n| n.contains("joined.ogg: left out: "))
            .collect()
    };
    let first = said(open(dir.path(), &options));
    assert_eq!(first.len(), 1);
    let second = open(dir.path(), &options);
    assert_eq!((second.cache.reused, second.cache.computed), (7, 0));
    assert_eq!(said(second), first);
}

#[test]
fn a_damaged_cache_is_noticed_and_rebuilt() {
    let (dir, cache) = (folder(), TempDir::new().unwrap());
    age(dir.path());
    let options = Options {
        cache: Some(cache.path().to_path_buf()),
        ..Options::default()
    };
    let fresh = open(dir.path(), &options);
    let file = cache_file(cache.path());
    let good = fs::read(&file).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let data_start = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let mut swapped_names = String::from_utf8_lossy(&good[8..data_start]).into_owned();
    swapped_names = swapped_names
        .replace("jazz.00000", "jazz.0000x")
        .replace("jazz.00001", "jazz.00000")
        .replace("jazz.0000x", "jazz.00001");
    let swapped = [&good[..8], swapped_names.as_bytes(), &good[data_start..]].concat();
    for (what, bytes) in [
        ("a flipped bit in the middle", flipped(good.len() / 2)),
        ("a flipped bit at the end", flipped(good.len() - 1)),
        ("a flipped bit in the length", flipped(6)),
        ("a flipped bit in the header", flipped(40)),
        ("an interrupted write", good[..good.len() / 3].to_vec()),
        ("one byte too few", good[..good.len() - 1].to_vec()),
        ("one byte too many", [&good[..], &[0]].concat()),
        ("an empty file", vec![]),
        ("another file", b"not a cache at all".to_vec()),
        ("two entries swapped", swapped),
    ] {
        fs::write(&file, bytes).unwrap();
        let set = open(dir.path(), &options);
        assert_eq!(set.cache.computed, 6, "{what}");
        assert!(set.x() == fresh.x(), "{what}");
        let problem = set.cache.problem.unwrap_or_default();
        assert!(problem.contains("computed again"), "{what}: {problem}");
        let again = open(dir.path(), &options);
        assert_eq!(
            (again.cache.reused, again.cache.problem),
            (6, None),
            "{what}"
        );
    }
    // What a killed program leaves behind is no obstacle.
    fs::write(cache.path().join(".tmpAbCdEf"), &good[..1000]).unwrap();
    assert_eq!(open(dir.path(), &options).cache.reused, 6);
}

#[test]
fn a_cache_that_cannot_be_written_is_no_error() {
    let dir = folder();
    let blocked = dir.path().join("a file");
    fs::write(&blocked, "x").unwrap();
    let options = Options {
        cache: Some(blocked),
        ..Options::default()
    };
    let set = open(dir.path(), &options);
    assert_eq!(set.len(), 6);
    let problem = set.cache.problem.unwrap();
    assert!(problem.contains("can't be"), "{problem}");
}
