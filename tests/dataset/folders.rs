//! What is read from a folder, and its normalisation, which never sees validation data.

use std::fs;

use gtzan_gpu::audio::au::write_pcm16;
use gtzan_gpu::dataset::{Dataset, Normaliser, Options, Sample, Segments, SplitRule, split};
use gtzan_gpu::features::Definition;
use tempfile::TempDir;

use crate::{QUIET, folder, numbers, open};

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
