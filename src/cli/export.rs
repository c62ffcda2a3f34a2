//! `gtzan-gpu export`.

use super::console;
use super::predict::model_path;
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use crate::onnx;
use crate::text::printable;
use crate::train::ModelFile;
use clap::Args;
use std::path::PathBuf;

/// Options of `export`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// A run's folder, or its model.safetensors
    model: PathBuf,
    /// Write the network as an ONNX file: raw features in, probabilities out, any batch size
    #[arg(long, value_name = "FILE", required = true)]
    onnx: PathBuf,
}

const EXAMPLES: &str = "Examples:
  gtzan-gpu export runs/seed-1 --onnx seed.onnx   for ONNX Runtime and what else reads ONNX
  gtzan-gpu features genres --out x.npz           the features that it takes";

/// Export.
///
/// # Errors
/// When the model can't be used or has no form in the other format, or the file can't be written.
pub fn run(args: &ExportArgs) -> Result<()> {
    let path = model_path(&args.model);
    let file = ModelFile::load(&path)?;
    let bytes = onnx::to_bytes(&file).map_err(|e| e.context(path.display()))?;
    if args.onnx.is_dir() {
        return Err(Error::file(
            &args.onnx,
            "it is a folder; name a file, e.g. model.onnx in it",
        ));
    }
    atomic_write(&args.onnx, &bytes)?;
    console::line(&format!(
        "{}: {} classes, input \"{}\" (batch x {} x {}), output \"{}\", {:.1} MiB",
        printable(&args.onnx.to_string_lossy()),
        file.labels.len(),
        onnx::INPUT,
        file.features.rows,
        file.features.frames,
        onnx::OUTPUT,
        bytes.len() as f64 / f64::from(1 << 20)
    ));
    Ok(())
}
