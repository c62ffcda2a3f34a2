//! Sounds with the features that this program computes of them, for the page's own features to be held against.

use gtzan_gpu::features::{Definition, Extractor, SEGMENT_SAMPLES};
use gtzan_gpu::{audio::SAMPLE_RATE, synth};
use std::path::Path;

/// Writes `index.json` (name and number of samples of each) and `sounds.f32` (little-endian: the samples of
/// the first, its features, those of the second, and so on) to `folder`.
pub fn write(folder: &Path) {
    let (mut index, mut bytes) = (Vec::new(), Vec::new());
    let extractor = Extractor::new(Definition::Segment);
    for (name, samples) in sounds() {
        let features = extractor.extract(&samples).expect("features of any sound");
        index.push(serde_json::json!({ "name": name, "samples": samples.len() }));
        bytes.extend(
            samples
                .iter()
                .chain(&features)
                .flat_map(|v| v.to_le_bytes()),
        );
    }
    let text = serde_json::to_vec(&index).expect("JSON");
    std::fs::write(folder.join("index.json"), text).expect("a writable folder");
    std::fs::write(folder.join("sounds.f32"), bytes).expect("a writable folder");
}

/// Music of every genre, and what is no music.
fn sounds() -> Vec<(String, Vec<f32>)> {
    let wave = |n: usize, f: &dyn Fn(f64) -> f64| -> Vec<f32> {
        let time = |i| i as f64 / f64::from(SAMPLE_RATE);
        (0..n).map(|i| f(time(i)) as f32).collect()
    };
    let n = SEGMENT_SAMPLES;
    let tone = |hz: f64| move |t: f64| (std::f64::consts::TAU * hz * t).sin();
    let mut sounds: Vec<(String, Vec<f32>)> = (0..synth::GENRES.len())
        .map(|g| (synth::track_name(g, 7), synth::compose(11, g, 7, 3.0)))
        .collect();
    let mut click = vec![0.0; n];
    click[n / 3] = 1.0;
    let mut late = vec![0.0; n];
    late[2 * n / 3..].copy_from_slice(&synth::compose(5, 2, 0, 1.0)[..n / 3]);
    let mut noise = 1u32;
    let hiss = (0..n).map(|_| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 8) as f32 / 8_388_608.0 - 1.0
    });
    let square = |t: f64| if tone(100.0)(t) >= 0.0 { 1.0 } else { -1.0 };
    let more = [
        ("silence", vec![0.0; n]),
        ("a click", click),
        ("440 Hz", wave(n, &tone(440.0))),
        ("445.7 Hz, between two tunings", wave(n, &tone(445.7))),
        ("1 sample short of Nyquist", wave(n, &tone(11_024.0))),
        ("a square wave at full scale", wave(n, &square)),
        ("a constant", vec![0.25; n]),
        ("hiss", hiss.collect()),
        ("music after silence", late),
        (
            "as quiet as 16 bits can be",
            wave(n, &|t| (tone(300.0)(t)).round() / 32_768.0),
        ),
        ("far over full scale", wave(n, &|t| 1e4 * tone(330.0)(t))),
        ("1 s of metal", synth::compose(5, 6, 3, 1.0)),
        ("100 samples", synth::compose(5, 6, 3, 1.0)[..100].to_vec()),
        ("one sample", vec![-1.0]),
        ("more than a segment", synth::compose(5, 1, 3, 4.0)),
    ];
    sounds.extend(more.map(|(name, samples)| (name.to_owned(), samples)));
    sounds
}
