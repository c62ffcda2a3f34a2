//! What belongs together stays on one side; what does not is not grouped.

use std::collections::BTreeSet;

use gtzan_gpu::dataset::{Dataset, GroupBy, Groups, Sample, SplitRule, Track, split};
use proptest::prelude::*;

/// A set of these tracks (`genre/stem`), all of different content.
pub fn named(names: &[String]) -> Dataset {
    let mut genres: Vec<String> = names
        .iter()
        .map(|n| n.split_once('/').unwrap().0.to_string())
        .collect();
    genres.sort();
    genres.dedup();
    let tracks: Vec<Track> = names
        .iter()
        .map(|name| Track {
            name: name.clone(),
            genre: genres
                .iter()
                .position(|g| name.starts_with(&format!("{g}/")))
                .unwrap(),
            path: None,
        })
        .collect();
    let samples = (0..tracks.len())
        .map(|track| Sample { track, segment: 0 })
        .collect();
    let x = (0..tracks.len() * 6).map(|i| (i as f32).sqrt()).collect();
    Dataset::from_parts(genres, tracks, samples, (2, 3), x).unwrap()
}

/// The groups of two or more of files of one folder, by name.
fn groups_of(stems: &[&str]) -> BTreeSet<BTreeSet<String>> {
    let names: Vec<String> = stems.iter().map(|s| format!("blues/{s}")).collect();
    let set = named(&names);
    let groups = Groups::of(&set);
    assert!(groups.identical.is_empty() && groups.folders.is_empty());
    let of = |g: &Vec<usize>| g.iter().map(|&t| stems[t].to_string()).collect();
    groups.named.iter().map(of).collect()
}

#[track_caller]
fn grouped(expected: &[&[&str]]) {
    let stems: Vec<&str> = expected.concat();
    let wanted: BTreeSet<BTreeSet<String>> = expected
        .iter()
        .filter(|g| g.len() > 1)
        .map(|g| g.iter().map(|s| s.to_string()).collect())
        .collect();
    assert_eq!(groups_of(&stems), wanted);
}

#[test]
fn pieces_and_copies_are_one_recording() {
    grouped(&[
        &["blues.00000.0", "blues.00000.1", "blues.00000.9"],
        &["blues.00001.3", "blues.00001.7"],
        &["blues.00002"],
    ]);
    // A whole track beside its pieces.
    grouped(&[&["blues.00000", "blues.00000.0"], &["blues.00001"]]);
    grouped(&[
        &["blues_00000_2", "blues_00000_5"],
        &["blues_00001_3", "blues_00001_9"],
    ]);
    grouped(&[
        &["track_01_seg1", "track_01_seg2"],
        &["track_02_seg1", "track_02_seg2"],
    ]);
    grouped(&[
        &["song-part1", "song-part2"],
        &["other-part1", "other-part2"],
    ]);
    grouped(&[&["Long Song (Part 1)", "Long Song (Part 2)"], &["Short"]]);
    grouped(&[&["mySongPart1", "mySongPart2"], &["Other"]]);
    grouped(&[
        &["tune_003of010", "tune_004of010"],
        &["air_003of010", "air 9 of 10"],
    ]);
    grouped(&[&["song", "song (1)"], &["tune"]]);
    grouped(&[&["song (1)", "song (2)"], &["tune"], &["air"]]);
    grouped(&[
        &[
            "song",
            "song copy",
            "song copy 2",
            "song - Copy (2)",
            "Copy of song",
        ],
        &["Carbon Copy"],
    ]);
    // A copy of a piece.
    grouped(&[&["a7_seg1", "a7_seg2", "a7_seg2 (1)"], &["b7_seg1"]]);
    grouped(&[
        &["take7_0", "take7_1", "take7_2"],
        &["take8_0", "take8_1"],
        &["x"],
    ]);
    grouped(&[
        &["band-album-01-title-0-29", "band-album-01-title-30-59"],
        &["band-album-02-air-0-29"],
    ]);
    grouped(&[
        &[
            "Bohemian Rhapsody_0",
            "Bohemian Rhapsody_1",
            "Bohemian Rhapsody_2",
        ],
        &["Stairway to Heaven_0", "Stairway to Heaven_1"],
    ]);
    // All files of the folder, but their recordings are numbered.
    grouped(&[&["blues.00000.0", "blues.00000.1"]]);
    grouped(&[
        &["héllo_teil1", "héllo_teil2"],
        &["日本の歌-part1", "日本の歌-part2"],
    ]);
}

