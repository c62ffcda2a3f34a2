//! Several processes that train one run together: ranks, each with a share of every batch and a GPU of its own.
//!
//! A step is cut into micro-batches, of which each rank computes some. What they give (gradients, batch statistics, losses) goes
//! to every rank, and every rank adds all of it up on its own GPU, in the order in which one process would: so all ranks keep the
//! same weights, and they are those of one process with as many micro-batches, bit for bit.
//!
//! [`Team`] carries bytes, and is all that depends on MPI; [`Ranks`] is what they mean. All ranks run the same program, and come to
//! the same exchanges in the same order. One that fails brings its sentence to the next exchange instead of its bytes, so that all
//! end together and none waits for one that is gone.

mod facts;
#[cfg(feature = "mpi")]
mod mpi;

pub use facts::{Fact, data as data_facts, kernels as kernel_facts, program as program_fact};
#[cfg(feature = "mpi")]
pub use mpi::Mpi;

use crate::error::{Error, ErrorKind, Result};
use std::fmt::Debug;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What carries bytes between ranks.
pub trait Team: Debug + Send + Sync {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// Number of this rank among those on the same machine, from 0.
    fn local_rank(&self) -> usize {
        self.rank()
    }

    /// Give `own` to all ranks, and return what each gave, in the order of ranks. Returns when all have come.
    ///
    /// # Errors
    /// When a rank has not come within `limit` (none: wait for ever), or can't be reached.
    fn exchange(&self, own: &[u8], limit: Option<Duration>) -> Result<Vec<Vec<u8>>>;
}

/// One process, which is all ranks.
#[derive(Debug)]
struct Alone;

impl Team for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn exchange(&self, own: &[u8], _: Option<Duration>) -> Result<Vec<Vec<u8>>> {
        Ok(vec![own.to_vec()])
    }
}

/// How long a rank waits for the others in a step, if nothing else is said.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How many times as long it waits for what is not a step: data that others read, validation.
const LONGER: u32 = 6;

/// How long a rank that ends waits for the others to hear it. One that is busy longer is ended by the launcher.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The ranks of a run, as one of them sees them.
#[derive(Debug)]
pub struct Ranks {
    team: Box<dyn Team>,
    patience: Duration,
    /// Why the run ended is known to all ranks.
    told: AtomicBool,
    /// A rank did not come: no exchange will ever succeed again.
    broken: AtomicBool,
}

/// A first byte of what a rank brings: bytes, or the sentence that ends the run.
const BYTES: u8 = 0;
const SENTENCE: u8 = 1;

impl Ranks {
    /// One process.
    pub fn alone() -> Self {
        Self::new(Box::new(Alone), PATIENCE)
    }

    /// The ranks of a team, which wait for each other for `patience` in a step.
    pub fn new(team: Box<dyn Team>, patience: Duration) -> Self {
        Self {
            team,
            patience,
            told: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        }
    }

    /// Number of this rank, from 0.
    pub fn rank(&self) -> usize {
        self.team.rank()
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.team.size()
    }

    /// Number of this rank among those on the same machine.
    pub fn local_rank(&self) -> usize {
        self.team.local_rank()
    }

    /// Whether this is the rank that writes, prints and validates.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Whether there are several.
    pub fn are_several(&self) -> bool {
        self.size() > 1
    }

