//! `gtzan-gpu kernel`.

use super::console;
use crate::error::{Error, Result};
use crate::fsutil::write_if_missing;
use crate::kernels::{Whole, all, named};
use crate::ops::built_in_files;
use clap::Args;
use std::path::{Path, PathBuf};

/// Options of `kernel`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gtzan-gpu kernel                             every kernel, with the shared pieces that it stands on
  gtzan-gpu kernel conv2d/naive/forward        one, whole: ready to paste into a WGSL playground
  gtzan-gpu kernel registers/forward --piece store_pooled
  gtzan-gpu kernel --export mine               every file, to change and use with --shaders mine")]
pub struct KernelArgs {
    /// A kernel's path under shaders/, or a part of it that fits one [default: list all]
    name: Option<String>,
    /// Of several kernels in one file, the one that stands on this piece of shaders/lib/
    #[arg(long, value_name = "PIECE", requires = "name")]
    piece: Option<String>,
    /// Write every WGSL file into this folder, as --shaders reads them; what is there already is left alone
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    export: Option<PathBuf>,
}

/// Print a kernel whole, or list all.
///
/// # Errors
/// When no kernel, or more than one, is meant.
pub fn run(args: &KernelArgs) -> Result<()> {
    if let Some(dir) = &args.export {
        return export(dir);
    }
    let Some(name) = &args.name else {
        for kernel in all()? {
            console::line(&kernel.title());
        }
        return Ok(());
    };
    let mut found = named(name)?;
    if let Some(piece) = &args.piece {
        found.retain(|w| w.stands_on(piece));
    }
    match found.as_slice() {
        [one] => {
            console::line(one.text().trim_end());
            Ok(())
        }
        [] => Err(Error::usage(format!(
            "no kernel '{name}' stands on a piece '{}'; `gtzan-gpu kernel` lists what each stands on",
            args.piece.as_deref().unwrap_or_default()
        ))),
        several => {
            let titles: Vec<String> = several.iter().map(Whole::title).collect();
            let same_file = several
                .iter()
                .all(|w| w.kernel.name == several[0].kernel.name);
            Err(Error::usage(format!(
                "'{name}' may be any of {}: {}",
                titles.join(", "),
                match same_file {
                    true => "choose with --piece",
                    false => "give more of the name",
                }
            )))
        }
    }
}

/// Write the built-in files where they are not yet.
fn export(dir: &Path) -> Result<()> {
    let (mut written, mut kept) = (0, 0);
    for (name, text) in built_in_files() {
        let path = dir.join(format!("{name}.wgsl"));
        match write_if_missing(path, text.as_bytes())? {
            true => written += 1,
            false => kept += 1,
        }
    }
    console::line(&match kept {
        0 => format!("{}: {written} files", dir.display()),
        _ => format!(
            "{}: {written} files written, {kept} that were there left as they are",
            dir.display()
        ),
    });
    Ok(())
}
