#![no_main]
//! Uncompressed audio, .au: decoded, averaged, now and then resampled.

use gtzan_gpu_fuzz::check_audio;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check_audio("a.au", data);
});
