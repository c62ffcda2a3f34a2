//! Data sets: splits never share a track, normalisation never sees validation data, the cache
//! never gives stale features, and files of arrays go both ways.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gtzan_gpu::audio::au::write_pcm16;
use gtzan_gpu::dataset::{
    Dataset, Normaliser, Options, Sample, Segments, Source, Split, SplitRule, Track,
    class_weights_balanced, epoch_order, split,
};
use gtzan_gpu::features::Definition;
use proptest::prelude::*;
use tempfile::TempDir;

const QUIET: &(dyn Fn(usize, usize) + Sync) = &|_, _| {};

/// A set without audio: `tracks[g]` tracks of genre g, each of `segments` samples of 2 x 3.
fn numbers(tracks: &[usize], segments: usize) -> Dataset {
    let mut all = Vec::new();
    for (genre, &n) in tracks.iter().enumerate() {
        for i in 0..n {
            all.push(Track {
                name: format!("g{genre}/g{genre}.{i:05}"),
                genre,
                path: None,
            });
        }
    }
    let samples: Vec<Sample> = (0..all.len())
        .flat_map(|track| (0..segments).map(move |segment| Sample { track, segment }))
        .collect();
    let x = (0..samples.len() * 6)
        .map(|i| ((i * 37) % 101) as f32 - 20.0)
        .collect();
    let genres = (0..tracks.len()).map(|g| format!("g{g}")).collect();
    Dataset::from_parts(genres, all, samples, (2, 3), x).unwrap()
}

/// A decaying tone of 0.4 s; different for each `id`.
fn write_clip(path: &Path, id: usize) {
    let hz = 200.0 + 37.0 * id as f32;
    let samples: Vec<f32> = (0..8820)
        .map(|i| {
            0.5 * (i as f32 / 22_050.0 * hz * std::f32::consts::TAU).sin()
                * (-(i as f32) / 4000.0).exp()
        })
        .collect();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_pcm16(path, &samples, 22_050).unwrap();
}

/// Two genres of three clips each.
fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    for id in 0..6 {
        let genre = ["jazz", "rock"][id % 2];
        write_clip(
            &dir.path()
                .join(genre)
                .join(format!("{genre}.{:05}.au", id / 2)),
            id,
        );
    }
    dir
}

fn open(dir: &Path, options: &Options) -> Dataset {
    Dataset::open(dir, options, QUIET).unwrap()
}

/// Fails if a track is on two sides, or a sample is.
fn assert_disjoint(set: &Dataset, split: &Split) {
    let sides = [&split.train, &split.validation, &split.test];
    let mut seen = HashSet::new();
    for track in sides.into_iter().flatten() {
        assert!(seen.insert(*track), "track {track} is on two sides");
        assert!(*track < set.tracks.len());
    }
    let mut seen = HashSet::new();
    for side in sides {
        let samples = set.samples_of(side);
        assert_eq!(
            samples.len(),
            side.iter()
                .map(|&t| set.samples.iter().filter(|s| s.track == t).count())
                .sum::<usize>()
        );
        for i in samples {
            assert!(seen.insert(i), "sample {i} is on two sides");
            assert!(side.contains(&set.samples[i].track));
        }
    }
}

