//! Exercises: kernels with a hole or a planted fault, and what a right one has to pass.
//!
//! An exercise is a folder `NN_name` with `README.md` (the task), `kernel.wgsl` (what the student edits; `plan.toml` where the task is no
//! kernel but a memory plan) and `exercise.toml` ([`Exercise`]). The solution is the program's own kernel of that name, so an exercise never
//! falls behind it, unless `solutions/` has one that explains itself better.

mod address;
mod check;
mod counted;
mod placement;

pub use check::{Verdict, check};
pub use counted::{Counted, What};

use crate::error::{Error, Result};
use crate::fsutil::{atomic_write, write_if_missing};
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All exercises as they are handed out.
static HANDED_OUT: Dir = include_dir!("$CARGO_MANIFEST_DIR/exercises");

/// Solutions where the program's own kernel is none, named like the exercises' folders.
static SOLUTIONS: Dir = include_dir!("$CARGO_MANIFEST_DIR/src/exercise/solutions");

/// The student's file in an exercise's folder: a kernel, or places of tensors.
const KERNEL: &str = "kernel.wgsl";
const PLAN: &str = "plan.toml";

/// What was solved, in the folder of exercises.
const SOLVED: &str = "solved.toml";

/// `exercise.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    title: String,
    #[serde(default)]
    kernel: String,
    #[serde(default)]
    check: String,
    #[serde(default)]
    placement: bool,
    rung: Option<String>,
    #[serde(default)]
    refused: bool,
    hint: String,
    #[serde(default)]
    counted: Vec<Counted>,
    barriers_in_loops: Option<usize>,
    faster: Option<Faster>,
    compiled: Option<Compiled>,
}

/// How much faster than another rung the solved kernel has to be, on the device at hand.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faster {
    /// The ladder, e.g. `dense.backward_input`.
    pub family: String,
    /// The rung that the kernel belongs to.
    pub rung: String,
    /// The rung it is compared with.
    pub than: String,
    /// The problem, as `bench --shape` takes it.
    pub shape: String,
    /// Least ratio of times, theirs to ours.
    pub by: f64,
}

/// What a GPU's compiler must make of the solved kernel.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compiled {
    /// A chip that RADV knows.
    pub target: String,
    /// The op's case that the kernel is compiled for.
    pub case: String,
    /// Most bytes that an invocation loads from memory per multiply-add.
    pub memory_bytes: Option<f64>,
    /// Most bytes that it loads from workgroup memory per multiply-add.
    pub workgroup_bytes: Option<f64>,
}

/// An exercise as it lies in a folder.
#[derive(Debug, Clone)]
pub struct Exercise {
    /// From 1 on, in order of difficulty.
    pub number: usize,
    /// Its folder.
    pub folder: PathBuf,
    /// What it is about, in a few words.
    pub title: String,
    /// Whether the student's file is a memory plan; then there is no kernel and no op.
    pub placement: bool,
    /// The kernel that the student's file stands in for, e.g. `relu/backward`.
    pub kernel: String,
    /// The op whose gradient check it has to pass.
    pub op: String,
    /// The rung that is checked, as `family:rung`; all of the op's where there is none.
    pub rung: Option<String>,
    /// Whether the file as handed out does not compile, which is what the exercise is about.
    pub refused: bool,
    /// A push in the right direction.
    pub hint: String,
    /// What accesses to memory may cost, by the addresses that functions of the kernel give.
    pub counted: Vec<Counted>,
    /// The most barriers that may stand in loops.
    pub barriers_in_loops: Option<usize>,
    /// A ratio of times to reach.
    pub faster: Option<Faster>,
    /// Figures of a compiler to reach.
    pub compiled: Option<Compiled>,
}

impl Exercise {
    /// The file that the student edits.
    pub fn file(&self) -> PathBuf {
        self.folder.join(self.file_name())
    }

