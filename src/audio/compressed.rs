//! MP3, FLAC and Ogg Vorbis through symphonia. The frames of an MP3 that was joined of several may differ in rate and channels.

use std::io::{Read, Seek};
use std::path::Path;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::Duration;

use super::mono::{Mono, wanted};
use super::ogg;
use super::source::Source;
use crate::error::{Error, Result};

/// Undecodable stretches shorter than this are not worth a word: players step over them too, and an MP3 that was cut
/// out of a longer one begins with one.
const WORTH_A_WORD: f64 = 0.25;

/// Decodes up to `seconds` of the first audio track and appends it to `parts`, one per stretch of one sample rate; says in
/// `left_out` what could not be decoded. A damaged packet is skipped and a file that was cut off gives the samples that are
/// there, as players do.
pub(super) fn read(
    path: &Path,
    mut source: Source,
    seconds: Option<f64>,
    parts: &mut Vec<Mono>,
    left_out: &mut Vec<String>,
) -> Result<()> {
    let mut start = Vec::new();
    (&mut source)
        .take(SEARCHED)
        .read_to_end(&mut start)
        .and_then(|_| source.rewind())
        .map_err(|e| Error::file(path, format!("can't read it ({e})")))?;
    // Where an Ogg says that it ends: behind a lost page packets' times show the gap a page later, or never.
    let stated = match start.starts_with(b"OggS") {
        true => ogg::stated_end(&mut source).and_then(|end| source.rewind().map(|()| end)),
        false => Ok(None),
    };
    let stated = stated.map_err(|e| Error::file(path, format!("can't read it ({e})")))?;
    decode(path, source, stated, seconds, parts, left_out).map_err(|e| {
        match is_free_format(&start) {
            true => free_format(path),
            false => e,
        }
    })
}

/// Where frames without a bit rate are looked for: past padding, or the rest of a frame that a cut left.
const SEARCHED: u64 = 64 << 10;

/// The longest frame without a bit rate: the longest of lame's, 640 kbit/s at 8 kHz, take 5,760 bytes.
const LONGEST: usize = 8 << 10;

/// Whether `start` begins with an MPEG frame whose header states no bit rate, or three such frames of one length follow each other
/// in it.
fn is_free_format(start: &[u8]) -> bool {
    // Its padding bit aside, the header is the same for all frames.
    let header = |at: usize| match start.get(at..at + 3)? {
        &[0xff, b, c] if b & 0xe0 == 0xe0 && b & 6 != 0 && c & 0xf0 == 0 => Some([b, c & !2]),
        _ => None,
    };
    let follows = |at: usize, kind| {
        (at.saturating_sub(1)..=at + 1).any(|at| header(at).is_some_and(|h| h == kind))
    };
    let first_of_three = |at: usize, kind| {
        let next = (at + 24..at + LONGEST).filter(|next| header(*next) == Some(kind));
        next.into_iter().any(|next| follows(2 * next - at, kind))
    };
    header(0).is_some()
        || (1..start.len()).any(|at| header(at).is_some_and(|kind| first_of_three(at, kind)))
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
        "a free-format MP3 (its bit rate is none of the standard's) can't be decoded; convert it with \"lame --decode FILE song.wav\" (ffmpeg can't decode it either)",
    )
}

/// Decodes the one stream in `source`, which says that it ends at `stated` (in samples), and appends it to `parts`.
fn decode(
    path: &Path,
    source: Source,
    stated: Option<i64>,
    seconds: Option<f64>,
    parts: &mut Vec<Mono>,
    left_out: &mut Vec<String>,
) -> Result<()> {
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
    let tick =
        (track.time_base).map_or(0.0, |t| f64::from(t.numer.get()) / f64::from(t.denom.get()));
    let fresh = || {
        symphonia::default::get_codecs()
            .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
            .map_err(|e| unreadable("its codec can't be decoded", &e))
    };
    let mut decoder = fresh()?;
    let mut kind = None;

    let before = parts.len();
    // From where to where packets say that they are, in ticks, and the seconds that came out of them. What is damaged may never become a
    // packet: a FLAC frame, or a page of Ogg.
    let mut span: Option<(i64, i64)> = None;
    let mut decoded = 0.0;
    // Of the last block that was decoded, by which an MP3's packets are counted: those of joined files have times of their own.
    let mut last_rate = 0;
    let mut block: Vec<f32> = Vec::new();
    let mut lost = 0.0;
    let mut at_end = false;
    loop {
        // Whatever stops the container's packets, what came before it counts.
        let mut packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => {
                at_end = true;
                break;
            }
            // The end of the file is where it was cut off.
            Err(Symphonia::IoError(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                at_end = true;
                break;
            }
            Err(e) => {
                let seconds: f64 = parts.iter().map(Mono::seconds).sum();
                left_out.push(format!("what follows after {seconds:.1} s ({e})"));
                break;
            }
        };
        if packet.track_id != track_id {
            continue;
        }
        let (begins, length) = (packet.pts.get(), packet.dur.get());
        let ends = begins.saturating_add_unsigned(length);
        span = Some(span.map_or((begins, ends), |(b, e)| (b.min(begins), e.max(ends))));
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
            // The packet is in memory: what fails to be read is what is in it.
            Err(Symphonia::DecodeError(_) | Symphonia::IoError(_)) => {
                let each = match last_rate {
                    0 => tick,
                    rate => 1.0 / f64::from(rate),
                };
                lost += length as f64 * each;
                continue;
            }
            Err(e) => {
                let seconds: f64 = parts.iter().map(Mono::seconds).sum();
                left_out.push(format!("what follows after {seconds:.1} s ({e})"));
                break;
            }
        };
        let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        last_rate = rate;
        decoded += buffer.frames() as f64 / f64::from(rate.max(1));
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
            break;
        }
    }
    if let Some((begins, mut ends)) = span.filter(|_| !mp3) {
        if at_end {
            ends = ends.max(stated.unwrap_or(ends));
        }
        lost = ends.saturating_sub(begins) as f64 * tick - decoded;
    }
    if lost > WORTH_A_WORD {
        left_out.push(format!("{lost:.1} s in damaged packets"));
    }
    if parts.len() == before && parts.iter().all(Mono::is_empty) {
        return Err(unreadable(
            "it can't be decoded",
            &"no packet could be decoded",
        ));
    }
    Ok(())
}