fn genres_on(set: &Dataset, side: &[usize]) -> HashSet<usize> {
    side.iter().map(|&t| set.tracks[t].genre).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_stratified_split_shares_no_track(
        tracks in prop::collection::vec(2usize..30, 2..6),
        segments in 1usize..5,
        fraction in 0.01f64..0.99,
        seed: u64,
    ) {
        let set = numbers(&tracks, segments);
        let made = split(&set, &SplitRule::Stratified { fraction, seed }).unwrap();
        assert_disjoint(&set, &made);
        prop_assert_eq!(made.unused(&set), 0);
        let all: HashSet<usize> = (0..tracks.len()).collect();
        prop_assert_eq!(genres_on(&set, &made.train), all.clone());
        prop_assert_eq!(genres_on(&set, &made.validation), all);
        for (genre, &n) in tracks.iter().enumerate() {
            let held = made.validation.iter().filter(|&&t| set.tracks[t].genre == genre).count();
            prop_assert!((held as f64 - n as f64 * fraction).abs() <= 1.0);
        }
        let again = split(&set, &SplitRule::Stratified { fraction, seed }).unwrap();
        prop_assert_eq!(made, again);
    }

    #[test]
    fn each_track_validates_in_exactly_one_fold(
        k in 2usize..6,
        extra in prop::collection::vec(0usize..12, 2..5),
        seed: u64,
    ) {
        let tracks: Vec<usize> = extra.iter().map(|e| k + e).collect();
        let set = numbers(&tracks, 2);
        let mut validated = vec![0; set.tracks.len()];
        let mut sizes = Vec::new();
        for i in 0..k {
            let made = split(&set, &SplitRule::Folds { k, i, seed }).unwrap();
            assert_disjoint(&set, &made);
            made.validation.iter().for_each(|&t| validated[t] += 1);
            sizes.push(made.validation.len());
            prop_assert_eq!(genres_on(&set, &made.validation).len(), tracks.len());
        }
        prop_assert!(validated.iter().all(|&v| v == 1));
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
    }

    #[test]
    fn a_split_file_is_followed_whatever_the_names_look_like(
        sides in prop::collection::vec((0usize..4, 0usize..5), 12),
    ) {
        let set = numbers(&[6, 6], 2);
        let mut text = String::from("# side track\n\n");
        let mut wanted = [vec![], vec![], vec![]];
        for (track, (side, style)) in sides.iter().enumerate() {
            let name = &set.tracks[track].name;
            let stem = name.split_once('/').unwrap().1;
            let written = match style {
                0 => format!("{name}.wav"),
                1 => format!("{name}.au"),
                2 => name.clone(),
                3 => format!("some/where/{name}.WAV"),
                _ => stem.to_string(),
            };
            if *side < 3 {
                text += &format!("{} {written}\n", ["train", "validation", "test"][*side]);
                wanted[*side].push(track);
            }
        }
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("split.txt");
        fs::write(&file, text).unwrap();
        let rule = SplitRule::File(file);
        match split(&set, &rule) {
            Ok(made) => {
                assert_disjoint(&set, &made);
                prop_assert_eq!([&made.train, &made.validation, &made.test], wanted.each_ref());
                prop_assert_eq!(made.missing, 0);
                prop_assert_eq!(genres_on(&set, &made.train).len(), 2);
                // What `to_text` writes is the same split again.
                let file = dir.path().join("again.txt");
                fs::write(&file, made.to_text(&set)).unwrap();
                prop_assert_eq!(split(&set, &SplitRule::File(file)).unwrap(), made);
            }
            Err(e) => {
                let enough = genres_on(&set, &wanted[0]).len() == 2 && !wanted[1].is_empty();
                prop_assert!(!enough, "{}", e);
            }
        }
    }
}

/// GTZAN's names with nothing behind them.
fn gtzan(ending_of_track: impl Fn(usize) -> &'static str) -> Dataset {
    let genres = gtzan_gpu::synth::GENRES.map(String::from).to_vec();
    let mut tracks = Vec::new();
    for (genre, name) in genres.iter().enumerate() {
        for i in 0..100 {
            let path = PathBuf::from(format!("{name}/{name}.{i:05}.{}", ending_of_track(i)));
            tracks.push(Track {
                name: format!("{name}/{name}.{i:05}"),
                genre,
                path: Some(path),
            });
        }
    }
    let samples = (0..1000)
        .map(|track| Sample { track, segment: 0 })
        .collect();
    Dataset::from_parts(genres, tracks, samples, (1, 1), vec![0.0; 1000]).unwrap()
}

#[test]
fn the_fault_filtered_split_is_443_197_290() {
    let set = gtzan(|i| if i % 2 == 0 { "au" } else { "wav" });
    let made = split(&set, &SplitRule::FaultFiltered).unwrap();
    assert_disjoint(&set, &made);
    assert_eq!(made.train.len(), 443);
    assert_eq!(made.validation.len(), 197);
    assert_eq!(made.test.len(), 290);
    assert_eq!(made.missing, 0);
    assert_eq!(made.unused(&set), 70);
    // The lists begin like this.
    assert_eq!(set.tracks[made.validation[0]].name, "blues/blues.00000");
    assert_eq!(set.tracks[made.train[0]].name, "blues/blues.00029");
}

