//! `gtzan-gpu evaluate`.

use super::{console, print_json, train};
use crate::dataset::{Dataset, Segments};
use crate::error::{Error, Result};
use crate::report::ConfusionMatrix;
use crate::train::{ModelFile, Predictor, argmax, per_track};
use clap::Args;
use std::path::PathBuf;

/// Options of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A run's folder, or its model.safetensors
    model: PathBuf,
    /// Folder of genres, or a file of arrays
    data: PathBuf,
    /// Only the tracks on this side of the run's own split, when MODEL is a run: all, train or validation
    #[arg(long, default_value = "all", value_parser = ["all", "train", "validation"])]
    side: String,
    /// Which 3 s segments of a track count: first or all (their mean) [default: as the model was trained]
    #[arg(long, value_parser = train::segments)]
    segments: Option<Segments>,
    #[command(flatten)]
    device: super::DeviceArgs,
    #[command(flatten)]
    cache: super::CacheArgs,
    /// End with an error at the first bad file
    #[arg(long)]
    strict: bool,
    /// CPU threads for features [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Evaluate.
///
/// # Errors
/// When the model or the data can't be used, or they don't fit each other.
pub fn run(args: &EvaluateArgs) -> Result<()> {
    let file = ModelFile::load(&super::predict::model_path(&args.model))?;
    let mut options = train::feature_options(
        &file,
        &args.data,
        args.strict,
        args.threads,
        args.cache.folder(),
    )?;
    options.segments = args.segments.unwrap_or(options.segments);
    let mut dataset = console::with_bar("features", |progress| {
        Dataset::open(&args.data, &options, progress)
    })?;
    console::skipped(&dataset.skipped);
    if (dataset.rows, dataset.frames) != (file.features.rows, file.features.frames) {
        return Err(Error::file(
            &args.data,
            format!(
                "samples are {}x{}, the model takes {}x{}",
                dataset.rows, dataset.frames, file.features.rows, file.features.frames
            ),
        ));
    }
    let to_label = labels(&file, &dataset)?;
    let samples = match args.side.as_str() {
        "all" => (0..dataset.len()).collect(),
        side => train::side_of_split(&args.model, &dataset, side)?,
    };
    let order: Vec<u32> = samples.iter().map(|&i| i as u32).collect();
    let track_of: Vec<usize> = dataset.samples.iter().map(|s| s.track).collect();
    let truth: Vec<usize> = dataset
        .labels()
        .iter()
        .map(|&l| to_label[l as usize])
        .collect();
    let x = dataset.take_x();
    let gpu = args.device.open()?;
    let size = file.features.rows * file.features.frames;
    let chosen: Vec<f32> = samples
        .iter()
        .flat_map(|&i| &x[i * size..(i + 1) * size])
        .copied()
        .collect();
    let mut predictor = Predictor::new(&gpu, &file, 8, &super::tuned_choices(&gpu, &args.cache))?;
    let probabilities = predictor.probabilities(&chosen)?;
    let mut matrix = ConfusionMatrix::new(file.labels.clone());
    for (sample, row) in per_track(&order, &track_of, &probabilities, file.labels.len()) {
        matrix.add(truth[sample as usize], argmax(&row))?;
    }
    if args.json {
        return print_json(&matrix.report());
    }
    console::line(&format!("{} on {}", args.model.display(), gpu.name()));
    if file.synthetic {
        console::line("the model was trained on SYNTHETIC music");
    }
    train::print_matrix(&matrix);
    Ok(())
}

/// For every genre of the data its number in the model.
fn labels(file: &ModelFile, dataset: &Dataset) -> Result<Vec<usize>> {
    let find = |genre: &String| {
        file.labels.iter().position(|l| l == genre).ok_or_else(|| {
            Error::data(format!(
                "the data has the genre {genre}, the model knows {}",
                file.labels.join(", ")
            ))
        })
    };
    dataset.genres.iter().map(find).collect()
}
