//! The ranks of a call: who they are, what they must have in common, whose the folder is.

use super::super::{console, without_effect};
use super::TrainArgs;
use super::show;
use crate::error::{Error, Result};
use crate::nn::Model;
use crate::plan::budget::check_micro_batches;
use crate::train::{
    Fact, PATIENCE, Ranks, RunFolder, Settings, check_ranks, launched_ranks, program_fact,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The ranks that this process was started with, or itself alone. Those that are not the first say nothing from now on.
///
/// # Errors
/// When MPI can't be set up, or they do not run the same program.
pub fn join(args: &TrainArgs) -> Result<Ranks> {
    let launched = launched_ranks();
    if launched < 2 {
        without_effect(
            args.rank_timeout.is_some(),
            "--rank-timeout",
            "on one process, which waits for no other",
        )?;
        return Ok(Ranks::alone());
    }
    let patience = args.rank_timeout.map_or(PATIENCE, Duration::from_secs);
    let ranks = team(launched, patience)?;
    console::set_quiet(!ranks.is_first());
    let compared = program_fact().and_then(|program| ranks.compare(&[program]));
    match compared {
        Ok(()) => Ok(ranks),
        Err(e) => Err(end(&ranks, e)),
    }
}

#[cfg(feature = "mpi")]
fn team(_: usize, patience: Duration) -> Result<Ranks> {
    Ok(Ranks::new(Box::new(crate::train::Mpi::join()?), patience))
}

#[cfg(not(feature = "mpi"))]
fn team(launched: usize, _: Duration) -> Result<Ranks> {
    Err(Error::usage(format!(
        "{launched} ranks were started, but this program was built without MPI, so that each would train a run of its own: build it with `cargo build --release --features mpi`, or start it alone"
    )))
}

/// The other ranks get to know why this one ends; if they did before, the first one says it. It is said here, and not again: when
/// the first rank has left MPI, the launcher may end it at any moment.
pub fn end(ranks: &Ranks, error: Error) -> Error {
    if !ranks.are_several() {
        return error;
    }
    ranks.last_words(&error);
    let said = match ranks.is_first() || ranks.is_told() {
        true => error,
        false => {
            console::set_quiet(false);
            error.context(format!("rank {}", ranks.rank()))
        }
    };
    console::error(&said);
    console::set_quiet(true);
    said
}

/// The settings of ranks: as many micro-batches as ranks where no number was asked for.
///
/// # Errors
/// When the batch can't be cut so, or a run that goes on was not.
pub fn settle(ranks: &Ranks, settings: &mut Settings, resumed: bool) -> Result<()> {
    if !ranks.are_several() {
        return Ok(());
    }
    let size = ranks.size();
    match settings.micro_batches {
        Some(k) => check_ranks(k, size),
        None if resumed => Err(Error::usage(format!(
            "{size} ranks can't go on with a run that was begun without --micro-batches: how its steps are cut follows from the memory of one GPU; go on with one process, or start a new run"
        ))),
        None => {
            check_micro_batches(settings.batch_size, size).map_err(|e| {
                e.advise(format!(
                    "without --micro-batches there are as many as ranks, which are {size}"
                ))
            })?;
            settings.micro_batches = Some(size);
            Ok(())
        }
    }
}

/// Options that may differ from rank to rank: where the data lies, and what machines differ in. What follows from them is compared
/// later.
const OWN: [&str; 6] = ["data", "model", "recipe", "init", "vram", "threads"];

/// What is asked for, which must be the same on all ranks.
///
/// # Errors
/// When a file can't be read.
pub fn asked(settings: &Settings, model: &Model, args: &TrainArgs) -> Result<Vec<Fact>> {
    let same = "start all ranks with the same options";
    let mut facts: Vec<Fact> = (show::list(settings).into_iter())
        .filter(|s| !OWN.contains(&s.name.as_str()))
        .map(|s| Fact::new(&format!("--{}", s.name.replace('_', "-")), s.value, same))
        .collect();
    let resume = format!("{:?}", args.resume.is_some());
    facts.push(Fact::new("--resume", resume, same));
    let text = model.to_toml()?;
    facts.push(Fact::hashed(
        "model",
        text.as_bytes(),
        "give all ranks the same --model",
    ));
    if let Some(path) = &settings.init {
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, e))?;
        facts.push(Fact::hashed(
            "file of weights",
            &bytes,
            "give all ranks the same --init",
        ));
    }
    Ok(facts)
}

/// A run's folder: held by the first rank, known to the others.
pub struct Folder {
    held: Option<RunFolder>,
    path: PathBuf,
}

impl Folder {
    /// Claim the folder of a new run, as [`RunFolder::claim`].
    ///
    /// # Errors
    /// As there.
    pub fn claim(ranks: &Ranks, wanted: Option<&Path>, name: &str) -> Result<Self> {
        Self::of(ranks, || RunFolder::claim(wanted, name))
    }

    /// Hold the folder of a run that goes on, as [`RunFolder::hold`].
    ///
    /// # Errors
    /// As there.
    pub fn hold(ranks: &Ranks, path: &Path) -> Result<Self> {
        Self::of(ranks, || RunFolder::hold(path))
    }

    fn of(ranks: &Ranks, take: impl FnOnce() -> Result<RunFolder>) -> Result<Self> {
        let mut held = None;
        let path = ranks.of_first(|| {
            let folder = take()?;
            let path = folder.path().to_string_lossy().into_owned();
            held = Some(folder);
            Ok(path.into_bytes())
        })?;
        let path = match &held {
            Some(folder) => folder.path().to_owned(),
            None => PathBuf::from(String::from_utf8_lossy(&path).into_owned()),
        };
        Ok(Self { held, path })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As [`RunFolder::warning`].
    pub fn warning(&self) -> Option<&str> {
        self.held.as_ref().and_then(RunFolder::warning)
    }

    /// As [`RunFolder::begin`].
    pub fn begin(&mut self) {
        if let Some(folder) = &mut self.held {
            folder.begin();
        }
    }
}

/// The bytes of a file that the first rank reads for all; none where there is no such file.
///
/// # Errors
/// When it is there and can't be read.
pub fn file(ranks: &Ranks, path: &Path) -> Result<Option<Vec<u8>>> {
    let bytes = ranks.of_first(|| match std::fs::read(path) {
        Ok(bytes) => Ok([&[THERE], &bytes[..]].concat()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::file(path, format!("can't be read: {e}"))),
    })?;
    Ok(bytes.strip_prefix(&[THERE]).map(<[u8]>::to_vec))
}

/// In front of the bytes of a file that is there.
const THERE: u8 = 1;

/// Load on the first rank of each machine, then on the others, which find in its cache what it has computed.
///
/// # Errors
/// The error of the first rank that has one.
pub fn in_turn<T>(ranks: &Ranks, load: impl Fn() -> Result<T>) -> Result<T> {
    let early = match ranks.local_rank() {
        0 => load().map(Some),
        _ => Ok(None),
    };
    let early = ranks.agree_on_data(early)?;
    ranks.agree_on_data(match early {
        Some(loaded) => Ok(loaded),
        None => load(),
    })
}
