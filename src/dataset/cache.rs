//! Features kept between runs: one file for each folder, feature definition and selection.
//!
//! The file is safetensors: `x` (samples, rows, frames) and, as metadata, a JSON index with one
//! entry per audio file. An entry holds for a file with the same *content hash* (blake3). Hashing
//! a whole set costs seconds, so, as in git's index, a file whose size, times and inode are
//! unchanged counts as the same unless it changed so shortly before the cache was written that
//! the clock could not tell. (The modification time alone moves with a file that takes another's name.) A checksum over index and data is verified on every load; a file
//! that is damaged, half-written or from another version counts as no cache at all.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use safetensors::Dtype;
use serde::{Deserialize, Serialize};

use super::{ContentId, Options};
use crate::error::{Error, Result};
use crate::features::{FRAMES, ROWS};
use crate::tensor_bytes::{self, TensorBytes};

/// Raised whenever the features of the same audio change, or what the index says of them.
const FEATURES_VERSION: u32 = 6;
/// The metadata key of the index.
const KEY: &str = "gtzan-gpu-cache";
/// Times closer than this to the writing of the cache prove nothing (FAT counts in
/// steps of 2 s).
const CLOCK_STEP_NS: u64 = 2_000_000_000;

/// What the file system says of a version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    size: u64,
    modified_ns: u64,
    /// When the file came to be what and where it is: Unix's ctime, which no program can set; elsewhere the time of creation, which
    /// moves with a file.
    changed_ns: u64,
    /// 0 where there is none.
    inode: u64,
}

impl State {
    pub(super) fn of(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|e| Error::file(path, e))?;
        let ns = |time: io::Result<SystemTime>| {
            let since = time.ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            since.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
        };
        #[cfg(unix)]
        let (changed_ns, inode) = {
            use std::os::unix::fs::MetadataExt;
            let ns =
                i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
            (u64::try_from(ns).unwrap_or(0), metadata.ino())
        };
        #[cfg(not(unix))]
        let (changed_ns, inode) = (ns(metadata.created()), 0);
        Ok(Self {
            size: metadata.len(),
            modified_ns: ns(metadata.modified()),
            changed_ns,
            inode,
        })
    }
}

/// Whether a file that still is in `state` is unchanged since the cache was written: not if it changed so shortly before that the clock
/// could not tell.
fn is_proof(state: &State, written_ns: u64) -> bool {
    let latest = state.modified_ns.max(state.changed_ns);
    state.modified_ns != 0 && latest.saturating_add(CLOCK_STEP_NS) < written_ns
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What identifies a version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    #[serde(flatten)]
    state: State,
    /// blake3 of the content, in hex.
    content: String,
}

impl Fingerprint {
    /// Of a file that was in the state `before` when its features were about to be computed; reads it whole. `None` when it has
    /// changed since, so that the features may be of the earlier content or of half of each.
    pub(super) fn of_unchanged(path: &Path, before: State) -> Option<Self> {
        let content = hash_content(path).ok()?;
        (State::of(path).ok()? == before).then_some(Self {
            state: before,
            content,
        })
    }
}

