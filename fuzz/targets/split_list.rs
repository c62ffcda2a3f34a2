#![no_main]
//! A split in one file, over a set with awkward names; no track may end up on two sides.

use gtzan_gpu::dataset::{Dataset, Sample, SplitRule, Track, split};
use gtzan_gpu_fuzz::check;
use std::sync::LazyLock;

static TRACKS: LazyLock<Dataset> = LazyLock::new(|| {
    let names = ["a/a.00001", "a/a.00002", "a/x y", "b/b.00001", "b/a.00001", "b/é.wav", "b/."];
    let tracks: Vec<Track> = names
        .iter()
        .map(|n| Track { name: n.to_string(), genre: usize::from(n.starts_with('b')), path: None })
        .collect();
    let samples = (0..tracks.len()).map(|track| Sample { track, segment: 0 }).collect();
    let x = vec![0.5; tracks.len()];
    Dataset::from_parts(vec!["a".into(), "b".into()], tracks, samples, (1, 1), x).expect("a set")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let set = &*TRACKS;
    check("split.txt", data, |path| {
        let Ok(split) = split(set, &SplitRule::File(path.to_owned())) else { return };
        let mut all = [split.train, split.validation, split.test].concat();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(count, all.len(), "a track is on two sides");
    });
});
