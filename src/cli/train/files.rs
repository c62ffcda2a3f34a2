//! What a run's folder holds when it begins, and when it goes on; and where its event files are.

use super::ranks;
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use crate::tensorboard::Board;
use crate::train::{Checkpoint, Ranks, Settings, Task};
use std::path::Path;

/// The checkpoint of a run that goes on, which the first rank reads for all; none where it was stopped before the first one, and
/// nothing was trained yet.
///
/// # Errors
/// When it can't be read, or is damaged.
pub fn checkpoint(ranks: &Ranks, run: &Path) -> Result<Option<Checkpoint>> {
    let path = run.join("checkpoint.safetensors");
    let bytes = ranks::file(ranks, &path)?;
    match bytes {
        Some(bytes) => Checkpoint::from_bytes(&path, &bytes).map(Some),
        None => Ok(None),
    }
}

/// Refuse paths that can't be saved with the settings, before anything is computed.
///
/// # Errors
/// With the first that is no UTF-8, which TOML and JSON hold alone.
pub fn check_paths(s: &Settings) -> Result<()> {
    let s = s.clone().with_absolute_paths();
    for (option, path) in [
        ("DATA", &s.data),
        ("--init", &s.init),
        ("--tensorboard", &s.tensorboard),
    ] {
        if let Some(path) = path.as_ref().filter(|p| p.to_str().is_none()) {
            return Err(Error::usage(format!(
                "{option}: {} is no UTF-8, so that a run's config.toml can't name it; rename it, or give a symbolic link to it",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Remove what a finished run says of its weights, when it trains on: until it has ended anew, they are others.
///
/// # Errors
/// When a file can't be removed.
pub fn remove_report(run: &Path) -> Result<()> {
    for name in ["metrics.json", "report.html"] {
        let path = run.join(name);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file(&path, format!("can't be removed: {e}")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Write the settings into a run's folder: of a new one when data and device are known to serve, so that a mistake in either leaves
/// no folder behind; of one that goes on when it is known to, so that the next `--resume` goes on as this one does.
///
/// # Errors
/// When they can't be written.
pub fn save_settings(run: &Path, s: &Settings) -> Result<()> {
    let text = toml::to_string(&s.clone().with_absolute_paths())
        .map_err(|e| Error::usage(format!("the settings can't be saved: {e}")))?;
    atomic_write(run.join("config.toml"), text.as_bytes())
}

/// The event files that the settings ask for, below their folder under the run's name; a fold's in a folder of its own below the
/// `whole` run's. `done`: optimizer steps of a run that goes on.
pub fn open_board(
    settings: &Settings,
    task: &Task,
    whole: &Path,
    run: &Path,
    done: Option<u64>,
) -> Result<Option<Board>> {
    let Some(folder) = &settings.tensorboard else {
        return Ok(None);
    };
    // `.` and `..` have no name before they are resolved.
    let resolved = std::fs::canonicalize(whole).unwrap_or_else(|_| whole.to_owned());
    let name = resolved.file_name().unwrap_or("run".as_ref());
    let mut place = folder.join(name);
    if let Ok(fold) = run.strip_prefix(whole) {
        place.extend(fold);
    }
    Board::open(&place, !task.validation.is_empty(), done).map(Some)
}