    fn file_name(&self) -> &'static str {
        if self.placement { PLAN } else { KERNEL }
    }

    /// The folder's name, by which progress is kept.
    fn key(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The text of the task.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn task(&self) -> Result<String> {
        read(&self.folder.join("README.md"))
    }

    /// The solution: the one made for the exercise, else the program's own kernel, or its own placement.
    ///
    /// # Errors
    /// When there is none: the description is wrong.
    pub fn solution(&self) -> Result<String> {
        let none = |what: String| {
            let file = self.folder.join("exercise.toml");
            Error::data(format!("{}: {what}", file.display()))
        };
        if self.placement {
            let given = handed_out(self)
                .ok_or_else(|| none("not one of the program's plans".to_owned()))?;
            return placement::solution(given);
        }
        let made = SOLUTIONS.get_file(format!("{}.wgsl", self.key()));
        if let Some(text) = made.and_then(|f| f.contents_utf8()) {
            return Ok(text.to_owned());
        }
        let all = crate::ops::built_in_files();
        let found = all.into_iter().find(|(name, _)| *name == self.kernel);
        let found = found.map(|(_, text)| text.to_owned());
        found.ok_or_else(|| none(format!("there is no kernel {}", self.kernel)))
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .map_err(|e| Error::data(format!("{}: can't read it: {e}", path.display())))
}

/// The exercises in a folder, in order.
///
/// # Errors
/// When the folder can't be read or has none, or a description is wrong.
pub fn all(dir: &Path) -> Result<Vec<Exercise>> {
    let none = |why: &str| {
        Error::usage(format!(
            "{}: {why}; `gtzan-gpu exercise --start {0}` writes the exercises there",
            dir.display()
        ))
    };
    let entries = fs::read_dir(dir).map_err(|e| none(&format!("no exercises here ({e})")))?;
    let mut found = Vec::new();
    for entry in entries {
        let folder = entry.map_err(|e| none(&e.to_string()))?.path();
        let file = folder.join("exercise.toml");
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let number = name.split('_').next().and_then(|n| n.parse().ok());
        let (Some(number), true) = (number, file.is_file()) else {
            continue;
        };
        let text = read(&file)?;
        let d: Description = toml::from_str(&text)
            .map_err(|e| Error::data(format!("{}: {}", file.display(), e.message())))?;
        if d.placement == (!d.kernel.is_empty() && !d.check.is_empty()) {
            let why = "an exercise has `kernel` and `check`, or else `placement = true`";
            return Err(Error::data(format!("{}: {why}", file.display())));
        }
        found.push(Exercise {
            number,
            folder,
            title: d.title,
            placement: d.placement,
            counted: d.counted,
            barriers_in_loops: d.barriers_in_loops,
            kernel: d.kernel,
            op: d.check,
            rung: d.rung,
            refused: d.refused,
            hint: d.hint,
            faster: d.faster,
            compiled: d.compiled,
        });
    }
    if found.is_empty() {
        return Err(none("no exercises here"));
    }
    found.sort_by_key(|e| e.number);
    Ok(found)
}

/// Write the exercises into a folder, without touching what is there; how many files were written.
///
/// # Errors
/// When a file can't be written.
pub fn start(dir: &Path) -> Result<usize> {
    let mut written = 0;
    for folder in HANDED_OUT.dirs() {
        for file in folder.files() {
            let new = write_if_missing(dir.join(file.path()), file.contents())?;
            written += usize::from(new);
        }
    }
    Ok(written)
}

/// The student's file of an exercise as it is handed out; none for one that is not the program's.
pub fn handed_out(exercise: &Exercise) -> Option<&'static str> {
    let path = Path::new(&exercise.key()).join(exercise.file_name());
    HANDED_OUT.get_file(path)?.contents_utf8()
}

/// Where an exercise stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// As it was handed out.
    Untouched,
    /// Edited, and not seen right yet.
    Begun,
    /// Seen right as it stands.
    Solved,
}

/// Which exercises were seen right, by the hash of the file that was.
///
/// # Errors
/// When what is kept can't be read.
pub fn progress(dir: &Path, exercises: &[Exercise]) -> Result<Vec<Progress>> {
    let solved = solved(dir)?;
    exercises
        .iter()
        .map(|e| {
            let text = read(&e.file())?;
            Ok(if solved.get(&e.key()) == Some(&hash(&text)) {
                Progress::Solved
            } else if handed_out(e) == Some(text.as_str()) {
                Progress::Untouched
            } else {
                Progress::Begun
            })
        })
        .collect()
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn solved(dir: &Path) -> Result<BTreeMap<String, String>> {
    let path = dir.join(SOLVED);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    toml::from_str(&read(&path)?)
        .map_err(|e| Error::data(format!("{}: {}", path.display(), e.message())))
}

/// Remember that an exercise's file is right as it stands.
///
/// # Errors
/// When it can't be written down.
pub fn remember(dir: &Path, exercise: &Exercise) -> Result<()> {
    let mut solved = solved(dir)?;
    solved.insert(exercise.key(), hash(&read(&exercise.file())?));
    let text = toml::to_string(&solved)
        .map_err(|e| Error::data(format!("can't write down what was solved: {e}")))?;
    atomic_write(dir.join(SOLVED), text.as_bytes())
}
