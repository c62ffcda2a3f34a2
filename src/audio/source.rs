//! The bytes of one recording: a file or what came through a pipe, without the tags around it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use symphonia::core::io::MediaSource;

use crate::error::{Error, Result};

/// Most bytes read from a pipe or device, which are held in memory: an hour and a half of stereo at 16 bits.
const PIPE_LIMIT: u64 = 1 << 30;

/// Part of a file, or of memory; positions count from the part's start.
pub(super) struct Source {
    bytes: Bytes,
    start: u64,
    len: u64,
    at: u64,
}

enum Bytes {
    File(File),
    /// Shared by every reader of them.
    Memory(Arc<Vec<u8>>),
}

impl Source {
    /// Opens the file at `path`; a pipe or device is read to its end first.
    ///
    /// Fails for a folder, an empty file, and a pipe that brings more than 1 GiB.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |e: io::Error| Error::file(path, format!("can't read it ({e})"));
        // Asked first: Windows opens no folder.
        if path.is_dir() {
            return Err(Error::file(path, "it is a folder, not an audio file"));
        }
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let (bytes, len) = if metadata.is_file() {
            (Bytes::File(file), metadata.len())
        } else {
            let mut memory = Vec::new();
            (&mut file)
                .take(PIPE_LIMIT + 1)
                .read_to_end(&mut memory)
                .map_err(failed)?;
            let len = memory.len() as u64;
            if len > PIPE_LIMIT {
                return Err(Error::file(
                    path,
                    "more than 1 GiB comes through this pipe; save it as a file and give that",
                ));
            }
            (Bytes::Memory(Arc::new(memory)), len)
        };
        if len == 0 {
            return Err(Error::file(
                path,
                "the file is empty (0 bytes); replace or remove it",
            ));
        }
        Ok(Self {
            bytes,
            start: 0,
            len,
            at: 0,
        })
    }

    /// Bytes of the part.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The same bytes from `from` (counted from this part's start) up to `to`.
    pub fn part(self, from: u64, to: u64) -> Self {
        let to = to.min(self.len);
        let from = from.min(to);
        Self {
            start: self.start + from,
            len: to - from,
            at: 0,
            ..self
        }
    }

    /// Another reader of the same bytes, if the system allows one.
    pub fn duplicate(&self, path: &Path) -> Result<Self> {
        let bytes = match &self.bytes {
            // The duplicate of a descriptor shares its position; `read` seeks before every access for that reason.
            Bytes::File(file) => Bytes::File(
                file.try_clone()
                    .map_err(|e| Error::file(path, format!("can't read it ({e})")))?,
            ),
            Bytes::Memory(memory) => Bytes::Memory(Arc::clone(memory)),
        };
        Ok(Self {
            bytes,
            start: self.start,
            len: self.len,
            at: 0,
        })
    }

    /// Up to `N` bytes at `at`, zeros where the part ends before.
    pub fn peek<const N: usize>(&mut self, at: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.seek(SeekFrom::Start(at))?;
        let mut known = 0;
        while known < N {
            match self.read(&mut bytes[known..])? {
                0 => break,
                n => known += n,
            }
        }
        Ok(bytes)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(self.at);
        let want = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let position = self.start + self.at;
        let buffer = &mut buffer[..want];
        let got = match &mut self.bytes {
            Bytes::File(file) => {
                file.seek(SeekFrom::Start(position))?;
                file.read(buffer)?
            }
            Bytes::Memory(memory) => {
                let rest = usize::try_from(position).ok().and_then(|p| memory.get(p..));
                rest.unwrap_or_default().read(buffer)?
            }
        };
        self.at += got as u64;
        Ok(got)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}
