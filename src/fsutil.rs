//! Writing files so that a crash, a full disk or a kill at any moment never leaves half a file.
//!
//! The new bytes go to a temporary file in the same folder, are synced to the disk, and only then take the place of
//! the old file by a rename, which POSIX makes atomic; the folder is synced last so that the rename itself survives a
//! power cut. Whoever opens the path sees either the whole old file or the whole new one.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// The end of every temporary name; the start is a dot and the name of the file that is being written.
const SUFFIX: &str = ".gtzan-tmp";

/// Replaces the file at `path` by `bytes`, all or nothing.
///
/// A symbolic link is followed, so the file it points to is replaced. A device or a pipe (`/dev/stdout`) is written
/// to directly. The folder must exist; [`create_dir`] makes it.
///
/// # Errors
/// [`ErrorKind::File`](crate::ErrorKind::File) with a sentence for a full disk, a read-only or missing folder, and
/// anything else that the system reports. The previous file is then unchanged.
pub fn atomic_write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    atomic_write_with(path, |file| file.write_all(bytes))
}

/// Like [`atomic_write`] for content that is produced piece by piece: `fill` writes it to a buffered file.
pub fn atomic_write_with(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    atomic_write_file(path.as_ref(), |file| {
        let mut buffered = BufWriter::with_capacity(1 << 16, file);
        fill(&mut buffered)?;
        buffered.flush()
    })
}

/// Like [`atomic_write`] for a writer that seeks.
pub(crate) fn atomic_write_file(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    prepare(path, fill)?.put()
}

/// A file whose bytes are on the disk and do not yet stand under its name. Several that belong together are all prepared before the
/// first is put, so that a full disk leaves the old ones.
pub(crate) struct Prepared<'a> {
    path: &'a Path,
    /// None for a device, which has its bytes already.
    waiting: Option<(NamedTempFile, PathBuf)>,
}

/// The first half of [`atomic_write_file`]: all that can need room.
pub(crate) fn prepare(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<Prepared<'_>> {
    match write_beside(path, fill) {
        Ok(waiting) => Ok(Prepared { path, waiting }),
        Err(e) => Err(write_error(path, &e)),
    }
}

impl Prepared<'_> {
    /// Takes the place of the old file.
    pub(crate) fn put(self) -> Result<()> {
        let Some((temporary, target)) = self.waiting else {
            return Ok(());
        };
        let put = temporary.persist(&target).map_err(|e| e.error);
        put.and_then(|_| sync_folder(&parent(&target)))
            .map_err(|e| write_error(self.path, &e))
    }
}

/// Refuses to write to the very file that is read.
///
/// # Errors
/// When `out` is `input`, by whatever path.
pub fn keep_apart(out: &Path, input: &Path) -> Result<()> {
    match (fs::canonicalize(out), fs::canonicalize(input)) {
        (Ok(a), Ok(b)) if a == b && a.is_file() => Err(Error::file(
            out,
            "it is read here, and would be replaced by what is written; name another file",
        )),
        _ => Ok(()),
    }
}

/// Refuses a place where no file can be written, before there is anything to write: a folder, or a name in a folder that is not there.
///
/// # Errors
/// As [`atomic_write`].
pub fn check_place(path: &Path) -> Result<()> {
    let wrong = match (fs::metadata(path), fs::metadata(parent(path))) {
        (Ok(there), _) if there.is_dir() => io::Error::from(io::ErrorKind::IsADirectory),
        (_, Err(error)) => error,
        (_, Ok(folder)) if !folder.is_dir() => io::ErrorKind::NotADirectory.into(),
        _ => return Ok(()),
    };
    Err(write_error(path, &wrong))
}

/// Adds `bytes` to the end of `file`, which was opened for that at `path`. A kill or a full disk may leave a part of them.
///
/// # Errors
/// As [`atomic_write`].
pub fn append(file: &mut File, path: &Path, bytes: &[u8]) -> Result<()> {
    watch::reached(path)
        .and_then(|()| file.write_all(bytes))
        .map_err(|e| write_error(path, &e))
}

/// Creates the folder `path` and those above it; an existing one is fine.
pub fn create_dir(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    fs::create_dir_all(path).map_err(|e| write_error(path, &e))
}

/// Writes `bytes` to `path` and creates the folders above it, unless something is there already; whether it was written.
///
/// # Errors
/// As [`atomic_write`].
pub fn write_if_missing(path: impl AsRef<Path>, bytes: &[u8]) -> Result<bool> {
    let path = path.as_ref();
    if path.exists() {
        return Ok(false);
    }
    create_dir(parent(path))?;
    atomic_write(path, bytes)?;
    Ok(true)
}

