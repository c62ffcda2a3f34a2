//! Files as people have them: tags with large covers, unfinished and unusual WAVE headers, pipes.

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

/// Bytes that look like the start of an MPEG frame every few kilobytes, as a cover picture may.
fn cover(size: usize) -> Vec<u8> {
    let frame = [0xff, 0xfb, 0x90, 0x00];
    (0..size)
        .map(|i| *frame.get(i % 4173).unwrap_or(&((i * 31) as u8)))
        .collect()
}

fn synchsafe(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7f)
}

/// An ID3v2.4 tag; flag 0x80 says unsynchronised, 0x10 that a footer follows.
fn id3(size: usize, flags: u8) -> Vec<u8> {
    let rest = [&[4, 0, flags][..], &synchsafe(size)].concat();
    let mut tag = [b"ID3", &rest[..], &cover(size)].concat();
    if flags & 0x10 != 0 {
        tag.extend([b"3DI", &rest[..]].concat());
    }
    tag
}

fn ape(size: usize) -> Vec<u8> {
    let block = |flags: u32| {
        let mut block = b"APETAGEX".to_vec();
        for word in [2000, size as u32 + 32, 1, flags, 0, 0] {
            block.extend(word.to_le_bytes());
        }
        block
    };
    [block(0xa000_0000), cover(size), block(0x8000_0000)].concat()
}

#[test]
fn tags_of_any_size_are_stepped_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::open("decode.npz");
    let id3v1 = [&b"TAG"[..], &[0xff; 125]].concat();
    for (name, end) in [
        ("mp3_mpeg_layer_iii_file.mp3", true),
        ("flac_pcm_16_file.flac", false),
        ("wav_pcm_16_file.wav", false),
    ] {
        let bytes: Vec<u8> = fixture.get(&format!("file_{name}"));
        let want = load(&write(&folder, name, &bytes));
        let fronts = [
            id3(16 << 20, 0),
            [id3(1 << 20, 0x80), id3(3 << 20, 0x10), id3(0, 0)].concat(),
            ape(2 << 20),
        ];
        for (i, front) in fronts.into_iter().enumerate() {
            // The name must not be needed.
            let tagged = write(&folder, "x.bin", &[front, bytes.clone()].concat());
            assert!(load(&tagged) == want, "{name} behind tag {i}");
        }
        let backs = [
            id3v1.clone(),
            [ape(2 << 20), id3v1.clone()].concat(),
            id3(1 << 20, 0x10),
            [
                b"LYRICSBEGIN".to_vec(),
                cover(5000),
                b"005011LYRICS200".to_vec(),
                id3v1.clone(),
            ]
            .concat(),
        ];
        for (i, back) in backs.into_iter().enumerate().filter(|_| end) {
            let tagged = write(&folder, "x.bin", &[bytes.clone(), back].concat());
            assert!(load(&tagged) == want, "{name} before tag {i}");
        }
    }
    let cut = write(&folder, "cut.mp3", &id3(1 << 20, 0)[..5000]);
    let error = audio::load(&cut, None).unwrap_err().to_string();
    assert!(error.contains("its tags reach to the end"), "{error}");
}

/// Chunks in either byte order.
struct Riff {
    big: bool,
    bytes: Vec<u8>,
}

