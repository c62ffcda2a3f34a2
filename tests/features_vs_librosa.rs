//! The feature stack against librosa 0.11, on synthetic clips and (where a copy of GTZAN is at hand) on real tracks.

mod audio_support;

use std::io::Write;
use std::path::Path;

use audio_support::{Fixture, max_difference};
use gtzan_gpu::audio;
use gtzan_gpu::features::{Definition, Extractor, FRAMES, ROWS, SEGMENT_SAMPLES};

/// Rows of each feature and the largest difference from librosa that is allowed. librosa computes in f32; its own
/// rounding noise is 1e-5 dB in mel and contrast, 5e-5 in MFCC and 1e-6 in chroma.
const TOLERANCES: [(&str, std::ops::Range<usize>, f32); 4] = [
    ("log-mel", 0..128, 2e-4),
    ("mfcc", 128..168, 2e-4),
    ("chroma", 168..180, 2e-4),
    ("contrast", 180..187, 2e-4),
];

/// Compares `columns` of `features` with `want` (ROWS, columns.len()).
fn compare(what: &str, features: &[f32], want: &[f32], columns: &[usize]) {
    assert_eq!(features.len(), ROWS * FRAMES);
    assert_eq!(want.len(), ROWS * columns.len());
    for (name, rows, tolerance) in TOLERANCES {
        let got: Vec<f32> = rows
            .clone()
            .flat_map(|r| columns.iter().map(move |c| features[r * FRAMES + c]))
            .collect();
        let want = &want[rows.start * columns.len()..rows.end * columns.len()];
        let difference = max_difference(&got, want);
        println!("{what}: {name} differs by at most {difference:.1e}");
        assert!(
            difference <= tolerance,
            "{what}: {name} differs by {difference:e}, more than {tolerance:e}"
        );
    }
}

fn pcm(fixture: &mut Fixture, clip: &str) -> Vec<f32> {
    let pcm: Vec<i16> = fixture.get(&format!("pcm_{clip}"));
    pcm.iter().map(|&s| f32::from(s) / 32_768.0).collect()
}

/// A full segment, a shorter one, 0.2 s, 100 samples, digital silence, silence that becomes loud, a square wave.
#[test]
fn synthetic_clips() {
    let mut fixture = Fixture::open("clips.npz");
    let columns: Vec<usize> = (0..FRAMES).step_by(3).collect();
    let mut compared = 0;
    for definition in [Definition::Segment, Definition::Notebook] {
        let extractor = Extractor::new(definition);
        for name in fixture.names() {
            let Some(clip) = name.strip_prefix("pcm_") else {
                continue;
            };
            let features = extractor.extract(&pcm(&mut fixture, clip)).unwrap();
            let want: Vec<f32> = fixture.get(&format!("{definition}_{clip}"));
            compare(&format!("{definition} {clip}"), &features, &want, &columns);
            compared += 1;
        }
    }
    assert_eq!(compared, 14);
}

/// Ten real tracks, read from their .au files: needs GTZAN's `genres` folder in GTZAN_DIR. The fixture holds numbers of
/// eleven frames per track only.
#[test]
fn real_tracks() {
    let Some(folder) = std::env::var_os("GTZAN_DIR") else {
        // Straight to stderr, for the harness hides what a passing test prints.
        let note = "\n!!! real_tracks did NOT run: set GTZAN_DIR to GTZAN's genres folder to compare with librosa\n\n";
        std::io::stderr().write_all(note.as_bytes()).unwrap();
        return;
    };
    let mut fixture = Fixture::open("gtzan.npz");
    let columns: Vec<usize> = fixture
        .get::<i32>("columns")
        .iter()
        .map(|&c| c as usize)
        .collect();
    let extractors = [Definition::Segment, Definition::Notebook].map(Extractor::new);
    let mut compared = 0;
    for name in fixture.names() {
        let Some(genre) = name.strip_prefix("segment_") else {
            continue;
        };
        let path = Path::new(&folder)
            .join(genre)
            .join(format!("{genre}.00000.au"));
        for extractor in &extractors {
            let definition = extractor.definition();
            let samples = audio::load(&path, Some(definition.seconds())).unwrap();
            let want: Vec<f32> = fixture.get(&format!("{definition}_{genre}"));
            compare(
                &format!("{definition} {genre}"),
                &extractor.extract(&samples).unwrap(),
                &want,
                &columns,
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 20);
}

#[test]
fn a_segment_is_cut_and_padded() {
    let mut fixture = Fixture::open("clips.npz");
    let track = pcm(&mut fixture, "track");
    let extractor = Extractor::new(Definition::Segment);
    let cut = extractor.extract(&track).unwrap();
    assert_eq!(cut, extractor.extract(&track[..SEGMENT_SAMPLES]).unwrap());
    let mut padded = pcm(&mut fixture, "short");
    let short = extractor.extract(&padded).unwrap();
    padded.resize(SEGMENT_SAMPLES, 0.0);
    assert_eq!(short, extractor.extract(&padded).unwrap());
}

#[test]
fn a_track_beyond_30_s_does_not_count() {
    let extractor = Extractor::new(Definition::Notebook);
    let mut track: Vec<f32> = (0..31 * 22_050)
        .map(|i| (i as f32 * 0.05).sin() * 0.1)
        .collect();
    let features = extractor.extract(&track).unwrap();
    track[30 * 22_050..].fill(1.0);
    assert_eq!(features, extractor.extract(&track).unwrap());
    track[30 * 22_050 - 1000] = 1.0;
    assert_ne!(features, extractor.extract(&track).unwrap());
}

#[test]
fn samples_without_meaning_are_errors() {
    for definition in [Definition::Segment, Definition::Notebook] {
        let extractor = Extractor::new(definition);
        let message = |samples: &[f32]| extractor.extract(samples).unwrap_err().to_string();
        let mut samples = vec![0.1f32; 5000];
        samples[4410] = f32::NAN;
        assert_eq!(
            message(&samples),
            "sample 4410 (at 0.200 s) is NaN, and features need finite numbers; decode the audio again"
        );
        samples[22] = f32::NEG_INFINITY;
        assert!(message(&samples).starts_with("sample 22 (at 0.001 s) is -inf"));
        assert_eq!(
            message(&[]),
            "no samples to compute features of: the audio is empty"
        );
        assert_eq!(
            message(&[1e30; 4096]),
            "the features overflow: samples reach 1e30 where full scale is 1; scale the audio to [-1, 1]"
        );
        // Loud, yet within f32: fine.
        assert!(extractor.extract(&[1e10; 4096]).is_ok());
    }
}

#[test]
fn definitions_have_names() {
    for definition in [Definition::Segment, Definition::Notebook] {
        assert_eq!(
            definition.to_string().parse::<Definition>().unwrap(),
            definition
        );
        let json = serde_json::to_string(&definition).unwrap();
        assert_eq!(json, format!("\"{definition}\""));
        assert_eq!(
            serde_json::from_str::<Definition>(&json).unwrap(),
            definition
        );
    }
    let error = "whole".parse::<Definition>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no feature definition \"whole\"; choose \"segment\" or \"notebook\""
    );
}

/// One extractor serves many threads and gives every one the same bits.
#[test]
fn threads_share_an_extractor() {
    let extractor = Extractor::new(Definition::Segment);
    let mut fixture = Fixture::open("clips.npz");
    let samples = pcm(&mut fixture, "tone");
    let want = extractor.extract(&samples).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| extractor.extract(&samples).unwrap()))
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), want);
        }
    });
}
