#![no_main]
//! MP3, FLAC and Ogg Vorbis: the content decides which; by its name the file is an MP3, so that what has no magic is searched for frames.

use gtzan_gpu_fuzz::check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check("a.mp3", data, |path| gtzan_gpu::audio::load(path, Some(3.0)));
});