#[test]
fn a_folder_of_lists_is_the_same_as_the_built_in_ones() {
    let set = gtzan(|_| "au");
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dataset/splits");
    let from_lists = split(&set, &SplitRule::Lists(lists)).unwrap();
    assert_eq!(from_lists, split(&set, &SplitRule::FaultFiltered).unwrap());

    // The three ways to name a written split.
    assert_eq!(
        SplitRule::written("fault-filtered").unwrap(),
        SplitRule::FaultFiltered
    );
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dataset/splits");
    let text = dir.to_str().unwrap();
    assert_eq!(
        SplitRule::written(text).unwrap(),
        SplitRule::Lists(dir.clone())
    );
    let file = dir.join("train_filtered.txt");
    let text = file.to_str().unwrap();
    assert_eq!(
        SplitRule::written(text).unwrap(),
        SplitRule::File(file.clone())
    );
    let error = SplitRule::written("fault-filter").unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error
            .to_string()
            .contains("give stratified, fault-filtered"),
        "{error}"
    );
}

/// The values of `sklearn.utils.class_weight.compute_class_weight("balanced", ...)`, scikit-learn 1.7.
#[test]
fn class_weights_are_scikit_learns() {
    let labels = [0, 0, 0, 0, 0, 1, 1, 2, 2, 2];
    let expected = [0.666_666_7, 1.666_666_6, 1.111_111_2];
    for (w, e) in class_weights_balanced(&labels, 3).iter().zip(expected) {
        assert!((w - e).abs() < 1e-6, "{w} {e}");
    }
    // A class without samples takes no part.
    assert_eq!(class_weights_balanced(&[0, 2, 2], 4), [1.5, 0.0, 0.75, 0.0]);
}

#[test]
fn an_epoch_order_is_a_permutation_of_seed_and_epoch_alone() {
    for n in [0, 1, 2, 7, 800] {
        let mut sorted = epoch_order(3, 5, n, true);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..n as u32).collect::<Vec<_>>());
    }
    assert_eq!(epoch_order(3, 5, 50, true), epoch_order(3, 5, 50, true));
    assert_ne!(epoch_order(3, 5, 50, true), epoch_order(3, 6, 50, true));
    assert_ne!(epoch_order(3, 5, 50, true), epoch_order(4, 5, 50, true));
    assert_eq!(epoch_order(3, 5, 4, false), [0, 1, 2, 3]);
    // A checkpoint of last year must go on with the same batches.
    assert_eq!(epoch_order(42, 0, 10, true), PINNED_ORDER);
}

const PINNED_ORDER: [u32; 10] = [7, 1, 5, 4, 6, 9, 3, 8, 2, 0];

#[test]
fn the_normaliser_standardises_what_it_was_fitted_on() {
    let mut set = numbers(&[40, 40], 3);
    let train: Vec<usize> = (0..120).collect();
    let n = Normaliser::fit(&set, &train).unwrap();
    let mut rows = [vec![], vec![]];
    for &i in &train {
        let mut x = set.sample(i).to_vec();
        n.apply(&mut x, 3).unwrap();
        rows[0].extend(x[..3].iter().map(|&v| f64::from(v)));
        rows[1].extend(x[3..].iter().map(|&v| f64::from(v)));
    }
    for row in rows {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64;
        assert!(
            mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-5,
            "{mean} {variance}"
        );
    }

    // 1e4 + {-1, 0, 1}: a one-pass f32 variance would be lost in rounding. Row 1 is constant.
    let tracks = set.tracks.drain(..2).collect();
    let samples = vec![
        Sample {
            track: 0,
            segment: 0,
        },
        Sample {
            track: 1,
            segment: 0,
        },
    ];
    let x = vec![
        9999.0, 10000.0, 10001.0, 0.1, 0.1, 0.1, 9999.0, 10000.0, 10001.0, 0.1, 0.1, 0.1,
    ];
    let set = Dataset::from_parts(vec!["g".into()], tracks, samples, (2, 3), x).unwrap();
    let n = Normaliser::fit(&set, &[0, 1]).unwrap();
    assert_eq!(n.mean, [10000.0, 0.1]);
    assert!((n.std[0] - (2.0f32 / 3.0).sqrt()).abs() < 1e-6);
    assert_eq!(n.std[1], 1.0);
    assert!(n.apply(&mut [0.0; 5], 3).is_err());
    assert!(Normaliser::fit(&set, &[]).is_err());
}

