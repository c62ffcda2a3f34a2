#![no_main]
//! A safetensors file of arrays as a data set.

use gtzan_gpu::dataset::Dataset;
use gtzan_gpu_fuzz::check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check("a.safetensors", data, |path| Dataset::open(path, &Default::default(), &|_, _| {}));
});
