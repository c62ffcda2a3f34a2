#![no_main]
//! Uncompressed audio, .wav: decoded, averaged, resampled.

use gtzan_gpu_fuzz::check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check("a.wav", data, |path| gtzan_gpu::audio::load(path, Some(3.0)));
});
