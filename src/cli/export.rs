//! `gtzan-gpu export`.

use super::console;
use super::predict::model_path;
use crate::error::{Error, Result};
use crate::fsutil::{atomic_write, keep_apart};
use crate::nn::Model;
use crate::onnx;
use crate::text::printable;
use crate::train::ModelFile;
use crate::web::Export;
use clap::Args;
use std::path::{Path, PathBuf};

/// Options of `export`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// A run's folder, or its model.safetensors; for a page also seed, notebook, small, demo, strong, or a TOML file of layers, without weights
    /// [default for a page: seed]
    #[arg(required_unless_present = "web")]
    model: Option<PathBuf>,
    /// Write the network as an ONNX file: raw features in, probabilities out, any batch size
    #[arg(long, value_name = "FILE", conflicts_with = "web")]
    onnx: Option<PathBuf>,
    /// Write a web page into this folder that runs, trains and explains the model on the reader's GPU: static files for any web server
    #[arg(long, value_name = "DIR")]
    web: Option<PathBuf>,
    /// One HTML file with everything inside, which opens without a server too
    #[arg(long, requires = "web", conflicts_with = "onnx")]
    single: bool,
}

const EXAMPLES: &str = "Examples:
  gtzan-gpu export runs/seed-1 --onnx seed.onnx   for ONNX Runtime and what else reads ONNX
  gtzan-gpu features genres --out x.npz           the features that it takes
  gtzan-gpu export runs/seed-1 --web page         a page; look at it with: python3 -m http.server -d page
  gtzan-gpu export seed --web page --single       one file, with fresh weights to train";

/// Export.
///
/// # Errors
/// When the model can't be used or has no form in the other format, or the file can't be written.
pub fn run(args: &ExportArgs) -> Result<()> {
    match (&args.web, &args.onnx, &args.model) {
        (Some(dir), ..) => web(dir, args),
        (None, Some(file), Some(model)) => onnx(model, file),
        _ => Err(Error::usage("say what to write: --onnx FILE or --web DIR")),
    }
}

fn onnx(model: &Path, to: &Path) -> Result<()> {
    let path = model_path(model)?;
    keep_apart(to, &path)?;
    let file = ModelFile::load(&path)?;
    let bytes = onnx::to_bytes(&file).map_err(|e| e.context(path.display()))?;
    if to.is_dir() {
        return Err(Error::file(
            to,
            "it is a folder; name a file, e.g. model.onnx in it",
        ));
    }
    atomic_write(to, &bytes)?;
    console::line(&format!(
        "{}: {} classes, input \"{}\" (batch x {} x {}), output \"{}\", {:.1} MiB",
        printable(&to.to_string_lossy()),
        file.labels.len(),
        onnx::INPUT,
        file.features.rows,
        file.features.frames,
        onnx::OUTPUT,
        bytes.len() as f64 / f64::from(1 << 20)
    ));
    Ok(())
}

/// The architecture, and the trained model if it is one.
fn model_of(given: Option<&Path>) -> Result<(Model, Option<ModelFile>)> {
    let given = given.unwrap_or(Path::new("seed"));
    // A built-in model's name means that model, whatever folders are here; ./seed means the folder.
    let built_in = Model::built_in()
        .iter()
        .any(|name| given == Path::new(name));
    let trained = given.is_dir() || given.extension().is_some_and(|e| e == "safetensors");
    if trained && !built_in {
        let file = ModelFile::load(&model_path(given)?)?;
        return Ok((file.model.clone(), Some(file)));
    }
    Ok((Model::load(&given.to_string_lossy())?, None))
}

fn web(dir: &Path, args: &ExportArgs) -> Result<()> {
    if dir.exists() && !dir.is_dir() {
        return Err(Error::file(dir, "it is no folder; name one for the page"));
    }
    let (model, file) = model_of(args.model.as_deref())?;
    let export = Export::new(&model, file.as_ref(), &|_, _| ())?;
    let (written, bytes) = export.write(dir, args.single)?;
    let page = &export.page;
    console::line(&format!(
        "{}: {}, {} kernels, {} gradient checks, {:.1} MB in {}",
        printable(&dir.join("index.html").to_string_lossy()),
        page.model,
        page.kernels.len(),
        page.checks.len(),
        bytes as f64 / 1e6,
        match written.len() {
            1 => "one file".to_owned(),
            n => format!(
                "{n} files, for any web server: python3 -m http.server -d {}",
                printable(&dir.to_string_lossy())
            ),
        }
    ));
    Ok(())
}
