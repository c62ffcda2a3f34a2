//! What of a run lies in folders before its first epoch: what was set, its checkpoint, its event files.

use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use crate::tensorboard::Board;
use crate::train::{Checkpoint, Settings, Task};
use std::path::{Path, PathBuf};

pub fn resume_checkpoint(run: &Path) -> Result<Option<Checkpoint>> {
    let checkpoint = run.join("checkpoint.safetensors");
    if !checkpoint.exists() {
        // Stopped before the first checkpoint: nothing was trained yet.
        return Ok(None);
    }
    Checkpoint::load(&checkpoint).map(Some)
}

/// Write the settings into the folder of a new run. Called when data and device are known to serve, so that a mistake in
/// either leaves no folder behind.
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
