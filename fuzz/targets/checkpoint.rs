#![no_main]
//! A checkpoint.

use gtzan_gpu::train::Checkpoint;
use gtzan_gpu_fuzz::check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check("checkpoint.safetensors", data, Checkpoint::load);
});