fn hash_content(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    File::open(path)
        .and_then(|file| hasher.update_reader(file).map(|_| ()))
        .map_err(|e| Error::file(path, e))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The features of one file as they were kept.
pub(super) struct Cached {
    fingerprint: Fingerprint,
    /// Whether an unchanged size and time prove an unchanged file.
    time_is_proof: bool,
    pub content: ContentId,
    pub left_out: Option<String>,
    /// (samples, rows, frames).
    pub features: Vec<f32>,
}

impl Cached {
    /// The up-to-date fingerprint of `path`, if its content is what these features were computed
    /// from, and whether that took its content, and will not if the cache is written again.
    pub(super) fn holds_for(&self, path: &Path) -> Option<(Fingerprint, bool)> {
        let state = State::of(path).ok()?;
        if state.size != self.fingerprint.state.size {
            return None;
        }
        if state == self.fingerprint.state && self.time_is_proof {
            return Some((self.fingerprint.clone(), false));
        }
        let fingerprint = Fingerprint::of_unchanged(path, state)?;
        let proof = is_proof(&state, now_ns());
        (fingerprint.content == self.fingerprint.content).then_some((fingerprint, proof))
    }
}

/// One file in the index.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    /// The track's name.
    pub name: String,
    /// What the track is known by.
    pub content: ContentId,
    pub fingerprint: Fingerprint,
    /// How many samples of `x` are its own.
    pub samples: usize,
    /// What of the file could not be decoded, in words.
    pub left_out: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Index {
    settings: String,
    entries: Vec<Entry>,
    /// blake3 of the entries' JSON and of `x`.
    checksum: String,
}

/// Where the features of one folder under given settings are kept.
pub(super) struct Cache {
    path: PathBuf,
    settings: String,
}

impl Cache {
    /// The cache of `folder` below `cache_dir`; nothing is read yet.
    pub(super) fn new(cache_dir: &Path, folder: &Path, options: &Options) -> Self {
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
        let settings = format!(
            "features {FEATURES_VERSION}, {:?}, {:?}, limit {:?}, {ROWS} x {FRAMES}",
            options.definition, options.segments, options.limit
        );
        let mut hasher = blake3::Hasher::new();
        hasher.update(folder.as_os_str().as_encoded_bytes());
        hasher.update(b"\0");
        hasher.update(settings.as_bytes());
        let key = &hasher.finalize().to_hex()[..16];
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        Self {
            path: cache_dir.join(format!("{name}-{key}.safetensors")),
            settings,
        }
    }

    /// What is kept, by track name. Empty if there is no cache file yet.
    ///
    /// # Errors
    /// If there is a file and it can't be used: say why and compute everything.
    pub(super) fn load(&self) -> Result<HashMap<String, Cached>> {
        if !self.path.exists() {
            return Ok(HashMap::new());
        }
        self.read().map_err(|why| {
            Error::file(
                &self.path,
                format!("the feature cache {why}: computed again"),
            )
        })
    }

    fn read(&self) -> Result<HashMap<String, Cached>, String> {
        let own = State::of(&self.path).map_err(|e| format!("can't be read ({e})"))?;
        let length = own.size;
        let unreadable = |e: io::Error| format!("is cut short or can't be read ({e})");
        let file = File::open(&self.path).map_err(unreadable)?;
        let mut file = BufReader::with_capacity(1 << 20, file);

        // Safetensors: the length of a JSON header, the header, the data. Streamed, so that the
        // features are in memory once only.
        let mut header_length = [0; 8];
        file.read_exact(&mut header_length).map_err(unreadable)?;
        let header_length = u64::from_le_bytes(header_length);
        if header_length > length.saturating_sub(8) {
            return Err("has a damaged header".into());
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header).map_err(unreadable)?;
        let damaged = |_| String::from("has a damaged header");
        let header: serde_json::Value = serde_json::from_slice(&header).map_err(damaged)?;
        let index = header["__metadata__"][KEY].as_str().unwrap_or_default();
        let index: Index = serde_json::from_str(index).map_err(damaged)?;
        if index.settings != self.settings {
            return Err("is from another version".into());
        }

        let sample = (ROWS * FRAMES) as u64;
        let bytes = index.entries.iter().try_fold(0u64, |sum, e| {
            sum.checked_add((e.samples as u64).checked_mul(sample * 4)?)
        });
        if bytes != Some(length - 8 - header_length) {
            return Err("is cut short or has a damaged index".into());
        }
        let mut hasher = checksum_of(&index.entries);
        let mut kept = HashMap::new();
        for entry in index.entries {
            let mut features = vec![0f32; entry.samples * ROWS * FRAMES];
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut features);
            file.read_exact(bytes).map_err(unreadable)?;
            hasher.update(bytes);
            if cfg!(target_endian = "big") {
                features
                    .iter_mut()
                    .for_each(|v| *v = f32::from_bits(v.to_bits().swap_bytes()));
            }
            let time_is_proof = is_proof(&entry.fingerprint.state, own.modified_ns);
            let cached = Cached {
                content: entry.content,
                left_out: entry.left_out,
                fingerprint: entry.fingerprint,
                time_is_proof,
                features,
            };
            kept.insert(entry.name, cached);
        }
        if hasher.finalize().to_hex().as_str() != index.checksum {
            return Err("is damaged (its checksum does not match)".into());
        }
        Ok(kept)
    }

    /// Replaces the cache file; `x` holds the entries' samples one after the other.
    pub(super) fn store(&self, entries: Vec<Entry>, x: &[f32]) -> Result<()> {
        let x = TensorBytes {
            name: "x",
            dtype: Dtype::F32,
            shape: vec![x.len() / (ROWS * FRAMES), ROWS, FRAMES],
            bytes: tensor_bytes::of_f32(x),
        };
        let mut hasher = checksum_of(&entries);
        hasher.update(&x.bytes);
        let index = Index {
            settings: self.settings.clone(),
            checksum: hasher.finalize().to_hex().to_string(),
            entries,
        };
        let index = serde_json::to_string(&index).map_err(|e| Error::file(&self.path, e))?;
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir).map_err(|e| {
                Error::file(dir, format!("can't be made for the feature cache: {e}"))
            })?;
        }
        tensor_bytes::write(&self.path, &[x], &BTreeMap::from([(KEY.to_owned(), index)]))
    }
}

/// A hasher that has already taken in the entries.
fn checksum_of(entries: &[Entry]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    for e in entries {
        hasher.update(e.name.as_bytes());
        hasher.update(e.content.to_string().as_bytes());
        hasher.update(e.fingerprint.content.as_bytes());
        hasher.update(e.left_out.as_deref().unwrap_or_default().as_bytes());
        let state = e.fingerprint.state;
        for number in [
            state.size,
            state.modified_ns,
            state.changed_ns,
            state.inode,
            e.samples as u64,
        ] {
            hasher.update(&number.to_le_bytes());
        }
    }
    hasher
}
