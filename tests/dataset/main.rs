//! Data sets: splits never share a track, normalisation never sees validation data, the cache
//! never gives stale features, and files of arrays go both ways.

mod arrays;
#[path = "../audio_support/mod.rs"]
mod audio_support;
mod cache;
mod folders;
mod groups;
mod layouts;
mod splits;

use std::fs;
use std::path::Path;

use gtzan_gpu::audio::au::write_pcm16;
use gtzan_gpu::dataset::{Dataset, Options, Sample, Track};
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
        // No two samples alike: what is alike belongs together.
        .map(|i| ((i * 37) % 101) as f32 - 20.0 + (i / 6) as f32 / 1024.0)
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
