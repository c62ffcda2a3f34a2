//! Feature extraction per 3 s clip and per 30 s track, on one thread: `cargo bench --bench features`.
//!
//! The same work by librosa: `file_to_features_3s` of a librosa script that times `librosa.load` and the four features
//! with one thread (`OMP_NUM_THREADS=1`).

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::path::Path;

use gtzan_gpu::audio::{self, SAMPLE_RATE, au};
use gtzan_gpu::features::{Definition, Extractor, SEGMENT_SAMPLES};

/// 30 s of chords, beats and noise.
fn track() -> Vec<f32> {
    let mut noise = 1u32;
    let sample = |i: u32| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let t = i as f32 / SAMPLE_RATE as f32;
        let chord: f32 = [220.0, 277.2, 329.6, 880.0, 3520.0]
            .iter()
            .map(|f| (t * f * std::f32::consts::TAU).sin())
            .sum();
        let beat = (-(t * 2.1).fract() * 18.0).exp();
        0.1 * chord + (0.3 * beat + 0.01) * (noise as f32 / u32::MAX as f32 - 0.5)
    };
    (0..30 * SAMPLE_RATE).map(sample).collect()
}

fn features(c: &mut Criterion) {
    let track = track();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("track.au");
    au::write_pcm16(&path, &track, SAMPLE_RATE).expect("a written track");
    let segment = Extractor::new(Definition::Segment);
    let notebook = Extractor::new(Definition::Notebook);
    let from_file = |path: &Path, extractor: &Extractor| {
        let samples = audio::load(path, Some(extractor.definition().seconds()))?;
        extractor.extract(&samples)
    };

    c.bench_function("features, 3 s clip", |b| {
        b.iter(|| segment.extract(black_box(&track[..SEGMENT_SAMPLES])))
    });
    c.bench_function("decode + features, first 3 s of a track", |b| {
        b.iter(|| from_file(black_box(&path), &segment))
    });
    c.bench_function("decode + features, 30 s track in ten segments", |b| {
        b.iter(|| {
            let samples = audio::load(black_box(&path), None)?;
            samples
                .chunks(SEGMENT_SAMPLES)
                .map(|s| segment.extract(s))
                .collect::<Result<Vec<_>, _>>()
        })
    });
    c.bench_function("decode + features, 30 s track (notebook)", |b| {
        b.iter(|| from_file(black_box(&path), &notebook))
    });
}

criterion_group!(benches, features);
criterion_main!(benches);