#[test]
fn tracks_of_their_own_are_not_grouped() {
    let numbered = |form: fn(usize) -> String| -> Vec<String> { (0..100).map(form).collect() };
    for names in [
        numbered(|i| format!("blues.{i:05}")),
        numbered(|i| format!("blues_{i}")),
        numbered(|i| format!("blues{i}")),
        numbered(|i| format!("track_{i:02}")),
        numbered(|i| format!("Track {}", i + 1)),
        numbered(|i| format!("Track ({})", i + 1)),
        numbered(|i| format!("audio_clip_{i}")),
        numbered(|i| format!("blues_part_{i}")),
        numbered(|i| format!("{:02} - Song", i + 1)),
        numbered(|i| format!("{}-{:02}", i / 20 + 1, i % 20 + 1)),
        numbered(|i| format!("CD{}_{:02}", i / 20 + 1, i % 20 + 1)),
        numbered(|i| format!("Disc {}-{:02}", i / 20 + 1, i % 20 + 1)),
        numbered(|i| format!("2019-{:02}-{:02}", i / 28 + 1, i % 28 + 1)),
        numbered(|i| format!("live_{}_{}", 1970 + i / 10, i % 10 + 1)),
        numbered(|i| format!("20190{}12_{i:06}", i / 20 + 1)),
        numbered(|i| format!("Op. {}-{}", i / 4 + 1, i % 4 + 1)),
        numbered(|i| format!("BWV_{}_{}", 1000 + i / 4, i % 4 + 1)),
        numbered(|i| format!("{i:06}")),
        numbered(|i| format!("Media-{}", 103_000 + i)),
        numbered(|i| format!("gtzan2_{i:05}")),
        // GTZAN's files sorted by another thing than their genre.
        numbered(|i| format!("{}.{:05}", ["jazz", "rock", "pop"][i % 3], i / 3)),
    ] {
        let stems: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(groups_of(&stems), BTreeSet::new(), "{}", stems[0]);
    }
    assert!(
        groups_of(&[
            "01 - Song",
            "02 - Song",
            "1999",
            "song (1999)",
            "song (2004)",
        ])
        .is_empty()
    );
    assert!(
        groups_of(&[
            "rampart2",
            "rampart3",
            "apt 2",
            "apt 3",
            "Summer of 69",
            "Summer of 70",
        ])
        .is_empty()
    );
    assert!(
        groups_of(&[
            "Song", "song", "Song 2", "Song 3", "1", "2", "_", "(1)", "part1", "part2", "",
        ])
        .is_empty()
    );
    assert!(
        groups_of(&[
            "Symphony No. 5",
            "Symphony No. 9",
            "Symphony No-5",
            "7-11",
            "24-7",
        ])
        .is_empty()
    );
}

#[test]
fn folders_are_groups_when_asked() {
    let names: Vec<String> = [
        "rock/abba/gold/01",
        "rock/abba/gold/02",
        "rock/abba/live/01",
        "rock/zz/01",
        "rock/zz/02",
        "rock/single",
        "jazz/abba/01",
        "jazz/abba/02",
        "jazz/b",
        "jazz/bb/part1",
        "jazz/bb/part2",
    ]
    .map(String::from)
    .to_vec();
    let mut set = named(&names);
    let of = |set: &Dataset| Groups::of(set).of;
    // Pieces that are named after their folder.
    assert_eq!(of(&set), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]);
    set.group_by = GroupBy::Folder;
    assert_eq!(of(&set), [0, 0, 0, 1, 1, 2, 3, 3, 4, 5, 5]);
    let notes = Groups::of(&set).notes(&set, &Default::default());
    assert!(
        notes
            .iter()
            .any(|n| n.contains("9 files of 4 folders, the first rock/abba")),
        "{notes:?}"
    );
    set.group_by = GroupBy::File;
    assert_eq!(of(&set), (0..11).collect::<Vec<_>>());
}

/// Groups of random sizes in genres of random sizes: some by name, some by content, some across genres.
fn tangle() -> impl Strategy<Value = Dataset> {
    let genre = prop::collection::vec(1usize..7, 6..14);
    (
        prop::collection::vec(genre, 2..5),
        prop::collection::vec((0usize..500, 0usize..500), 0..4),
    )
        .prop_map(|(genres, twins)| {
            let mut names = Vec::new();
            for (g, sizes) in genres.iter().enumerate() {
                for (r, &size) in sizes.iter().enumerate() {
                    match size {
                        1 => names.push(format!("g{g}/g{g}.{r:05}")),
                        n => names.extend((0..n).map(|i| format!("g{g}/g{g}.{r:05}.{i}"))),
                    }
                }
            }
            let set = named(&names);
            let n = set.tracks.len();
            let mut x = set.x().to_vec();
            for (a, b) in twins {
                let (a, b) = (a % n, b % n);
                x.copy_within(a * 6..a * 6 + 6, b * 6);
            }
            Dataset::from_parts(
                set.genres.clone(),
                set.tracks.clone(),
                set.samples.clone(),
                (2, 3),
                x,
            )
            .unwrap()
        })
}

