#![no_main]
//! A model description: parsed, its layers counted through on small and large samples, written and parsed again.

use gtzan_gpu::nn::Model;
use gtzan_gpu_fuzz::within_memory;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    within_memory(data.len(), || {
        let Ok(model) = Model::from_toml(text, "fuzzed.toml") else { return };
        let _ = model.summary(187, 130, 10);
        let _ = model.summary(1, 1, 2);
        let written = model.to_toml().expect("what was read can be written");
        let again = Model::from_toml(&written, "again").expect("what was written can be read");
        assert_eq!(written, again.to_toml().expect("and written again"));
    });
});