impl Riff {
    fn new(magic: &[u8; 4]) -> Self {
        let bytes = [&magic[..], b"\xff\xff\xff\xffWAVE"].concat();
        Self {
            big: magic == b"RIFX",
            bytes,
        }
    }
    fn number(&self, n: u32, bytes: usize) -> Vec<u8> {
        if self.big {
            n.to_be_bytes()[4 - bytes..].to_vec()
        } else {
            n.to_le_bytes()[..bytes].to_vec()
        }
    }
    fn chunk(mut self, id: &[u8; 4], size: u32, body: &[u8]) -> Self {
        let size = self.number(size, 4);
        self.bytes.extend([&id[..], &size, body].concat());
        self
    }
    /// WAVE_FORMAT_EXTENSIBLE, integer samples, one channel at 22,050 Hz.
    fn format(self, container: u32, stated: u32, valid: u32) -> Self {
        let fields = [
            (0xfffe, 2),
            (1, 2),
            (22_050, 4),
            (22_050 * container / 8, 4),
            (container / 8, 2),
            (stated, 2),
            (22, 2),
            (valid, 2),
            (4, 4),
            (1, 2),
        ];
        let mut body: Vec<u8> = fields
            .iter()
            .flat_map(|&(n, size)| self.number(n, size))
            .collect();
        body.extend(b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
        self.chunk(b"fmt ", 40, &body)
    }
}

/// Left-justified whatever is valid: "Multiple channel audio data and WAVE files" (Microsoft), as ffmpeg and libsndfile
/// read them.
#[test]
fn fewer_valid_bits_than_the_container_has() {
    let folder = tempfile::tempdir().unwrap();
    let wave: Vec<i32> = (0..500)
        .map(|i| ((f64::from(i) * 0.1).sin() * 2e9) as i32)
        .collect();
    for magic in [b"RIFF", b"RIFX"] {
        for container in [8, 16, 24, 32] {
            for valid in [8u32, 12, 16, 20, 24, 32]
                .into_iter()
                .filter(|v| *v <= container)
            {
                let kept: Vec<i32> = wave
                    .iter()
                    .map(|s| s >> (32 - valid) << (32 - valid))
                    .collect();
                let want: Vec<f32> = kept
                    .iter()
                    .map(|&s| (f64::from(s) / 2f64.powi(31)) as f32)
                    .collect();
                let riff = Riff::new(magic);
                let data: Vec<u8> = kept
                    .iter()
                    .flat_map(|s| {
                        let word = (s >> (32 - container)) as u32;
                        // 8 bits are stored unsigned.
                        let word = if container == 8 {
                            word.wrapping_add(128) & 0xff
                        } else {
                            word
                        };
                        riff.number(
                            if riff.big {
                                word << (32 - container) >> (32 - container)
                            } else {
                                word
                            },
                            container as usize / 8,
                        )
                    })
                    .collect();
                // Some writers put the valid bits where the container's belong.
                for stated in [container, valid] {
                    let file = Riff::new(magic).format(container, stated, valid).chunk(
                        b"data",
                        data.len() as u32,
                        &data,
                    );
                    assert!(
                        load(&write(&folder, "x.wav", &file.bytes)) == want,
                        "{valid} of {container} bits, {stated} stated, {}",
                        String::from_utf8_lossy(magic)
                    );
                }
            }
        }
    }
}

#[test]
fn lengths_in_64_bits_or_never_filled_in() {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..1000i16).flat_map(|i| (i * 30).to_le_bytes()).collect();
    let want: Vec<f32> = (0..1000).map(|i| (i * 30) as f32 / 32_768.0).collect();
    let ds64 = |size: u64| [&5000u64.to_le_bytes()[..], &size.to_le_bytes(), &[0; 12]].concat();
    let read = |riff: Riff| audio::load(&write(&folder, "x.wav", &riff.bytes), None);
    for magic in [b"RF64", b"BW64"] {
        for (long, samples) in [(2000, 1000), (1000, 500), (0, 1004), (1 << 40, 1004)] {
            let file = Riff::new(magic)
                .chunk(b"ds64", 28, &ds64(long))
                .format(16, 16, 16)
                .chunk(b"data", u32::MAX, &data)
                // Eight bytes that are samples unless the length says otherwise.
                .chunk(b"LIST", 0, b"");
            let got = read(file).unwrap();
            assert_eq!(got.len(), samples, "ds64 says {long}");
            let known = samples.min(1000);
            assert!(got[..known] == want[..known]);
        }
    }
    for size in [0, 4000, 0x7fff_fffe, 0xffff_ff00, u32::MAX] {
        let file = Riff::new(b"RIFF")
            .format(16, 16, 16)
            .chunk(b"data", size, &data);
        assert!(read(file).unwrap() == want, "data size {size}");
    }
    // Recorded nothing: a length of 0 that is true.
    for empty in [
        Riff::new(b"RIFF").format(16, 16, 16).chunk(b"data", 0, b""),
        Riff::new(b"RIFF")
            .format(16, 16, 16)
            .chunk(b"data", 0, b"")
            .chunk(b"LIST", 4, b"INFO"),
    ] {
        let error = read(empty).unwrap_err().to_string();
        assert!(error.contains("no audio in the file"), "{error}");
    }
}

#[test]
fn what_is_no_audio_gets_fitting_advice() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[u8], &str); 4] = [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
            "git lfs pull",
        ),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "MPEG-4"),
        (b"FORM\0\0\0\x20AIFFCOMM", "AIFF"),
        (
            &[0xff, 0xfb, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "free-format MP3",
        ),
    ];
    for (bytes, advice) in cases {
        for name in ["x.mp3", "x"] {
            let error = audio::load(&write(&folder, name, bytes), None)
                .unwrap_err()
                .to_string();
            assert!(error.contains(advice), "{error}");
        }
    }
}

/// A file of the shape that `lame --freeformat` writes, which begins with a frame, with padding, or in the middle of a frame.
#[test]
fn a_free_format_mp3_is_known_wherever_its_frames_begin() {
    let folder = tempfile::tempdir().unwrap();
    let mut noise = 7u32;
    let mut stream = Vec::new();
    for frame in 0..40 {
        // MPEG-1 layer III without a bit rate, 44.1 kHz; every third frame is a byte longer and says so.
        let padded = u8::from(frame % 3 == 0);
        stream.extend([0xff, 0xfb, padded << 1, 0x40]);
        for _ in 0..1300 + usize::from(padded) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // No 0xff, of which another frame could begin.
            stream.push((noise >> 24) as u8 & 0x7f);
        }
    }
    let tag = [b"ID3\x03\0\0\0\0\x07\x76", &[0; 1014][..]].concat();
    for bytes in [
        stream.clone(),
        [&[0; 500][..], &stream].concat(),
        stream[700..].to_vec(),
        [tag, stream.clone()].concat(),
    ] {
        let error = audio::load(&write(&folder, "x.mp3", &bytes), None).unwrap_err();
        assert!(error.to_string().contains("lame --decode"), "{error}");
    }
    // Noise alone is none.
    stream.retain(|b| *b != 0xff);
    let error = audio::load(&write(&folder, "x.mp3", &stream), None).unwrap_err();
    assert!(!error.to_string().contains("free-format"), "{error}");
}

/// `predict <(cat song.wav)`.
#[cfg(unix)]
#[test]
fn a_pipe_is_read_like_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::open("decode.npz");
    for name in [
        "wav_pcm_16_file.wav",
        "mp3_mpeg_layer_iii_file.mp3",
        "ogg_vorbis_file.ogg",
    ] {
        let bytes: Vec<u8> = fixture.get(&format!("file_{name}"));
        let want = load(&write(&folder, name, &bytes));
        let pipe = folder.path().join(format!("{name}.pipe"));
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, bytes).unwrap()
        });
        assert!(load(&pipe) == want, "{name}");
        writer.join().unwrap();
    }
}
