//! MP3, FLAC and Ogg Vorbis through symphonia.

use std::fs::File;
use std::path::Path;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::mono::Mono;
use crate::error::{Error, Result};

/// Decodes up to `seconds` of the first audio track. A damaged packet is skipped and a file that was cut off gives the
/// samples that are there, as players do.
pub(super) fn read(path: &Path, file: File, seconds: Option<f64>) -> Result<Mono> {
    let unreadable = |what: &str, e: &dyn std::fmt::Display| {
        Error::file(
            path,
            format!("{what} ({e}); play it to see whether it is damaged, or convert it to WAV"),
        )
    };
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|e| e.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(Box::new(file), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(
            &hint,
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|e| unreadable("no MP3, FLAC or Ogg stream found in it", &e))?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or_else(|| unreadable("it can't be decoded", &"no audio track"))?;
    let track_id = track.id;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|p| p.audio())
        .ok_or_else(|| unreadable("it can't be decoded", &"no codec parameters"))?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|e| unreadable("its codec can't be decoded", &e))?;

    let mut mono: Option<(Mono, u32, usize)> = None;
    let mut block: Vec<f32> = Vec::new();
    // Whatever stops the container's packets, the end included, what came before it counts.
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != track_id {
            continue;
        }
        let buffer = match decoder.decode(&packet) {
            Ok(buffer) => buffer,
            Err(Symphonia::DecodeError(_)) => continue,
            Err(_) => break,
        };
        let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        let (collected, first_rate, first_channels) = match &mut mono {
            Some(m) => m,
            None => mono.insert((
                Mono::new(path, rate, channels as u32, seconds)?,
                rate,
                channels,
            )),
        };
        if (rate, channels) != (*first_rate, *first_channels) {
            break;
        }
        buffer.copy_to_vec_interleaved(&mut block);
        collected.push(&block);
        if collected.missing() == 0 {
            break;
        }
    }
    match mono {
        Some((mono, ..)) => Ok(mono),
        None => Err(unreadable(
            "it can't be decoded",
            &"no packet could be decoded",
        )),
    }
}
