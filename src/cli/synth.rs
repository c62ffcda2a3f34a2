//! `gtzan-gpu synth`.

use super::{console, values};
use crate::error::Result;
use clap::Args;
use std::path::PathBuf;

/// Options of `synth`.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// Folder to write DIR/<genre>/<genre>.NNNNN.au into
    dir: PathBuf,
    /// Tracks per genre
    #[arg(long, default_value_t = 40, value_parser = values::whole(1..=crate::synth::MOST_TRACKS))]
    tracks: usize,
    /// Length of a track in seconds
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Seed of the compositions
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

/// Compose and write.
///
/// # Errors
/// When a length or number makes no sense, or a file can't be written.
pub fn run(args: &SynthArgs) -> Result<()> {
    console::with_bar("composing", |progress| {
        crate::synth::write_folder(&args.dir, args.seed, args.tracks, args.seconds, progress)
    })?;
    console::line(&format!(
        "{} synthetic tracks of {} genres in {} (composed by rules, not real music)",
        args.tracks * crate::synth::GENRES.len(),
        crate::synth::GENRES.len(),
        args.dir.display()
    ));
    Ok(())
}
