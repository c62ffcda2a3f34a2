#![no_main]
//! A model file, and the same file as weights to begin with.

use gtzan_gpu::train::{ModelFile, read_weights};
use gtzan_gpu_fuzz::check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check("model.safetensors", data, |path| (ModelFile::load(path).is_ok(), read_weights(path).is_ok()));
});
