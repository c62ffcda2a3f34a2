#![no_main]
//! A pair of .npy files as a data set: the first two bytes say where x ends and y begins.

use gtzan_gpu::dataset::Dataset;
use gtzan_gpu_fuzz::{check, folder};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let (x, y) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*length))));
    std::fs::write(folder().join("y.npy"), y).expect("the input is written");
    check("x.npy", x, |path| Dataset::open(path, &Default::default(), &|_, _| {}));
});
