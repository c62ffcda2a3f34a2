//! Damaged, hostile and degenerate audio files: each gives an error of one sentence that names the file, or what can be
//! saved of it; none a panic or a large allocation.

mod audio_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::{Path, PathBuf};

use audio_support::Fixture;
use gtzan_gpu::audio;
use gtzan_gpu::features::{Definition, Extractor, FRAMES, ROWS};
use proptest::prelude::*;

/// Remembers the largest allocation of each thread.
struct Watched;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // Gone while a thread ends; nothing is watched then.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: passes every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static WATCHED: Watched = Watched;

/// Filters, FFT blocks and decoder tables, however small the file. The rest grows with the file.
const OVERHEAD: usize = 32 << 20;

fn write(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Loads 3 s; checks the size of allocations and the form of an error.
fn load(path: &Path) -> Result<Vec<f32>, String> {
    LARGEST.set(0);
    let result = audio::load(path, Some(3.0));
    let largest = LARGEST.get();
    let size = std::fs::metadata(path).map_or(0, |m| m.len()) as usize;
    assert!(
        largest <= OVERHEAD + 64 * size,
        "{}: allocates {largest} bytes for {size}",
        path.display()
    );
    match result {
        Ok(samples) => {
            assert!(!samples.is_empty() && samples.iter().all(|s| s.is_finite()));
            Ok(samples)
        }
        Err(error) => {
            let text = error.to_string();
            let message = text.strip_prefix(&format!("{}: ", path.display()));
            let message = message.unwrap_or_else(|| panic!("does not name the file: {text}"));
            assert!(!message.contains('\n') && message.len() < 250, "{text}");
            Err(message.to_owned())
        }
    }
}

fn au_file(size: u32, encoding: u32, rate: u32, channels: u32, samples: &[u8]) -> Vec<u8> {
    let mut bytes = b".snd".to_vec();
    for word in [24, size, encoding, rate, channels] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(samples);
    bytes
}

fn wav_file(size: u32, rate: u32, channels: u16, samples: &[u8]) -> Vec<u8> {
    let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0".to_vec();
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate.wrapping_mul(2 * u32::from(channels))).to_le_bytes());
    bytes.extend((2 * channels).to_le_bytes());
    bytes.extend([16, 0]);
    bytes.extend(b"data");
    bytes.extend(size.to_le_bytes());
    bytes.extend(samples);
    bytes
}

/// One intact file of every format.
fn intact() -> Vec<(String, Vec<u8>)> {
    let mut fixture = Fixture::open("decode.npz");
    let names = [
        "au_pcm_16_big.au",
        "au_alaw_big.au",
        "wav_pcm_16_file.wav",
        "wavex_pcm_24_file.wav",
        "wav_double_file.wav",
        "flac_pcm_16_file.flac",
        "ogg_vorbis_file.ogg",
        "mp3_mpeg_layer_iii_file.mp3",
    ];
    names
        .iter()
        .map(|n| (n.to_string(), fixture.get(&format!("file_{n}"))))
        .collect()
}

/// What this system says of a file that is not there, up to its number.
fn not_found() -> String {
    let error = std::fs::File::open("no such file").unwrap_err().to_string();
    error
        .split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn empty_files_folders_and_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for extension in ["au", "wav", "mp3", "flac", "ogg", "txt"] {
        let path = write(&folder, &format!("empty.{extension}"), b"");
        assert_eq!(
            load(&path).unwrap_err(),
            "the file is empty (0 bytes); replace or remove it"
        );
        let path = folder.path().join(format!("folder.{extension}"));
        std::fs::create_dir(&path).unwrap();
        assert_eq!(
            load(&path).unwrap_err(),
            "it is a folder, not an audio file"
        );
    }
    assert!(
        load(&folder.path().join("none.au"))
            .unwrap_err()
            .starts_with(&format!("can't read it ({}", not_found()))
    );
    let path = write(&folder, "x.au", &au_file(u32::MAX, 3, 22_050, 1, &[0; 8]));
    for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = audio::load(&path, Some(seconds)).unwrap_err();
        assert!(error.to_string().contains("ask for more than 0"), "{error}");
    }
}

#[test]
fn headers_that_make_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let mut n = 0;
    let mut message = |extension: &str, bytes: &[u8]| {
        n += 1;
        load(&write(&folder, &format!("{n}.{extension}"), bytes)).unwrap_err()
    };
    let samples = [1u8; 4000];
    for rate in [0, 1, 999, 384_001, 10_000_000, u32::MAX] {
        let want = format!(
            "a sample rate of {rate} Hz is outside 1000 to 384000 Hz, so the header is damaged; encode the file again"
        );
        assert_eq!(
            message("au", &au_file(u32::MAX, 3, rate, 1, &samples)),
            want
        );
        assert_eq!(message("wav", &wav_file(4000, rate, 1, &samples)), want);
    }
    for channels in [0, 65, u32::MAX] {
        let want = format!(
            "{channels} channels (1 to 64 can be read), so the header is damaged; encode the file again"
        );
        assert_eq!(
            message("au", &au_file(u32::MAX, 3, 22_050, channels, &samples)),
            want
        );
    }
    assert_eq!(
        message("au", &au_file(u32::MAX, 23, 22_050, 1, &samples)),
        "AU encoding 23 can't be read (PCM, float, mu-law and A-law can); convert it to 16-bit PCM"
    );
    assert_eq!(
        message("au", b".snd\0\0\0\x18"),
        "an AU header has 24 bytes, the file only 8; it was cut off: copy it again"
    );
    let mut far = au_file(u32::MAX, 3, 22_050, 1, &samples);
    far[4..8].copy_from_slice(&5000u32.to_be_bytes());
    assert_eq!(
        message("au", &far),
        "the AU header puts the samples at byte 5000 of 4024, so it is damaged or cut off; copy it again"
    );
    assert_eq!(
        message("au", &au_file(u32::MAX, 3, 22_050, 1, &[])),
        "no audio in the file: it ends after its header; replace or remove it"
    );
    assert_eq!(
        message("wav", b"RIFF\x10\0\0\0WAVEfmt "),
        "the WAVE file ends before its samples begin; it was cut off: copy it again"
    );
    let mut adpcm = wav_file(4000, 22_050, 1, &samples);
    adpcm[20] = 2;
    assert_eq!(
        message("wav", &adpcm),
        "WAVE format 0x0002 with 16 bits can't be read (PCM, float, mu-law and A-law can); convert it to 16-bit PCM"
    );
    assert_eq!(
        message("txt", b"hello, world"),
        "no known audio format (it begins with [68, 65, 6c, 6c]); AU, WAV, MP3, FLAC and Ogg Vorbis can be read"
    );
    assert!(
        message("wav", b"hello, world, hello").starts_with("not a WAVE file (it begins with [68, ")
    );
    assert!(
        message("au", b"hello, world, hello, world")
            .starts_with("not an AU file (it begins with [68, ")
    );
}

