//! MP3, FLAC and Ogg Vorbis through symphonia. The links of a chained Ogg file may differ in rate and channels, and so may the
//! frames of an MP3 that was joined of several.

use std::path::Path;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::Duration;

use super::mono::Mono;
use super::source::Source;
use super::{ogg, tags};
use crate::error::{Error, Result};

/// Decodes up to `seconds` of the first audio track, one part per stretch of one sample rate. A damaged packet is skipped
/// and a file that was cut off gives the samples that are there, as players do.
pub(super) fn read(path: &Path, source: Source, seconds: Option<f64>) -> Result<Vec<Mono>> {
    let failed = |e: std::io::Error| Error::file(path, format!("can't read it ({e})"));
    let mut source = tags::skip_trailing(source).map_err(failed)?;
    let mut parts = Vec::new();
    if source.peek::<4>(0).map_err(failed)? != *b"OggS" {
        let free = is_free_format(&source.peek(0).map_err(failed)?);
        decode(path, source, seconds, &mut parts)
            .map_err(|e| if free { free_format(path) } else { e })?;
        return Ok(parts);
    }
    let mut at = 0;
    while at < source.len() && wanted(&parts, seconds) != Some(0.0) {
        let end = ogg::link_end(&mut source, at).map_err(failed)?;
        let link = source.duplicate(path)?.part(at, end);
        decode(path, link, seconds, &mut parts).map_err(|e| match at {
            0 => e,
            _ => e.advise(format!("this is of the stream that begins at byte {at}")),
        })?;
        at = end;
    }
    Ok(parts)
}

/// Seconds still wanted; None for all.
fn wanted(parts: &[Mono], seconds: Option<f64>) -> Option<f64> {
    let left = seconds? - parts.iter().map(Mono::seconds).sum::<f64>();
    // Less than a sample of any rate is none.
    Some(if left < 1e-6 { 0.0 } else { left })
}

/// Whether `head` begins an MPEG frame whose header states no bit rate.
fn is_free_format(head: &[u8; 4]) -> bool {
    head[0] == 0xff && head[1] & 0xe0 == 0xe0 && head[1] & 6 != 0 && head[2] & 0xf0 == 0
}

/// What a decoder can't change on the way: an MPEG frame's version, rate, and whether it is mono.
fn frame_kind(frame: &[u8]) -> Option<[u8; 3]> {
    match *frame {
        [0xff, b, c, d, ..] if b & 0xe0 == 0xe0 => {
            Some([b & 0x18, c & 0x0c, u8::from(d & 0xc0 == 0xc0)])
        }
        _ => None,
    }
}

fn free_format(path: &Path) -> Error {
    Error::file(
        path,
        "a free-format MP3 (its bit rate is none of the standard's) can't be decoded; convert it, e.g. with \"lame --decode\" or ffmpeg",
    )
}

/// Decodes the one stream in `source` and appends it to `parts`.
fn decode(path: &Path, source: Source, seconds: Option<f64>, parts: &mut Vec<Mono>) -> Result<()> {
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
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
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
        .ok_or_else(|| unreadable("it can't be decoded", &"no codec parameters"))?
        .clone();
    let mp3 = parameters.codec == CODEC_ID_MP3;
    let padding = Duration::from(track.padding.unwrap_or(0));
    let fresh = || {
        symphonia::default::get_codecs()
            .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
            .map_err(|e| unreadable("its codec can't be decoded", &e))
    };
    let mut decoder = fresh()?;
    let mut kind = None;

    let before = parts.len();
    let mut block: Vec<f32> = Vec::new();
    // Whatever stops the container's packets, the end included, what came before it counts.
    while let Ok(Some(mut packet)) = format.next_packet() {
        if packet.track_id != track_id {
            continue;
        }
        // The length in an MP3's first frame ends with the first of several joined files; what it would trim beyond the
        // encoder's padding belongs to the next.
        if mp3 && packet.trim_end > padding {
            packet.trim_end = Duration::ZERO;
        }
        // A decoder keeps to the rate and the channels of its first frame; the next kind of frame gets one of its own.
        let new = mp3.then(|| frame_kind(packet.data.as_ref())).flatten();
        if new.is_some() && kind.is_some() && new != kind {
            decoder = fresh()?;
        }
        kind = new.or(kind);
        let buffer = match decoder.decode(&packet) {
            Ok(buffer) => buffer,
            Err(Symphonia::DecodeError(_)) => continue,
            Err(_) => break,
        };
        let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        buffer.copy_to_vec_interleaved(&mut block);
        let part = match parts.last_mut() {
            Some(part) if part.rate() == rate => part,
            _ => {
                let part = Mono::new(path, rate, channels as u32, wanted(parts, seconds))?;
                parts.push(part);
                parts
                    .last_mut()
                    .ok_or_else(|| unreadable("it can't be decoded", &"no part"))?
            }
        };
        part.push_frames(channels, &block);
        if part.missing() == 0 {
            return Ok(());
        }
    }
    if parts.len() == before && parts.iter().all(Mono::is_empty) {
        return Err(unreadable(
            "it can't be decoded",
            &"no packet could be decoded",
        ));
    }
    Ok(())
}