/// Deletes what interrupted writes left in `dir` (a `kill -9` gives no chance to clean up) and returns how many files
/// that were. Call it where only one process writes, such as a run directory that is being resumed.
pub fn remove_leftovers(dir: impl AsRef<Path>) -> Result<usize> {
    let dir = dir.as_ref();
    let entries = fs::read_dir(dir).map_err(|e| Error::file(dir, e))?;
    let mut removed = 0;
    for entry in entries.flatten() {
        if is_leftover(&entry.file_name()) {
            fs::remove_file(entry.path()).map_err(|e| write_error(&entry.path(), &e))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether a file of this name is what an interrupted write leaves.
pub(crate) fn is_leftover(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.ends_with(SUFFIX)
}

/// The sentence for a failed write to `path`: what happened and what to do.
pub fn write_error(path: &Path, error: &io::Error) -> Error {
    let folder = parent(path);
    let why = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "can't be written, the disk is full; free some space or choose another folder"
                .to_string()
        }
        io::ErrorKind::FileTooLarge => {
            "can't be written, it is larger than the system allows here (`ulimit -f`); raise the limit or choose another folder"
                .to_string()
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "can't be written, the file system is read-only; choose another folder".to_string()
        }
        io::ErrorKind::PermissionDenied => format!(
            "can't be written, no permission in {}; choose another folder or change its rights",
            folder.display()
        ),
        io::ErrorKind::NotFound => {
            format!(
                "can't be written, the folder {} does not exist; create it first",
                folder.display()
            )
        }
        io::ErrorKind::IsADirectory => {
            "can't be written, it is a folder; give the name of a file".to_string()
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "can't be created, a file of that name is in the way; choose another name".to_string()
        }
        _ => format!("can't be written ({error})"),
    };
    Error::file(path, why)
}

/// A temporary file and the file that it is to replace.
fn write_beside(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<Option<(NamedTempFile, PathBuf)>> {
    let target = match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        // A rename over a device node would replace the node by a plain file.
        Ok(meta) if !meta.is_file() => {
            let mut file = File::options().write(true).open(path)?;
            watch::reached(path)?;
            fill(&mut file)?;
            return Ok(None);
        }
        Ok(_) => fs::canonicalize(path)?,
        Err(_) => path.to_path_buf(),
    };
    let folder = parent(&target);
    let name = target.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let prefix = format!(".{}.", name.to_string_lossy());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX);
    // Temporary files are private by default; this one is going to be an ordinary file, subject to the umask.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(&folder)?;
    fill(temporary.as_file_mut())?;
    temporary.as_file().sync_all()?;
    watch::reached(path)?;
    Ok(Some((temporary, target)))
}

/// What happens in the middle of a write, for tests that let a disk fill or a process end there. Outside them nothing does.
pub mod watch {
    use std::io;
    use std::path::Path;
    use std::sync::{Mutex, PoisonError};

    /// What is done with the number of a write, counted from 1, and the file that it is to become.
    type Act = Box<dyn FnMut(u64, &Path) -> io::Result<()> + Send>;

    static WATCH: Mutex<Option<(u64, Act)>> = Mutex::new(None);

    /// From now on `act` is called whenever the bytes of a file are written and do not yet stand under its name; its error
    /// becomes the write's.
    pub fn each_write(act: impl FnMut(u64, &Path) -> io::Result<()> + Send + 'static) {
        let mut watch = WATCH.lock().unwrap_or_else(PoisonError::into_inner);
        *watch = Some((0, Box::new(act)));
    }

    pub(super) fn reached(path: &Path) -> io::Result<()> {
        let mut watch = WATCH.lock().unwrap_or_else(PoisonError::into_inner);
        match watch.as_mut() {
            None => Ok(()),
            Some((count, act)) => {
                *count += 1;
                act(*count, path)
            }
        }
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems can't sync a folder; the rename has happened all the same.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn writes_replaces_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        atomic_write(&path, b"one").unwrap();
        atomic_write(&path, b"two, longer").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two, longer");
        assert_eq!(names(dir.path()), ["a.bin"]);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model");
        atomic_write(&path, b"old").unwrap();
        let error = atomic_write_with(&path, |w| {
            w.write_all(&[0; 100_000])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["model"]);
    }

    #[test]
    fn says_what_is_wrong_with_the_place() {
        let dir = tempfile::tempdir().unwrap();
        let missing = atomic_write(dir.path().join("no/such/file"), b"x").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::File);
        assert!(missing.to_string().contains("does not exist"), "{missing}");
        let folder = atomic_write(dir.path(), b"x").unwrap_err();
        assert!(folder.to_string().contains("it is a folder"), "{folder}");
        atomic_write(dir.path().join("plain"), b"x").unwrap();
        let in_the_way = create_dir(dir.path().join("plain")).unwrap_err();
        assert!(
            in_the_way.to_string().contains("in the way"),
            "{in_the_way}"
        );
    }

    #[test]
    fn leftovers_of_killed_writers_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join(".model.safetensors.Ab3x.gtzan-tmp"),
            b"half",
        )
        .unwrap();
        fs::write(dir.path().join(".hidden"), b"keep").unwrap();
        atomic_write(dir.path().join("model.safetensors"), b"whole").unwrap();
        assert_eq!(remove_leftovers(dir.path()).unwrap(), 1);
        assert_eq!(names(dir.path()), [".hidden", "model.safetensors"]);
    }

    #[cfg(unix)]
    #[test]
    fn follows_links_respects_the_umask_and_writes_devices_directly() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        let ordinary = dir.path().join("ordinary");
        fs::write(&ordinary, b"").unwrap();
        atomic_write(&real, b"1").unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&real), mode(&ordinary));
        let link = dir.path().join("link");
        symlink(&real, &link).unwrap();
        atomic_write(&link, b"2").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"2");
        atomic_write("/dev/null", b"3").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    // Writing to /dev/full fails with ENOSPC: the system's own full disk.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_a_sentence() {
        let error = atomic_write("/dev/full", b"x").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("/dev/full: can't be written, the disk is full"),
            "{error}"
        );
    }
}
