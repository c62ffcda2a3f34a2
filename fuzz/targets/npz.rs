#![no_main]
//! An archive of NumPy arrays as a data set.

use gtzan_gpu::dataset::Dataset;
use gtzan_gpu_fuzz::check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check("a.npz", data, |path| Dataset::open(path, &Default::default(), &|_, _| {}));
});
