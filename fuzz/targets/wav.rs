#![no_main]
//! Uncompressed audio, .wav: decoded, averaged, now and then resampled.

use gtzan_gpu_fuzz::check_audio;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check_audio("a.wav", data);
});