/// What the split must keep together, told in another way than by the code that does it.
fn assert_together(set: &Dataset, side_of: &dyn Fn(usize) -> usize) {
    for a in 0..set.tracks.len() {
        for b in 0..a {
            let recording = |t: usize| {
                set.tracks[t]
                    .name
                    .splitn(3, '.')
                    .take(2)
                    .collect::<Vec<_>>()
                    .join(".")
            };
            if recording(a) == recording(b) || set.sample(a) == set.sample(b) {
                assert_eq!(
                    side_of(a),
                    side_of(b),
                    "{} and {}",
                    set.tracks[a].name,
                    set.tracks[b].name
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_drawn_split_tears_no_group(set in tangle(), fraction in 0.1f64..0.5, seed: u64) {
        let made = split(&set, &SplitRule::Stratified { fraction, seed }).unwrap();
        assert_together(&set, &|t| usize::from(made.validation.contains(&t)));
        prop_assert_eq!(made.train.len() + made.validation.len(), set.tracks.len());
        for genre in 0..set.genres.len() {
            let of = |side: &[usize]| side.iter().filter(|&&t| set.tracks[t].genre == genre).count();
            prop_assert!(of(&made.train) > 0 && of(&made.validation) > 0);
            // No group has more than 6 tracks but where twins tie several together.
            let wanted = (of(&made.train) + of(&made.validation)) as f64 * fraction;
            prop_assert!((of(&made.validation) as f64 - wanted).abs() < 13.0);
        }
    }

    #[test]
    fn folds_tear_no_group(set in tangle(), k in 2usize..5, seed: u64) {
        let folds: Vec<_> = (0..k)
            .map(|i| split(&set, &SplitRule::Folds { k, i, seed }).unwrap().validation)
            .collect();
        let side = |t: usize| folds.iter().position(|f| f.contains(&t)).unwrap();
        assert_together(&set, &side);
        prop_assert_eq!(folds.iter().map(Vec::len).sum::<usize>(), set.tracks.len());
    }
}

#[test]
fn twins_are_named_and_those_in_two_genres_are_a_warning() {
    let names: Vec<String> = ["a/1x", "a/2x", "a/3x", "b/4x", "b/5x", "b/6x", "b/7x"]
        .map(String::from)
        .to_vec();
    let set = named(&names);
    let mut x = set.x().to_vec();
    x.copy_within(0..6, 12); // a/1x = a/3x
    x.copy_within(6..12, 24); // a/2x = b/5x
    // What is constant in time says nothing.
    for quiet in [5, 6] {
        x[quiet * 6..quiet * 6 + 6].copy_from_slice(&[-80.0, -80.0, -80.0, 0.0, 0.0, 0.0]);
    }
    let set = Dataset::from_parts(
        set.genres.clone(),
        set.tracks.clone(),
        set.samples.clone(),
        (2, 3),
        x,
    )
    .unwrap();
    let groups = Groups::of(&set);
    assert_eq!(groups.identical, [[0, 2], [1, 4]]);
    assert_eq!(groups.of, [0, 1, 0, 2, 1, 3, 4]);
    let notes = groups.notes(&set, &Default::default());
    assert!(
        notes
            .iter()
            .any(|n| n.starts_with("identical") && n.contains("a/1x = a/3x")),
        "{notes:?}"
    );
    assert!(
        notes
            .iter()
            .any(|n| n.starts_with("warning: ") && n.contains("a/2x = b/5x")),
        "{notes:?}"
    );

    // A written split that puts them on two sides: the copy is left out, and said to be.
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("split.txt");
    std::fs::write(
        &file,
        "train 1x\ntrain 2x\ntrain 4x\nvalidation 3x\nvalidation 6x\ntest 5x\ntest 7x\n",
    )
    .unwrap();
    let made = split(&set, &SplitRule::File(file)).unwrap();
    assert_eq!(
        (
            made.validation.as_slice(),
            made.test.as_slice(),
            made.apart.as_slice()
        ),
        (&[5][..], &[6][..], &[2, 4][..])
    );
    let notes = groups.notes(&set, &made);
    assert!(
        notes
            .iter()
            .any(|n| n.contains("left out of validation and test (a/3x, b/5x)")),
        "{notes:?}"
    );
}
