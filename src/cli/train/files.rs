//! What a run's folder holds when it begins, and when it goes on; and where its event files are.

use super::ranks;
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use crate::tensorboard::Board;
use crate::train::{Checkpoint, Ranks, Settings, Task};
use std::path::{Path, PathBuf};

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

/// Write the settings into the folder of a new run. Called when data and device are known to serve, so that a mistake in
/// either leaves no folder behind.
///
/// # Errors
/// When they can't be written.
pub fn create_run(run: &Path, s: &Settings) -> Result<()> {
    let mut saved = s.clone();
    let absolute = |p: &PathBuf| std::path::absolute(p).unwrap_or_else(|_| p.clone());
    saved.data = saved.data.as_ref().map(absolute);
    saved.init = saved.init.as_ref().map(absolute);
    saved.tensorboard = saved.tensorboard.as_ref().map(absolute);
    if Path::new(&saved.model).is_file() {
        saved.model = absolute(&PathBuf::from(&saved.model)).display().to_string();
    }
    if Path::new(&saved.recipe).is_file() {
        saved.recipe = absolute(&PathBuf::from(&saved.recipe))
            .display()
            .to_string();
    }
    if Path::new(&saved.split).exists() {
        saved.split = absolute(&PathBuf::from(&saved.split)).display().to_string();
    }
    let text = toml::to_string(&saved)
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
