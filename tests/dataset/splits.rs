//! Splits never share a track, class weights are scikit-learn's, an epoch's order is pinned.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use gtzan_gpu::dataset::{
    Dataset, GroupBy, Sample, Split, SplitRule, Track, class_weights_balanced, epoch_order, split,
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::groups::named;
use crate::numbers;

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
fn a_genre_of_one_recording_says_so() {
    let names: Vec<String> = ["a/a.001.0", "a/a.001.1", "a/a.001.2", "b/b.001", "b/b.002"]
        .map(String::from)
        .to_vec();
    let error = split(
        &named(&names),
        &SplitRule::Stratified {
            fraction: 0.2,
            seed: 1,
        },
    )
    .unwrap_err()
    .to_string();
    for part in [
        "genre a has 3 usable tracks",
        "1 recording",
        "a/a.001.0",
        "--group-by file",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let mut set = named(&names);
    set.group_by = GroupBy::File;
    assert!(
        split(
            &set,
            &SplitRule::Stratified {
                fraction: 0.2,
                seed: 1
            }
        )
        .is_ok()
    );
}
