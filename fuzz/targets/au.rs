#![no_main]
//! Uncompressed audio, .au: decoded, averaged, resampled.

use gtzan_gpu_fuzz::check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check("a.au", data, |path| gtzan_gpu::audio::load(path, Some(3.0)));
});
