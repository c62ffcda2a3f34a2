//! `gtzan-gpu features`.

use super::{console, values};
use crate::dataset::{Dataset, Options, Segments};
use crate::error::Result;
use crate::features::Definition;
use crate::fsutil::keep_apart;
use clap::Args;
use std::path::PathBuf;

/// Options of `features`.
#[derive(Debug, Args)]
pub struct FeaturesArgs {
    /// Folder of genres, or a file of arrays to write in another format
    data: PathBuf,
    /// File to write: .safetensors, .npz, or x.npy (then y.npy, track.npy, segment.npy and labels.npy go beside it)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Definition of the features: segment or notebook [default: segment]
    #[arg(long)]
    features: Option<Definition>,
    /// Which 3 s segments: first or all [default: first]
    #[arg(long)]
    segments: Option<Segments>,
    /// Tracks at most, spread over the genres
    #[arg(long, value_parser = values::count())]
    limit: Option<usize>,
    /// End with an error where a file is skipped
    #[arg(long)]
    strict: bool,
    /// CPU threads [default: all cores]
    #[arg(long, value_parser = values::threads())]
    threads: Option<usize>,
    #[command(flatten)]
    cache: super::CacheArgs,
}

impl FeaturesArgs {
    /// Refuse options that others leave without effect.
    pub fn check(&self) -> Result<()> {
        if self.data.is_file() {
            let arrays = "on a file of arrays, which holds the features";
            super::without_effect(self.features.is_some(), "--features", arrays)?;
            super::without_effect(self.segments.is_some(), "--segments", arrays)?;
            super::without_effect(self.threads.is_some(), "--threads", arrays)?;
            super::without_effect(self.cache.is_given(), "--cache or --no-cache", arrays)?;
        }
        Ok(())
    }
}

/// Compute and write.
///
/// # Errors
/// When the folder can't be used, or the file can't be written or is the one that is read.
pub fn run(args: &FeaturesArgs) -> Result<()> {
    keep_apart(&args.out, &args.data)?;
    Dataset::check_writable(&args.out)?;
    let options = Options {
        definition: args.features.unwrap_or(Definition::Segment),
        segments: args.segments.unwrap_or(Segments::First),
        limit: args.limit,
        strict: args.strict,
        cache: args.cache.folder(),
        threads: args.threads,
        group_by: Default::default(),
        one_genre: true,
    };
    let dataset = console::with_bar("features", |progress| {
        Dataset::open(&args.data, &options, progress)
    })?;
    super::said_of(&dataset);
    dataset.save(&args.out)?;
    console::line(&format!(
        "{}: {} samples of {} x {} from {} tracks of {} genres, written to {}",
        dataset.describe(),
        dataset.len(),
        dataset.rows,
        dataset.frames,
        dataset.tracks.len(),
        dataset.genres.len(),
        args.out.display()
    ));
    Ok(())
}
