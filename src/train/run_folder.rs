//! The folder of a run, and whose it is: claimed before anything is computed, held by a lock until the process ends.
//!
//! The lock is the operating system's on a file in the folder (`flock`, `LockFileEx`), so a kill or a power cut releases
//! it, and a file left behind is no lock. Beside it lies a note of who holds it, for the sentence that a second
//! process gets; it is a file of its own because a locked file can't be read on Windows.
//!
//! Some network file systems know no locks. There a new folder is still claimed by one process only (creating a folder
//! is atomic everywhere), and [`RunFolder::warning`] says that two processes going on with one run are not kept apart.

use crate::error::{Error, Result};
use crate::fsutil::{self, create_dir, write_error};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const LOCK: &str = ".lock";
const OWNER: &str = ".lock-owner";

/// A run's folder, held until this is dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    lock: File,
    /// Folders made for it, outermost first; removed again when the run comes to nothing.
    created: Vec<PathBuf>,
    begun: bool,
    warning: Option<String>,
}

impl RunFolder {
    /// Claim the folder of a new run: `wanted`, or the first free one of `runs/NAME-1`, `runs/NAME-2`, ...
    ///
    /// # Errors
    /// When the folder holds something, another process has it, or it can't be made.
    pub fn claim(wanted: Option<&Path>, name: &str) -> Result<Self> {
        if let Some(path) = wanted {
            return Self::claim_this(path).flatten();
        }
        for n in 1u64.. {
            let path = PathBuf::from(format!("runs/{name}-{n}"));
            // A folder that a run left before it began is as good as none, where a lock tells that it has left. Where another process
            // was faster: the next number.
            let left =
                || is_free(&path) && matches!(lock(&path, File::try_lock), Ok(Some((_, None))));
            if (!path.exists() || left())
                && let Ok(folder) = Self::claim_this(&path)?
            {
                return Ok(folder);
            }
        }
        Err(Error::data("no free name below runs; give --run a folder"))
    }

    /// Hold the folder of a run that goes on.
    ///
    /// # Errors
    /// When another process has it, or it can't be written to.
    pub fn hold(path: &Path) -> Result<Self> {
        let (lock, warning) = lock(path, File::try_lock)?.ok_or_else(|| busy(path))?;
        let folder = Self::held(path, lock, Vec::new(), true, warning)?;
        // Nobody else writes here now, so what a killed process left half written is nobody's.
        for place in [path.to_owned(), path.join("plots")] {
            if place.is_dir() {
                fsutil::remove_leftovers(&place)?;
            }
        }
        Ok(folder)
    }

    /// The inner error says who has the folder, or that it holds something.
    fn claim_this(path: &Path) -> Result<Result<Self>> {
        let created = missing(path);
        create_dir(path)?;
        if !is_free(path) {
            // A run in progress says more than that the folder is not empty.
            return Ok(Err(match holder(path) {
                Some(_) if lock(path, File::try_lock)?.is_none() => busy(path),
                _ => taken(path),
            }));
        }
        let Some((lock, warning)) = lock(path, File::try_lock)? else {
            return Ok(Err(busy(path)));
        };
        // Again: whoever held it may have put a run there before releasing it.
        if !is_free(path) {
            let _untidy = std::fs::remove_file(path.join(LOCK));
            return Ok(Err(taken(path)));
        }
        fsutil::remove_leftovers(path)?;
        Self::held(path, lock, created, false, warning).map(Ok)
    }

    fn held(
        path: &Path,
        lock: File,
        created: Vec<PathBuf>,
        begun: bool,
        warning: Option<String>,
    ) -> Result<Self> {
        // Before the note, so that a note that can't be written leaves nothing behind.
        let folder = Self {
            path: path.to_owned(),
            lock,
            created,
            begun,
            warning,
        };
        let owner = format!("process {}, since {}", std::process::id(), utc(now()));
        let note = path.join(OWNER);
        std::fs::write(&note, owner).map_err(|e| write_error(&note, &e))?;
        Ok(folder)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the user must know when the file system can't lock.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The run is on disk: the folder stays.
    pub fn begin(&mut self) {
        self.begun = true;
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // While the lock is held, so that no one else's files are removed; what fails is only untidy.
        let _ = std::fs::remove_file(self.path.join(OWNER));
        let _ = std::fs::remove_file(self.path.join(LOCK));
        let _ = self.lock.unlock();
        if !self.begun {
            for folder in self.created.iter().rev() {
                // Fails where there is something in it.
                let _ = std::fs::remove_dir(folder);
            }
        }
    }
}

/// The folders of `path` that do not exist yet, outermost first.
fn missing(path: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = path
        .ancestors()
        .take_while(|p| !p.as_os_str().is_empty() && !p.exists())
        .map(Path::to_owned)
        .collect();
    all.reverse();
    all
}

/// Nothing in it but what a process that was killed before it began leaves.
fn is_free(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|entries| {
        entries.flatten().all(|e| {
            let name = e.file_name();
            name == LOCK || name == OWNER || fsutil::is_leftover(&name)
        })
    })
}

