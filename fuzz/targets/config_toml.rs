//! Config files: what is read is written and read back.
#![no_main]

use gtzan_gpu::train::{Given, Settings};
use gtzan_gpu_fuzz::within_memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    within_memory(data.len(), || {
        let Ok(text) = std::str::from_utf8(data) else { return };
        let Ok(given) = Given::from_toml(text, "fuzz.toml") else { return };
        let settings = Settings::of(given);
        let written = toml::to_string(&settings).expect("settings can be written");
        let again = Given::from_toml(&written, "written.toml").expect("what was written can be read");
        assert_eq!(Settings::of(again), settings);
    });
});
