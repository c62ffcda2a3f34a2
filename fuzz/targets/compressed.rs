#![no_main]
//! MP3, FLAC and Ogg Vorbis: the content decides which; by its name the file is an MP3, so that what has no magic is searched for frames.

use gtzan_gpu_fuzz::check_audio;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check_audio("a.mp3", data);
});
