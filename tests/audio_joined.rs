//! Recordings joined end to end: all of them are heard, or the caller is told what was left out.

mod audio_support;

use std::path::{Path, PathBuf};

use audio_support::Fixture;
use gtzan_gpu::audio;

fn write(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn load(path: &Path) -> Vec<f32> {
    audio::load(path, None).unwrap()
}

/// A chain of Ogg streams, and MP3 streams joined end to end, are as long as their parts.
#[test]
fn joined_streams_are_read_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::open("decode.npz");
    for name in ["ogg_vorbis_file.ogg", "mp3_mpeg_layer_iii_file.mp3"] {
        let bytes: Vec<u8> = fixture.get(&format!("file_{name}"));
        let one = load(&write(&folder, name, &bytes));
        let three = load(&write(&folder, "x", &bytes.repeat(3)));
        let difference = three.len().abs_diff(3 * one.len());
        // MP3 keeps the padding of every part; the links of Ogg are exact.
        let allowed = if name.ends_with("ogg") { 0 } else { 3 * 2304 };
        assert!(
            difference <= allowed,
            "{name}: {} of 3 x {}",
            three.len(),
            one.len()
        );
        assert!(three[..one.len() / 2] == one[..one.len() / 2]);
        if name.ends_with("ogg") {
            assert!(three == one.repeat(3), "{name}");
            let most = audio::load(&write(&folder, "x", &bytes.repeat(3)), Some(0.05)).unwrap();
            assert!(most == one[..1102]);
        }
    }
}

/// Recordings of every other format joined with `cat`, also of different rates, are all heard.
#[test]
fn joined_files_are_read_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::open("decode.npz");
    let at_other_rate = |channels: u16| {
        let path = folder.path().join("other.wav");
        let spec = hound::WavSpec {
            channels,
            sample_rate: 44_100,
            bits_per_sample: 24,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::create(&path, spec).unwrap();
        for i in 0..4001 * i32::from(channels) {
            file.write_sample(i * 100 % 1_000_000).unwrap();
        }
        file.finalize().unwrap();
        std::fs::read(path).unwrap()
    };
    for name in [
        "wav_pcm_16_file.wav",
        "flac_pcm_16_file.flac",
        "au_pcm_16_big.au",
    ] {
        let bytes: Vec<u8> = fixture.get(&format!("file_{name}"));
        let one = load(&write(&folder, name, &bytes));
        let three = audio::read(&write(&folder, "x", &bytes.repeat(3)), None).unwrap();
        assert!(
            three.samples == one.repeat(3),
            "{name}: {}",
            three.samples.len()
        );
        assert_eq!(three.left_out, None, "{name}");
        let some = audio::load(&write(&folder, "x", &bytes.repeat(3)), Some(0.1)).unwrap();
        assert!(some == one.repeat(3)[..2205], "{name}");
        if name.ends_with("wav") {
            for channels in [1, 3] {
                let other = at_other_rate(channels);
                let joined = [&bytes[..], &other, &other, &bytes].concat();
                let both = load(&write(&folder, "x", &joined));
                // 2 x 4001 samples at 44,100 Hz are resampled as one.
                assert_eq!(both.len(), 2 * one.len() + 4001);
                assert!(both.starts_with(&one) && both.ends_with(&one));
            }
        }
    }
}

/// A damaged page or link of a chained Ogg file costs what is in it, and the caller is told.
#[test]
fn a_damaged_link_is_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::open("decode.npz");
    let bytes: Vec<u8> = fixture.get("file_ogg_vorbis_file.ogg");
    let one = load(&write(&folder, "one.ogg", &bytes));
    let pages: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter_map(|(i, w)| (w == b"OggS").then_some(i))
        .collect();
    assert!(pages.len() >= 3, "{pages:?}");
    // The second link's identification header becomes unreadable.
    let mut chain = bytes.repeat(3);
    for byte in &mut chain[bytes.len() + 28..bytes.len() + 58] {
        *byte ^= 0x55;
    }
    let damaged = audio::read(&write(&folder, "x.ogg", &chain), None).unwrap();
    assert!(
        damaged.samples == one.repeat(2),
        "{}",
        damaged.samples.len()
    );
    let said = damaged.left_out.unwrap();
    let bytes_said = format!("bytes {} to {}", bytes.len(), 2 * bytes.len());
    assert!(said.contains(&bytes_said), "{said}");
    // The magic of the last page of the first link, and a length in it: the next links are found all the same.
    for (place, byte) in [(0, b'X'), (26, 255), (27, 255)] {
        let mut chain = bytes.repeat(3);
        chain[pages[pages.len() - 1] + place] = byte;
        let damaged = audio::load(&write(&folder, "x.ogg", &chain), None).unwrap();
        let (least, most) = (2 * one.len(), 3 * one.len());
        assert!((least..=most).contains(&damaged.len()), "{}", damaged.len());
        assert!(damaged.ends_with(&one.repeat(2)));
    }
    // When nothing can be decoded there is an error, not silence.
    let mut nothing = bytes.clone();
    nothing[28..58].fill(0);
    let error = audio::load(&write(&folder, "x.ogg", &nothing), None).unwrap_err();
    assert!(error.to_string().contains("x.ogg"), "{error}");
}

/// One second of 440 Hz at 22,050 Hz, mono, then one of 1 kHz at 44,100 Hz, stereo (`ffmpeg -f lavfi -i sine=...`, joined with `cat`):
/// both are heard, each at its pitch.
#[test]
fn an_mp3_that_changes_rate_and_channels_is_read_to_the_end() {
    let file = "tests/fixtures/audio/mono_22050_then_stereo_44100.mp3";
    let x = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    let seconds = x.len() as f64 / 22_050.0;
    assert!((1.9..2.3).contains(&seconds), "{seconds} s");
    // Half a second from the middle of each: a tone crosses zero upwards once a period.
    for (from, frequency) in [(0.3, 440.0), (1.4, 1000.0)] {
        let start = (from * 22_050.0) as usize;
        let part = &x[start..start + 11_025];
        let crossings = part
            .windows(2)
            .filter(|w| w[0] < 0.0 && w[1] >= 0.0)
            .count();
        let heard = crossings as f64 * 2.0;
        assert!(
            (heard - frequency).abs() <= 4.0,
            "{heard} Hz, not {frequency}"
        );
    }
}
