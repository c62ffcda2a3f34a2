//! The synthetic set: deterministic, the same in memory as on disk, and neither trivial nor hopeless.

mod lda;

use std::fs;
use std::sync::OnceLock;

use gtzan_gpu::audio;
use gtzan_gpu::dataset::{Dataset, Options, Source};
use gtzan_gpu::synth::{GENRES, compose, is_synthetic, track_name, write_folder};
use tempfile::TempDir;

const QUIET: &(dyn Fn(usize, usize) + Sync) = &|_, _| {};

#[test]
fn music_depends_on_seed_genre_and_index_alone() {
    for (genre, name) in GENRES.iter().enumerate() {
        let music = compose(7, genre, 3, 1.5);
        assert!(music == compose(7, genre, 3, 1.5));
        assert!(music != compose(8, genre, 3, 1.5));
        assert!(music != compose(7, genre, 4, 1.5));
        assert!(music != compose(7, (genre + 1) % 10, 3, 1.5));
        assert_eq!(music.len(), 33_075);
        let long = compose(7, genre, 3, 4.0);
        assert!(
            music == long[..music.len()],
            "{name}: the start depends on the length"
        );
    }
}

#[test]
fn music_is_loud_enough_and_never_clips() {
    for genre in 0..GENRES.len() {
        for index in 0..5 {
            let music = compose(1, genre, index, 3.0);
            let peak = music.iter().fold(0f32, |m, v| m.max(v.abs()));
            let rms = (music.iter().map(|v| v * v).sum::<f32>() / music.len() as f32).sqrt();
            let what = track_name(genre, index);
            assert!(peak < 1.0 && peak > 0.05, "{what}: peak {peak}");
            assert!(rms > 0.01, "{what}: rms {rms}");
            assert!(
                music.iter().all(|v| (v * 32768.0).fract() == 0.0),
                "{what}: not 16 bits"
            );
        }
    }
}

#[test]
fn a_written_folder_holds_the_music_of_memory_and_says_it_is_synthetic() {
    let dir = TempDir::new().unwrap();
    write_folder(dir.path(), 7, 2, 3.5, QUIET).unwrap();
    assert!(is_synthetic(dir.path()));
    let path = dir.path().join("metal/metal.00001.au");
    assert!(audio::load(&path, None).unwrap() == compose(7, 6, 1, 3.5));

    let written = Dataset::open(dir.path(), &Options::default(), QUIET).unwrap();
    let composed = Dataset::synthetic(7, 2, &Options::default(), QUIET).unwrap();
    assert!(written.x() == composed.x());
    assert_eq!(written.genres, composed.genres);
    let names = |d: &Dataset| d.tracks.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&written), names(&composed));
    assert_eq!(composed.source, Source::Synthetic { seed: 7 });

    // The word stays with it, in a folder, in memory and in a file of features.
    let saved = ["features.safetensors", "features.npz"].map(|name| {
        let file = dir.path().join(name);
        written.save(&file).unwrap();
        Dataset::open(&file, &Options::default(), QUIET).unwrap()
    });
    for set in [&written, &composed].into_iter().chain(&saved) {
        assert!(set.synthetic);
        assert!(set.describe().contains("synthetic"), "{}", set.describe());
    }
    let bytes = fs::read(&path).unwrap();
    let header = String::from_utf8_lossy(&bytes[24..72]);
    assert!(
        header.starts_with("synthetic metal, composed by gtzan-gpu, seed 7"),
        "{header}"
    );
    let about = fs::read_to_string(dir.path().join("synthetic.json")).unwrap();
    assert!(about.contains("not real recordings"), "{about}");

    let error = write_folder(dir.path(), 7, 0, 3.0, QUIET).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(write_folder(dir.path(), 7, 1, f64::NAN, QUIET).is_err());
}

/// 30 tracks of each genre, made once.
fn tracks() -> &'static Dataset {
    static SET: OnceLock<Dataset> = OnceLock::new();
    SET.get_or_init(|| Dataset::synthetic(7, 30, &Options::default(), QUIET).unwrap())
}

/// Five-fold accuracy of the best of several shrunken discriminant analyses of `describe(sample)`.
fn accuracy(describe: impl Fn(&[f32]) -> Vec<f64>) -> f64 {
    let set = tracks();
    let x: Vec<Vec<f64>> = (0..set.len()).map(|i| describe(set.sample(i))).collect();
    let y: Vec<usize> = (0..set.len()).map(|i| set.label(i)).collect();
    [0.03, 0.1, 0.3]
        .map(|shrinkage| lda::cross_validated(&x, &y, 10, 5, shrinkage))
        .into_iter()
        .fold(0.0, f64::max)
}

fn mel_row_means(sample: &[f32]) -> Vec<f64> {
    let mean = |row: &[f32]| row.iter().map(|&v| f64::from(v)).sum::<f64>() / 130.0;
    sample.chunks_exact(130).take(128).map(mean).collect()
}

#[test]
fn the_mean_spectrum_does_not_give_the_genre_away() {
    let accuracy = accuracy(mel_row_means);
    println!("mean spectrum: {:.1} %", 100.0 * accuracy);
    assert!(accuracy < 0.8, "{accuracy}");
    assert!(
        accuracy > 0.2,
        "a classifier that knows nothing proves nothing: {accuracy}"
    );
}

#[test]
fn how_the_sound_moves_does() {
    let accuracy = accuracy(|sample| {
        let mut all = Vec::new();
        for row in sample.chunks_exact(130) {
            let row: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
            let mean = row.iter().sum::<f64>() / 130.0;
            let spread = (row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 130.0).sqrt();
            let change = row.windows(2).map(|w| (w[1] - w[0]).abs()).sum::<f64>() / 129.0;
            all.extend([mean, spread, change]);
        }
        all
    });
    println!(
        "means, spreads and changes of all rows: {:.1} %",
        100.0 * accuracy
    );
    assert!(accuracy > 0.85, "{accuracy}");
}