#[test]
fn nothing_of_the_validation_data_reaches_the_normaliser() {
    let set = numbers(&[10, 10], 3);
    let made = split(
        &set,
        &SplitRule::Stratified {
            fraction: 0.3,
            seed: 1,
        },
    )
    .unwrap();
    let (train, validation) = (
        set.samples_of(&made.train),
        set.samples_of(&made.validation),
    );
    let fitted = Normaliser::fit(&set, &train).unwrap();

    let changed = |samples: &[usize]| {
        let mut x = set.x().to_vec();
        for &i in samples {
            x[i * 6..(i + 1) * 6].fill(1e6);
        }
        let set = Dataset::from_parts(
            set.genres.clone(),
            set.tracks.clone(),
            set.samples.clone(),
            (2, 3),
            x,
        );
        Normaliser::fit(&set.unwrap(), &train).unwrap()
    };
    assert_eq!(changed(&validation), fitted);
    assert_ne!(
        changed(&train[..1]),
        fitted,
        "the test itself must be able to fail"
    );
}

#[test]
fn a_folder_becomes_sorted_genres_tracks_and_samples() {
    let dir = folder();
    // What is not music, or not ours to judge.
    fs::write(dir.path().join("README.md"), "hello").unwrap();
    fs::write(dir.path().join("jazz/.DS_Store"), [0; 9]).unwrap();
    fs::write(dir.path().join("jazz/cover.jpg"), [0; 9]).unwrap();
    let set = open(dir.path(), &Options::default());
    assert_eq!(set.genres, ["jazz", "rock"]);
    let names: Vec<&str> = set.tracks.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "jazz/jazz.00000",
            "jazz/jazz.00001",
            "jazz/jazz.00002",
            "rock/rock.00000",
            "rock/rock.00001",
            "rock/rock.00002"
        ]
    );
    assert_eq!(set.labels(), [0, 0, 0, 1, 1, 1]);
    assert_eq!(
        (set.rows, set.frames, set.x().len()),
        (187, 130, 6 * 187 * 130)
    );
    assert!(set.skipped.is_empty(), "{:?}", set.skipped);
    assert!(!set.synthetic);

    let limited = open(
        dir.path(),
        &Options {
            limit: Some(3),
            ..Options::default()
        },
    );
    assert_eq!(limited.labels(), [0, 0, 1]);
    assert!(limited.sample(2) == set.sample(3));
    let one_thread = open(
        dir.path(),
        &Options {
            threads: Some(1),
            ..Options::default()
        },
    );
    assert!(one_thread.x() == set.x());
}

#[test]
fn all_segments_of_a_track_are_cut_and_stay_together() {
    let dir = TempDir::new().unwrap();
    // 7.6 s: two segments and more than half of a third. 7.2 s: the rest is dropped. 0.4 s: padded.
    // 40 s: no more than the first 30.
    for (i, seconds) in [7.6f64, 7.2, 0.4, 40.0].into_iter().enumerate() {
        let samples: Vec<f32> = (0..(seconds * 22_050.0) as usize)
            .map(|t| ((t % 97) as f32 - 48.0) / 200.0)
            .collect();
        let path = dir.path().join(format!("g{}/t{i}.au", i % 2));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_pcm16(&path, &samples, 22_050).unwrap();
    }
    let options = Options {
        segments: Segments::All,
        ..Options::default()
    };
    let set = open(dir.path(), &options);
    let of = |name: &str| {
        let track = set.tracks.iter().position(|t| t.name == name).unwrap();
        set.samples
            .iter()
            .filter(|s| s.track == track)
            .map(|s| s.segment)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("g0/t0"), [0, 1, 2]);
    assert_eq!(of("g1/t1"), [0, 1]);
    assert_eq!(of("g0/t2"), [0]);
    assert_eq!(of("g1/t3"), (0..10).collect::<Vec<_>>());
    // The first segment of all is the only segment of `First`.
    let first = open(dir.path(), &Options::default());
    assert!(first.sample(0) == set.sample(0));

    let notebook = Options {
        definition: Definition::Notebook,
        ..options
    };
    let error = Dataset::open(dir.path(), &notebook, QUIET).unwrap_err();
    assert!(
        error.to_string().contains("first 3 s of a track only"),
        "{error}"
    );
}

