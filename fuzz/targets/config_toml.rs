#![no_main]
//! The settings of a run.

use gtzan_gpu::train::Settings;
use gtzan_gpu_fuzz::within_memory;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    within_memory(data.len(), || {
        let Ok(settings) = toml::from_str::<Settings>(text) else { return };
        let written = toml::to_string(&settings).expect("what was read can be written");
        toml::from_str::<Settings>(&written).expect("what was written can be read");
    });
});
