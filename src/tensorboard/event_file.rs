//! A file of events, in TensorFlow's framing of records:
//!
//! ```text
//! u64 length | u32 masked CRC-32C of the length | the event | u32 masked CRC-32C of the event      (little-endian)
//! ```
//!
//! A reader takes whole records and waits for the rest of the last one, so a kill at any moment leaves a file that can be
//! read to the record before.

use super::proto::{Event, START, SessionLog, Summary};
use crate::error::{Error, Result};
use crate::fsutil::{append, create_dir, write_error};
use crc::{CRC_32_ISCSI, Crc};
use prost::Message;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Version of the format in which a [`START`] has readers forget what came after its step.
const VERSION: &str = "brain.Event:2";

/// How the names of event files begin; TensorBoard looks for `tfevents` in them, and reads them in alphabetical order.
const PREFIX: &str = "events.out.tfevents.";

/// Castagnoli's polynomial.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// A CRC as it stands in a record. The CRC of data that holds CRCs is weak, hence the mask.
fn masked(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

fn record(event: &Event, into: &mut Vec<u8>) {
    let body = event.encode_to_vec();
    let length = (body.len() as u64).to_le_bytes();
    into.extend(length);
    into.extend(masked(&length).to_le_bytes());
    into.extend(&body);
    into.extend(masked(&body).to_le_bytes());
}

/// Seconds since 1970; 0 for a clock before.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

/// The number in the name of an event file.
fn stamp(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.split('.').next()?.parse().ok()
}

/// The greatest number in the names of `folder`'s event files; `None` where there are none.
///
/// # Errors
/// When there is a folder that can't be read.
pub fn latest(folder: &Path) -> Result<Option<u64>> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        // A file where a folder should be.
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Err(write_error(folder, &e)),
        entries => entries.map_err(|e| Error::file(folder, e))?,
    };
    let names = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    Ok(names
        .filter(|name| name.contains("tfevents"))
        .map(|name| stamp(&name).unwrap_or(0))
        .max())
}

/// An event file that is being written.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
    told: bool,
}

impl Drop for EventFile {
    /// A file that tells nothing is removed, and the folders that it was made in, if nothing else is there.
    fn drop(&mut self) {
        if !self.told && std::fs::remove_file(&self.path).is_ok() {
            for folder in self.path.ancestors().skip(1).take(2) {
                let _untidy = std::fs::remove_dir(folder);
            }
        }
    }
}

impl EventFile {
    /// A new file in `folder`, which is made if need be; it comes after those that are there, and takes back what they say of
    /// steps beyond `step`.
    ///
    /// # Errors
    /// When the folder can't be made or written to.
    pub fn create(folder: &Path, step: u64) -> Result<Self> {
        create_dir(folder)?;
        let after = latest(folder)?.map_or(0, |latest| latest.saturating_add(1));
        // Later by name whatever the clock says.
        let stamp = after.max(now() as u64);
        let path = folder.join(format!(
            "{PREFIX}{stamp:010}.gtzan-gpu.{}",
            std::process::id()
        ));
        let file = File::options().append(true).create_new(true).open(&path);
        let file = file.map_err(|e| write_error(&path, &e))?;
        let mut events = Self {
            file,
            path,
            told: false,
        };
        let version = Event {
            wall_time: Some(now()),
            file_version: Some(VERSION.to_owned()),
            ..Event::default()
        };
        let start = Event {
            wall_time: Some(now()),
            step: Some(step as i64 + 1),
            session_log: Some(SessionLog {
                status: Some(START),
            }),
            ..Event::default()
        };
        events.write(&[version, start])?;
        Ok(events)
    }

    /// Add the values of a step.
    ///
    /// # Errors
    /// A full disk, and what else the system reports.
    pub fn add(&mut self, step: u64, summary: Summary) -> Result<()> {
        self.told = true;
        self.write(&[Event {
            wall_time: Some(now()),
            step: Some(step as i64),
            summary: Some(summary),
            ..Event::default()
        }])
    }

    fn write(&mut self, events: &[Event]) -> Result<()> {
        let mut bytes = Vec::new();
        for event in events {
            record(event, &mut bytes);
        }
        append(&mut self.file, &self.path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4: 32 zeros; then rotated and added to by hand.
    #[test]
    fn checksums() {
        assert_eq!(CRC.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(masked(&[0; 32]), 0x0fd7_fffa);
    }

    #[test]
    fn later_files_come_later_by_name_whatever_the_clock_says() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(latest(&dir.path().join("none")).unwrap(), None);
        let name = format!("{PREFIX}4000000000.elsewhere");
        std::fs::write(dir.path().join(&name), b"").unwrap();
        for n in 1..4 {
            let mut file = EventFile::create(dir.path(), 0).unwrap();
            file.add(1, Summary::default()).unwrap();
            assert!(file.path.file_name().unwrap() > std::ffi::OsStr::new(&name));
            assert_eq!(latest(dir.path()).unwrap(), Some(4_000_000_000 + n));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_a_sentence() {
        let path = PathBuf::from("/dev/full");
        let file = File::options().append(true).open(&path).unwrap();
        let mut events = EventFile {
            file,
            path,
            told: true,
        };
        let error = events.add(1, Summary::default()).unwrap_err().to_string();
        assert!(
            error.contains("/dev/full: can't be written, the disk is full"),
            "{error}"
        );
    }
}
