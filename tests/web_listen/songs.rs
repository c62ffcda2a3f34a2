//! Songs as files of every kind that the page decodes by itself.

use gtzan_gpu::{audio, synth};
use std::path::Path;

/// Writes the songs, of 7 s (the last segment is shorter than half), and returns their names. The first is a plain WAV of
/// 44 bytes of header at 22,050 Hz; `silent.wav` is written too.
pub fn write(folder: &Path) -> Vec<&'static str> {
    let song = |genre| synth::compose(21, genre, 4, 7.0);
    let put = |name: &'static str, bytes: Vec<u8>| {
        std::fs::write(folder.join(name), bytes).expect("a writable folder");
        name
    };
    let i16s = |samples: &[f32]| -> Vec<u8> {
        let words = samples.iter().map(|s| (s * 32_768.0) as i16);
        words.flat_map(i16::to_le_bytes).collect()
    };
    let stereo: Vec<f32> = (song(2).iter().zip(song(7)))
        .flat_map(|(&left, right)| [left, right])
        .collect();
    let i24s = |samples: &[f32]| -> Vec<u8> {
        let words = samples.iter().map(|s| (s * 8_388_607.0) as i32);
        words
            .flat_map(|w| [w as u8, (w >> 8) as u8, (w >> 16) as u8])
            .collect()
    };
    let f32s =
        |samples: &[f32]| -> Vec<u8> { samples.iter().flat_map(|s| s.to_le_bytes()).collect() };
    let u8s = |samples: &[f32]| -> Vec<u8> {
        samples.iter().map(|s| (s * 127.0 + 128.0) as u8).collect()
    };
    put(
        "silent.wav",
        wav(1, 1, 22_050, 16, &vec![1; 2 * 22_050 * 8], false),
    );
    let au = "song.au";
    audio::au::write_pcm16_annotated(folder.join(au), &song(4), audio::SAMPLE_RATE, "a song")
        .expect("a writable folder");
    vec![
        put("song.wav", wav(1, 1, 22_050, 16, &i16s(&song(1)), false)),
        au,
        put("stereo24.wav", wav(1, 2, 22_050, 24, &i24s(&stereo), true)),
        put("float.wav", wav(3, 1, 22_050, 32, &f32s(&song(5)), true)),
        put("bytes.wav", wav(1, 1, 22_050, 8, &u8s(&song(8)), false)),
        put("fast.wav", wav(1, 2, 44_100, 16, &i16s(&stereo), false)),
        put("faster.wav", wav(1, 1, 48_000, 16, &i16s(&song(3)), false)),
        put("slow.wav", wav(1, 1, 11_025, 16, &i16s(&song(6)), false)),
    ]
}

/// A WAVE file; `extensible` with the long form of the format chunk.
fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8], extensible: bool) -> Vec<u8> {
    let frame = channels * bits / 8;
    let mut format = if extensible { 0xfffe } else { tag }.to_le_bytes().to_vec();
    format.extend(channels.to_le_bytes());
    format.extend(rate.to_le_bytes());
    format.extend((rate * u32::from(frame)).to_le_bytes());
    format.extend(frame.to_le_bytes());
    format.extend(bits.to_le_bytes());
    if extensible {
        format.extend(22u16.to_le_bytes());
        format.extend(bits.to_le_bytes());
        format.extend([0; 4]);
        format.extend(tag.to_le_bytes());
        format.extend(*b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
    }
    let size = |n: usize| (n as u32).to_le_bytes();
    [
        &b"RIFF"[..],
        &size(20 + format.len() + data.len()),
        b"WAVEfmt ",
        &size(format.len()),
        &format,
        b"data",
        &size(data.len()),
        data,
    ]
    .concat()
}
