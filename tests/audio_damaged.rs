//! Damage in the middle of a compressed file costs what is damaged and no more, and the caller is told how much.

mod audio_support;

use std::path::PathBuf;

use audio_support::Fixture;
use gtzan_gpu::audio::{self, Recording};

fn read(name: &str, bytes: &[u8], seconds: Option<f64>) -> Recording {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    audio::read(&path, seconds).unwrap()
}

/// Seconds that the recording says it has left out.
fn said(recording: &Recording) -> Option<f64> {
    let text = recording.left_out.as_deref()?;
    let seconds = text.strip_suffix(" s in damaged packets");
    Some(seconds.unwrap_or_else(|| panic!("{text}")).parse().unwrap())
}

const RATE: usize = 22_050;

/// Samples of a FLAC frame here.
const BLOCK: usize = 4096;

/// A mono FLAC file of frames of 4096 samples as they are (verbatim), each a ramp of its own, and where each frame begins
/// (RFC 9639, section 9).
fn flac(frames: usize) -> (Vec<u8>, Vec<usize>) {
    let crc8 = crc::Crc::<u8>::new(&crc::CRC_8_SMBUS);
    let crc16 = crc::Crc::<u16>::new(&crc::CRC_16_UMTS);
    let mut file = b"fLaC\x80\0\0\x22".to_vec();
    file.extend([BLOCK as u16, BLOCK as u16].map(u16::to_be_bytes).concat());
    file.extend([0; 6]);
    let total = (frames * BLOCK) as u64;
    let sizes = (RATE as u64) << 44 | 15 << 36 | total;
    file.extend(sizes.to_be_bytes());
    file.extend([0; 16]);
    let mut begins = Vec::new();
    for number in 0..frames {
        begins.push(file.len());
        // 4096 samples, 22,050 Hz; mono, 16 bits; the frame's number.
        let mut frame = vec![0xff, 0xf8, 0xc6, 0x08, number as u8];
        frame.push(crc8.checksum(&frame));
        frame.push(0x02);
        for i in 0..BLOCK {
            let sample = (i as i16 - 2048) * 4 + number as i16;
            frame.extend(sample.to_be_bytes());
        }
        frame.extend(crc16.checksum(&frame).to_be_bytes());
        file.extend(frame);
    }
    (file, begins)
}

#[test]
fn lost_flac_frames_are_counted() {
    let (bytes, begins) = flac(20);
    let whole = read("x.flac", &bytes, None);
    assert_eq!((whole.samples.len(), said(&whole)), (20 * BLOCK, None));
    let block = BLOCK as f64 / RATE as f64;
    for (from, to) in [(3, 8), (1, 19)] {
        let mut damaged = bytes.clone();
        damaged[begins[from] + 40..begins[to]].fill(0);
        let left = read("x.flac", &damaged, None);
        let kept = [&whole.samples[..from * BLOCK], &whole.samples[to * BLOCK..]].concat();
        assert!(left.samples == kept, "{}", left.samples.len());
        let lost = said(&left).expect("it is said");
        assert!((lost - (to - from) as f64 * block).abs() < 0.06, "{lost}");
    }
    // Also where not all of the file is wanted.
    let mut damaged = bytes.clone();
    damaged[begins[1] + 40..begins[4]].fill(0);
    let part = read("x.flac", &damaged, Some(0.5));
    assert_eq!(part.samples.len(), RATE / 2);
    assert!(said(&part).is_some_and(|lost| (lost - 3.0 * block).abs() < 0.06));
}

/// Where the frames of an MPEG-2 layer III stream of one rate begin, which they are found by.
fn mp3_frames(bytes: &[u8]) -> Vec<usize> {
    const KBITS: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let header = |at: usize| {
        bytes
            .get(at..at + 3)
            .filter(|h| h[0] == 0xff && h[1] & 0xfe == 0xf2)
    };
    let mut at = (0..bytes.len())
        .find(|&at| header(at).is_some())
        .expect("a frame");
    let mut begins = Vec::new();
    while let Some(&[_, _, byte]) = header(at) {
        begins.push(at);
        let kbits = KBITS[usize::from(byte >> 4)];
        at += 72_000 * kbits / RATE + usize::from(byte >> 1 & 1);
    }
    begins
}

