//! Git LFS pointers: small texts that stand where a file should that was not fetched. Whatever was expected, "damaged" would be the
//! wrong advice.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How a pointer begins (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>; older ones name another host).
const START: &[u8] = b"version http";

/// Whether a file that begins so is a pointer.
pub fn is_pointer(start: &[u8]) -> bool {
    start.starts_with(START)
}

/// What to do about a pointer in the place of `what`, as in "the model".
pub fn pointer(path: &Path, what: &str) -> Error {
    Error::file(
        path,
        format!("a Git LFS pointer, not {what} itself; fetch it with \"git lfs pull\""),
    )
}

/// Refuse the content of a file when it is a pointer.
///
/// # Errors
/// When it is, with how to fetch what belongs there.
pub fn refuse(path: &Path, content: &[u8], what: &str) -> Result<()> {
    match is_pointer(content) {
        true => Err(pointer(path, what)),
        false => Ok(()),
    }
}

/// [`refuse`] for a file that is read in pieces. What can't be opened is told by whoever reads it.
///
/// # Errors
/// As there.
pub fn refuse_file(path: &Path, what: &str) -> Result<()> {
    let mut start = Vec::new();
    if path.is_file()
        && let Ok(file) = File::open(path)
        && file
            .take(START.len() as u64)
            .read_to_end(&mut start)
            .is_ok()
    {
        return refuse(path, &start, what);
    }
    Ok(())
}