/// What is there is read; what a header claims beyond it allocates nothing.
#[test]
fn headers_that_claim_4_gb() {
    let folder = tempfile::tempdir().unwrap();
    let samples = [1u8; 4000];
    for size in [4_000_000_000, u32::MAX, u32::MAX - 1] {
        let au = write(&folder, "big.au", &au_file(size, 3, 22_050, 1, &samples));
        assert_eq!(load(&au).unwrap().len(), 2000);
        let wav = write(&folder, "big.wav", &wav_file(size, 22_050, 1, &samples));
        assert_eq!(load(&wav).unwrap().len(), 2000);
    }
}

#[test]
fn samples_that_are_no_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for (bad, name) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        let mut samples = vec![0.5f32; 30_000];
        samples[22_050] = bad;
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_be_bytes()).collect();
        let path = write(&folder, "bad.au", &au_file(u32::MAX, 6, 44_100, 1, &bytes));
        let want = format!(
            "sample 22050 (at 0.500 s) is {name}, not a finite number; encode the file again"
        );
        assert_eq!(load(&path).unwrap_err(), want);
    }
}

/// A 0.2 s clip and a silent one are no errors: they have features.
#[test]
fn short_and_silent_clips() {
    let folder = tempfile::tempdir().unwrap();
    let pcm: Vec<u8> = (0..4410)
        .flat_map(|i| (((f64::from(i) * 0.1).sin() * 9000.0) as i16).to_be_bytes())
        .collect();
    let clips = [
        au_file(u32::MAX, 3, 22_050, 1, &pcm),
        au_file(u32::MAX, 3, 22_050, 1, &[0; 132_300]),
    ];
    for definition in [Definition::Segment, Definition::Notebook] {
        for clip in &clips {
            let samples = load(&write(&folder, "x.au", clip)).unwrap();
            let features = Extractor::new(definition).extract(&samples).unwrap();
            assert_eq!(features.len(), ROWS * FRAMES);
        }
    }
}

/// Cut off anywhere, an intact file is an error or its beginning; of uncompressed ones, exactly the beginning.
#[test]
fn cut_off_files() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in intact() {
        let all = load(&write(&folder, &name, &bytes)).unwrap();
        let cuts =
            (0..200.min(bytes.len())).chain((200..bytes.len()).step_by(bytes.len() / 60 + 1));
        for cut in cuts.skip(1) {
            if let Ok(samples) = load(&write(&folder, &name, &bytes[..cut])) {
                assert!(
                    samples.len() <= all.len() + 1152,
                    "{name} cut to {cut} bytes has {} samples",
                    samples.len()
                );
                if name.ends_with("au") || name.ends_with("wav") {
                    assert!(samples == all[..samples.len()], "{name} cut to {cut} bytes");
                }
            }
        }
        // The FLAC clip is one block and the Ogg clip one page, of which nothing can be saved.
        if !name.ends_with("flac") && !name.ends_with("ogg") {
            let half = load(&write(&folder, &name, &bytes[..bytes.len() / 2 + 60]));
            assert!(
                half.is_ok_and(|s| s.len() >= all.len() / 4),
                "{name}: nothing saved of the first half"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Random bytes under every magic number and extension.
    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 1..3000), magic in 0usize..8, extension in 0usize..6) {
        let magics: [&[u8]; 8] =
            [b"", b".snd\0\0\0\x18", b"dns.", b"RIFF\0\0\x01\0WAVEfmt \x10\0\0\0", b"fLaC\0\0\0\x22", b"OggS\0\x02", b"ID3\x03\0", b"\xff\xfb\x90"];
        let name = format!("x.{}", ["au", "wav", "mp3", "flac", "ogg", "bin"][extension]);
        let folder = tempfile::tempdir().unwrap();
        let _ = load(&write(&folder, &name, &[magics[magic], &bytes].concat()));
    }

    /// Intact files with a few bytes changed, most of them in the header.
    #[test]
    fn changed_bytes(
        which in 0usize..8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<u8>()), 1..8),
    ) {
        let (name, mut bytes) = INTACT.with(|files| files[which].clone());
        for (at, header, value) in changes {
            let limit = if header { bytes.len().min(64) } else { bytes.len() };
            bytes[at.index(limit)] = value;
        }
        let folder = tempfile::tempdir().unwrap();
        let _ = load(&write(&folder, &name, &bytes));
    }
}

thread_local! {
    static INTACT: Vec<(String, Vec<u8>)> = intact();
}