#[test]
fn lost_mp3_frames_are_counted_also_where_reading_ends_early() {
    let bytes: Vec<u8> = Fixture::open("decode.npz").get("file_mp3_mpeg_layer_iii_file.mp3");
    let bytes = bytes.repeat(6);
    let begins = mp3_frames(&bytes);
    assert!(begins.len() > 100, "{} frames", begins.len());
    let whole = read("x.mp3", &bytes, None);
    assert_eq!(said(&whole), None);
    // Side information that no encoder writes: more values than a frame has.
    let mut damaged = bytes.clone();
    let frames = 30..60;
    for frame in frames.clone() {
        damaged[begins[frame] + 4..begins[frame] + 13].fill(0xff);
    }
    let seconds = frames.len() as f64 * 576.0 / RATE as f64;
    for wanted in [None, Some(1.5)] {
        let left = read("x.mp3", &damaged, wanted);
        let lost = said(&left).expect("it is said");
        // The next frame stands on bits of the damaged ones, at most.
        assert!(
            (seconds - 0.06..seconds + 0.1).contains(&lost),
            "{lost} of {seconds}"
        );
        let expected = match wanted {
            Some(seconds) => seconds,
            None => whole.samples.len() as f64 / RATE as f64 - lost,
        };
        let got = left.samples.len() as f64 / RATE as f64;
        assert!((got - expected).abs() < 0.06, "{got} s, not {expected}");
    }
}

#[test]
fn lost_pages_of_ogg_are_counted() {
    // Six seconds of tones at 8 kHz, written with libsndfile.
    let file = "tests/fixtures/audio/six_seconds_8000.ogg";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let bytes = std::fs::read(path).unwrap();
    let whole = read("x.ogg", &bytes, None);
    assert_eq!((whole.samples.len(), said(&whole)), (6 * RATE, None));
    let begins: Vec<usize> = (0..bytes.len())
        .filter(|&at| bytes[at..].starts_with(b"OggS"))
        .collect();
    assert_eq!(begins.len(), 5, "two pages of headers, three of sound");
    // Sound of the second page is unreadable, by its checksum.
    let mut damaged = bytes.clone();
    damaged[begins[3] + 300..begins[3] + 400].fill(0);
    let left = read("x.ogg", &damaged, None);
    let lost = said(&left).expect("it is said");
    let missing = 6.0 - left.samples.len() as f64 / RATE as f64;
    assert!(
        missing > 1.0 && (lost - missing).abs() < 0.1,
        "{lost} of {missing}"
    );
}

/// What a file of another rate loses behind the first is counted at its own.
#[test]
fn lost_frames_count_at_their_own_rate() {
    let file = "tests/fixtures/audio/mono_22050_then_stereo_44100.mp3";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let bytes = std::fs::read(path).unwrap();
    let whole = read("x.mp3", &bytes, None);
    assert_eq!(said(&whole), None);
    // MPEG-1 frames: their headers begin with ff fb or ff fa.
    let second: Vec<usize> = (0..bytes.len() - 1)
        .filter(|&at| bytes[at] == 0xff && bytes[at + 1] & 0xfe == 0xfa)
        .collect();
    assert!(second.len() > 12, "{}", second.len());
    let mut damaged = bytes.clone();
    let middle = &second[4..second.len() - 2];
    for &at in middle {
        // Behind the header, 32 bytes of side information.
        let end = (at + 36).min(bytes.len());
        damaged[at + 4..end].fill(0xff);
    }
    let left = read("x.mp3", &damaged, None);
    let missing = (whole.samples.len() - left.samples.len()) as f64 / RATE as f64;
    match said(&left) {
        Some(lost) => assert!((lost - missing).abs() < 0.1, "{lost} of {missing}"),
        None => assert!(missing < 0.3, "{missing} s without a word"),
    }
}
