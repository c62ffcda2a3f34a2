//! Resampling against `librosa.load` (soxr_hq): features of noise that fills the whole band, where a filter's roll-off shows
//! most. `tests/scripts/features_librosa.py` wrote the fixture.

mod audio_support;

use audio_support::Fixture;
use gtzan_gpu::audio;
use gtzan_gpu::features::{Definition, Extractor, FRAMES, ROWS};

/// The script's signal: three seconds of noise with beats and a low saw, in integers.
fn full_band(rate: u32) -> Vec<i16> {
    let mut seed = 1u32;
    (0..3 * i64::from(rate))
        .map(|i| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = i64::from(seed >> 16) - 32_768;
            let rate = i64::from(rate);
            let loudness = 8 - i * 8 / rate % 8;
            let saw = i * 220 * 65_536 / rate % 65_536 - 32_768;
            ((noise * loudness).div_euclid(12) + saw).div_euclid(3) as i16
        })
        .collect()
}

/// Rows of each feature, in dB but for chroma, and how much any may differ, then the same for the first frame of rates from
/// 88.2 kHz on. There the sound begins at full level, and soxr drops what the first of three stages puts before time 0. (At 44,101 Hz
/// its second stage is a little shorter than ours: twice the tolerance there.)
const TOLERANCES: [(&str, std::ops::Range<usize>, f32, f32); 4] = [
    ("log-mel", 0..128, 1e-2, 0.2),
    ("mfcc", 128..168, 1e-2, 0.2),
    ("chroma", 168..180, 1e-4, 1e-3),
    ("contrast", 180..187, 0.1, 2.0),
];

/// Contrast rows end at 200 Hz times a power of two; in those that reach above the file's own Nyquist frequency both sides
/// of the difference are rounding noise, and librosa differs from itself by 4 dB when the level does.
fn has_sound(row: usize, rate: u32) -> bool {
    row < 180 || row == 186 && rate > 22_050 || row < 186 && 200 << (row - 180) < rate / 2
}

#[test]
fn features_of_other_rates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.wav");
    let extractor = Extractor::new(Definition::Segment);
    let columns: Vec<usize> = (0..FRAMES).step_by(13).collect();
    let mut fixture = Fixture::open("rates.npz");
    let mut faults = Vec::new();
    let names = fixture.names();
    for name in &names {
        let rate: u32 = name.parse().unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::create(&path, spec).unwrap();
        for sample in full_band(rate) {
            file.write_sample(sample).unwrap();
        }
        file.finalize().unwrap();
        let samples = audio::load(&path, None).unwrap();
        let got = extractor.extract(&samples).unwrap();
        let want: Vec<f32> = fixture.get(name);
        assert_eq!(want.len(), ROWS * columns.len());
        for (feature, rows, inner, first) in TOLERANCES {
            for (i, column) in columns.iter().enumerate() {
                let tolerance = match (i, rate) {
                    (0, 88_200..) => first,
                    (0, 44_101) => 2.0 * inner,
                    // The rates of most music: what the README says of them, with a little room.
                    (_, 44_100 | 48_000) => inner * 0.4,
                    _ => inner,
                };
                let differences = rows
                    .clone()
                    .filter(|r| has_sound(*r, rate))
                    .map(|r| (got[r * FRAMES + column] - want[r * columns.len() + i]).abs());
                let largest =
                    differences.fold(0.0, |m, d: f32| if d.is_nan() || d > m { d } else { m });
                let line = format!("{name} Hz, frame {column}: {feature} differs by {largest:.1e}");
                println!("{line}");
                if largest.is_nan() || largest > tolerance {
                    faults.push(line);
                }
            }
        }
    }
    assert_eq!(names.len(), 12);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