fn taken(path: &Path) -> Error {
    Error::file(
        path,
        "exists already; give --run another folder, or go on with --resume",
    )
}

/// Who says to hold the folder.
fn holder(path: &Path) -> Option<String> {
    std::fs::read_to_string(path.join(OWNER))
        .ok()
        .filter(|text| text.starts_with("process ") && text.len() < 100)
}

fn busy(path: &Path) -> Error {
    // The holder writes its note right after locking.
    let note = || {
        std::thread::sleep(std::time::Duration::from_millis(10));
        holder(path)
    };
    let who = holder(path)
        .or_else(|| (0..20).find_map(|_| note()))
        .unwrap_or_else(|| "another process".to_owned());
    Error::file(
        path,
        format!(
            "a training is running in this folder ({who}); wait for it or stop it, or give a new run another folder by --run"
        ),
    )
}

/// The locked file of the folder, and a warning where there are no locks; `None` while another process holds it.
fn lock(
    path: &Path,
    try_lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<Option<(File, Option<String>)>> {
    let name = path.join(LOCK);
    loop {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&name);
        let file = match file {
            Ok(file) => file,
            // The last holder removed the folder between our making it and this.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !path.exists() => {
                create_dir(path)?;
                continue;
            }
            Err(e) => return Err(write_error(&name, &e)),
        };
        match try_lock(&file) {
            // The last holder may have removed the file that we opened: then another may lock a new one.
            Ok(()) if is_still(&name, &file) => return Ok(Some((file, None))),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => {
                let warning = format!(
                    "{}: the file system can't lock files ({e}), so see to it yourself that no second training uses this folder",
                    path.display()
                );
                return Ok(Some((file, Some(warning))));
            }
        }
    }
}

#[cfg(unix)]
fn is_still(name: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (std::fs::metadata(name), file.metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_still(name: &Path, _file: &File) -> bool {
    name.exists()
}

/// Seconds since 1970; 0 for a clock before.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// `2026-01-31 23:59:59 UTC` of seconds since 1970 (civil calendar, after Hinnant's `civil_from_days`).
pub(crate) fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (rest / 3_600, rest / 60 % 60);
    format!(
        "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02} UTC",
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_a_left_file_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = RunFolder::claim(Some(&path), "m").unwrap();
        let second = RunFolder::claim(Some(&path), "m").unwrap_err().to_string();
        let who = format!("process {}, since 20", std::process::id());
        assert!(second.contains(&who), "{second}");
        assert!(RunFolder::hold(&path).is_err());
        drop(first);
        assert!(
            !dir.path().join("a").exists(),
            "a run that never began stays"
        );
        // What a killed process leaves.
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join(LOCK), "").unwrap();
        std::fs::write(path.join(OWNER), "process 1, since 2020").unwrap();
        let mut again = RunFolder::claim(Some(&path), "m").unwrap();
        std::fs::write(path.join("config.toml"), "").unwrap();
        again.begin();
        drop(again);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
        let error = RunFolder::claim(Some(&path), "m").unwrap_err().to_string();
        assert!(error.contains("exists already"), "{error}");
        drop(RunFolder::hold(&path).unwrap());
        assert!(path.join("config.toml").exists());
    }

    /// Only the operating system's lock counts: a clock that jumped makes a note's time wrong, and no run stale or held.
    #[test]
    fn whatever_time_a_note_tells_it_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        for since in ["1969-12-31 23:59:59 UTC", "2100-01-01 00:00:00 UTC", ""] {
            std::fs::write(dir.path().join(OWNER), format!("process 1, since {since}")).unwrap();
            std::fs::write(dir.path().join(LOCK), "").unwrap();
            let held = RunFolder::hold(dir.path()).unwrap();
            let busy = RunFolder::hold(dir.path()).unwrap_err().to_string();
            assert!(busy.contains("since 20"), "{busy}");
            drop(held);
            RunFolder::claim(Some(dir.path()), "m").unwrap();
        }
    }

    #[test]
    fn many_claimants_have_one_winner() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let path = dir.path().join(format!("{round}"));
            let held: Vec<_> = std::thread::scope(|s| {
                let all: Vec<_> = (0..8)
                    .map(|_| s.spawn(|| RunFolder::claim(Some(&path), "m")))
                    .collect();
                all.into_iter().map(|t| t.join().unwrap()).collect()
            });
            assert_eq!(held.iter().filter(|h| h.is_ok()).count(), 1);
        }
    }

    #[test]
    fn without_locks_there_is_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let refuse = |_: &File| Err(TryLockError::Error(io::ErrorKind::Unsupported.into()));
        let (_, warning) = lock(dir.path(), refuse).unwrap().unwrap();
        assert!(warning.unwrap().contains("can't lock"));
    }

    /// Against `date -u -d @N`.
    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_827_696, "2000-02-29 12:34:56 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }
}