    /// Whether why the run ended has come to all ranks, so that the first one says it.
    pub fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// All ranks have come to the same end by themselves: the first one says it.
    pub fn all_know(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// The micro-batches of `all` that this rank computes: neighbours, as many as any other has or one less.
    pub fn own(&self, all: usize) -> Range<usize> {
        let (rank, size) = (self.rank(), self.size());
        rank * all / size..(rank + 1) * all / size
    }

    /// Give this rank's bytes to all ranks, and get those of each; or end them all with this rank's error.
    ///
    /// # Errors
    /// The error of the first rank that has one, the same on all of them; when a rank does not come in time.
    pub fn share(&self, own: Result<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        self.share_within(own, Some(self.patience))
    }

    fn share_within(&self, own: Result<Vec<u8>>, limit: Option<Duration>) -> Result<Vec<Vec<u8>>> {
        if !self.are_several() {
            return Ok(vec![own?]);
        }
        let message = match &own {
            Ok(bytes) => [&[BYTES], &bytes[..]].concat(),
            Err(error) => {
                let text = error.to_string();
                [&[SENTENCE, error.kind().number()], text.as_bytes()].concat()
            }
        };
        let mut all = self.team.exchange(&message, limit).inspect_err(|_| {
            self.broken.store(true, Ordering::Relaxed);
        })?;
        for (rank, message) in all.iter().enumerate() {
            if let [SENTENCE, kind, text @ ..] = &message[..] {
                self.told.store(true, Ordering::Relaxed);
                let error = Error::new(
                    ErrorKind::numbered(*kind),
                    String::from_utf8_lossy(text).into_owned(),
                );
                return Err(match rank {
                    0 => error,
                    _ => error.context(format!("rank {rank}")),
                });
            }
        }
        for message in &mut all {
            if !message.is_empty() {
                message.remove(0);
            }
        }
        Ok(all)
    }

    /// Go on only if all ranks can.
    ///
    /// # Errors
    /// As [`Ranks::share`].
    pub fn agree<T>(&self, own: Result<T>) -> Result<T> {
        self.agree_within(own, Some(self.patience))
    }

    /// [`Ranks::agree`] on what takes machines of different times: reading the data.
    ///
    /// # Errors
    /// As [`Ranks::share`].
    pub fn agree_on_data<T>(&self, own: Result<T>) -> Result<T> {
        self.agree_within(own, Some(self.patience.saturating_mul(LONGER)))
    }

    /// [`Ranks::agree`] on what only the first rank does while all others wait, however long it takes.
    ///
    /// # Errors
    /// As [`Ranks::share`].
    pub fn wait_for_first<T>(&self, own: Result<T>) -> Result<T> {
        self.agree_within(own, None)
    }

    fn agree_within<T>(&self, own: Result<T>, limit: Option<Duration>) -> Result<T> {
        match own {
            Ok(value) => self.share_within(Ok(Vec::new()), limit).map(|_| value),
            Err(error) => match self.share_within(Err(error.clone()), limit) {
                Err(first) => Err(first),
                Ok(_) => Err(error),
            },
        }
    }

    /// What the first rank makes, on all ranks. `make` is called there only.
    ///
    /// # Errors
    /// As [`Ranks::share`], `make`'s among them.
    pub fn of_first(&self, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
        let own = match self.is_first() {
            true => make(),
            false => Ok(Vec::new()),
        };
        let mut all = self.share_within(own, Some(self.patience.saturating_mul(LONGER)))?;
        Ok(all.swap_remove(0))
    }

    /// Do something on the first rank only; all end if it fails.
    ///
    /// # Errors
    /// As [`Ranks::share`], those of `what` among them.
    pub fn on_first(&self, what: impl FnOnce() -> Result<()>) -> Result<()> {
        let own = match self.is_first() {
            true => what(),
            false => Ok(()),
        };
        self.agree(own)
    }

    /// Whether any rank says so.
    ///
    /// # Errors
    /// As [`Ranks::share`].
    pub fn any(&self, own: bool) -> Result<bool> {
        let all = self.share(Ok(vec![u8::from(own)]))?;
        Ok(all.iter().any(|said| said[..] == [1]))
    }

    /// Tell the other ranks why this one ends, unless they know: they come to their next exchange and end with it.
    pub fn last_words(&self, error: &Error) {
        let pointless = self.is_told() || self.broken.load(Ordering::Relaxed);
        if self.are_several() && !pointless {
            // What becomes of it changes nothing: this rank ends anyway.
            let _told = self.share_within(Err(error.clone()), Some(LAST_WORDS.min(self.patience)));
        }
    }
}

/// How many ranks the launcher says it has started, this process among them; 1 without one.
pub fn launched_ranks() -> usize {
    // Open MPI; MPICH and its kin, and what speaks their protocol.
    ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]
        .iter()
        .find_map(|name| std::env::var(name).ok()?.parse().ok())
        .unwrap_or(1)
}