/// The one cache file below `dir`.
fn cache_file(dir: &Path) -> PathBuf {
    let mut files = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let file = files.find(|p| p.extension().is_some_and(|e| e == "safetensors"));
    file.unwrap()
}

/// Makes the files look as if they had been there long before the cache.
fn age(dir: &Path) {
    let old = SystemTime::now() - Duration::from_secs(3600);
    for genre in fs::read_dir(dir).unwrap() {
        for file in fs::read_dir(genre.unwrap().path()).unwrap() {
            let file = fs::File::options()
                .write(true)
                .open(file.unwrap().path())
                .unwrap();
            file.set_modified(old).unwrap();
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
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(SystemTime::now())
        .unwrap();
    assert_eq!(counts(&open(dir.path(), &options)), (6, 0));
    write_clip(&file, 77);
    let changed = open(dir.path(), &options);
    assert_eq!(counts(&changed), (5, 1));
    assert!(changed.x() == open(dir.path(), &Options::default()).x());
    // Changed again at once, within the clock's step of the last writing of the cache.
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    write_clip(&file, 78);
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(time)
        .unwrap();
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

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/dataset")
        .join(name)
}

#[test]
fn files_that_numpy_and_safetensors_wrote_are_read() {
    let expected: Vec<f32> = (0..72).map(|i| (i as f32 - 30.0) / 8.0).collect();
    for name in [
        "good.npz",
        "good_nchw_f64.npz",
        "good_big_endian.npz",
        "x.npy",
        "good.safetensors",
    ] {
        let set = open(&fixture(name), &Options::default());
        assert_eq!((set.len(), set.rows, set.frames), (6, 3, 4), "{name}");
        assert!(set.x() == expected, "{name}");
        assert_eq!(set.labels(), [0, 0, 1, 1, 2, 2], "{name}");
        assert_eq!(set.definition, None, "{name}");
        assert_eq!(set.source, Source::File(fixture(name)));
        let (tracks, genres) = match name {
            "good.npz" => (5, ["a", "b", "c"]),
            "good_nchw_f64.npz" => (4, ["0", "1", "2"]),
            _ => (6, ["0", "1", "2"]),
        };
        assert_eq!(set.tracks.len(), tracks, "{name}");
        assert_eq!(set.genres, genres, "{name}");
    }
    let named = open(&fixture("good.npz"), &Options::default());
    assert_eq!(named.tracks[3].name, "c/fünf");
    assert_eq!(
        named.samples[1],
        Sample {
            track: 0,
            segment: 1
        }
    );
    let limited = open(
        &fixture("good.npz"),
        &Options {
            limit: Some(3),
            ..Options::default()
        },
    );
    assert_eq!(limited.labels(), [0, 0, 1, 2]);
    assert!(limited.sample(2) == named.sample(2));
}

#[test]
fn a_saved_set_comes_back() {
    let dir = folder();
    let out = TempDir::new().unwrap();
    let options = Options {
        segments: Segments::All,
        ..Options::default()
    };
    let set = open(dir.path(), &options);
    for name in ["set.safetensors", "set.npz", "train_x.npy"] {
        let path = out.path().join(name);
        set.save(&path).unwrap();
        let back = open(&path, &Options::default());
        assert!(back.x() == set.x(), "{name}");
        assert_eq!(back.labels(), set.labels(), "{name}");
        assert_eq!(back.samples, set.samples, "{name}");
        if !name.ends_with("npy") {
            assert_eq!(back.genres, set.genres, "{name}");
            let names = |d: &Dataset| d.tracks.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&back), names(&set), "{name}");
        }
    }
    let back = open(&out.path().join("set.safetensors"), &Options::default());
    assert_eq!(back.definition, Some(Definition::Segment));
    // The same set gives the same bytes.
    let again = out.path().join("again.safetensors");
    set.save(&again).unwrap();
    assert_eq!(
        fs::read(again).unwrap(),
        fs::read(out.path().join("set.safetensors")).unwrap()
    );
    assert!(
        set.save(&out.path().join("set.csv"))
            .unwrap_err()
            .to_string()
            .contains(".safetensors, .npz or .npy")
    );
}
