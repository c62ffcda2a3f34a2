//! Ranks that `mpirun` has started: bytes over MPI, by rsmpi's bindings.
//!
//! All goes by messages that don't block, asked for until they are there or until time is up: a collective operation of MPI, or one
//! of rsmpi's requests, would wait for a dead rank for ever. Where MPI reports an error, it is returned and doesn't abort.

use super::Team;
use crate::error::{Error, Result};
use mpi::environment::Universe;
use mpi::ffi;
use mpi::traits::{AsRaw, Communicator};
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The ranks that `mpirun` has started.
pub struct Mpi {
    rank: usize,
    size: usize,
    local_rank: usize,
    /// One exchange at a time; whether one has failed, after which nothing can be told any more.
    state: Mutex<State>,
    universe: ManuallyDrop<Universe>,
}

#[derive(Debug, Default)]
struct State {
    broken: bool,
}

/// Most bytes of one message: MPI counts with 31 bits.
const PIECE: usize = 1 << 28;

/// How often is asked whether messages have come: at first without a pause, then with one, so that ranks that share cores leave
/// them to those that compute.
const EAGER: Duration = Duration::from_micros(200);
const PAUSE: Duration = Duration::from_micros(100);

impl std::fmt::Debug for Mpi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.size)
    }
}

impl Mpi {
    /// Join the ranks that this process was started with.
    ///
    /// # Errors
    /// When MPI can't be set up here.
    pub fn join() -> Result<Self> {
        let failed = || {
            Error::device(
                "MPI can't be set up; start the ranks with mpirun of the MPI that this program was built with",
            )
        };
        let (universe, level) =
            mpi::initialize_with_threading(mpi::Threading::Serialized).ok_or_else(failed)?;
        if level < mpi::Threading::Serialized {
            return Err(failed());
        }
        let world = universe.world();
        // SAFETY: MPI is initialised, and the communicator lives as long as it.
        let code =
            unsafe { ffi::MPI_Comm_set_errhandler(world.as_raw(), ffi::RSMPI_ERRORS_RETURN) };
        check(code, "setting it up")?;
        Ok(Self {
            rank: world.rank() as usize,
            size: world.size() as usize,
            local_rank: world.split_shared(world.rank()).rank() as usize,
            state: Mutex::default(),
            universe: ManuallyDrop::new(universe),
        })
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        let broken = self.state.lock().map_or(true, |state| state.broken);
        // MPI's end waits for all ranks. When one is missing, only the process may end, upon which mpirun ends the others.
        if !broken && !std::thread::panicking() {
            // SAFETY: it is dropped here only, and not used any more.
            unsafe { ManuallyDrop::drop(&mut self.universe) };
        }
    }
}

impl Team for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn local_rank(&self) -> usize {
        self.local_rank
    }

    fn exchange(&self, own: &[u8], limit: Option<Duration>) -> Result<Vec<Vec<u8>>> {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        // The first rank loses patience first: it is the one that speaks.
        let extra = Duration::from_secs(if self.rank == 0 { 0 } else { 5 });
        let until = limit.map(|limit| (Instant::now() + limit + extra, limit));
        let all = self.transfer(own, until);
        state.broken |= all.is_err();
        all
    }
}

impl Mpi {
    fn transfer(&self, own: &[u8], until: Option<(Instant, Duration)>) -> Result<Vec<Vec<u8>>> {
        let length = (own.len() as u64).to_le_bytes().to_vec();
        let lengths = vec![vec![0u8; size_of::<u64>()]; self.size];
        let lengths = self.swap(length, lengths, until)?;
        let mut all: Vec<Vec<u8>> = Vec::with_capacity(self.size);
        for (rank, length) in lengths.iter().enumerate() {
            let bytes = <[u8; 8]>::try_from(&length[..]).map_or(0, u64::from_le_bytes);
            let mut buffer = Vec::new();
            let room = usize::try_from(bytes).ok();
            if room.is_none_or(|n| buffer.try_reserve_exact(n).is_err()) {
                return Err(Error::data(format!(
                    "rank {rank} brings {bytes} bytes, for which there is no memory"
                )));
            }
            buffer.resize(room.unwrap_or(0), 0);
            all.push(buffer);
        }
        let mut all = self.swap(own.to_vec(), all, until)?;
        all[self.rank] = own.to_vec();
        Ok(all)
    }

    /// Send `own` to every other rank, and fill each one's buffer with what it sends. After an error MPI may still read and write
    /// in the buffers, so that they are never freed; the process is about to end.
    fn swap(
        &self,
        own: Vec<u8>,
        all: Vec<Vec<u8>>,
        until: Option<(Instant, Duration)>,
    ) -> Result<Vec<Vec<u8>>> {
        let mut buffers = ManuallyDrop::new((own, all));
        let (own, all) = &mut *buffers;
        let mut open = Open::default();
        for (rank, buffer) in all.iter_mut().enumerate() {
            for piece in buffer.chunks_mut(PIECE).filter(|_| rank != self.rank) {
                open.receive(self, rank, piece)?;
            }
        }
        for rank in (0..self.size).filter(|&rank| rank != self.rank) {
            for piece in own.chunks(PIECE) {
                open.send(self, rank, piece)?;
            }
        }
        open.finish(until)?;
        Ok(ManuallyDrop::into_inner(buffers).1)
    }
}

/// Messages on their way, and the rank at the other end of each.
#[derive(Default)]
struct Open(Vec<(ffi::MPI_Request, usize)>);

/// All messages go between the same pairs in the same order, so one tag will do.
const TAG: c_int = 1;

impl Open {
    fn receive(&mut self, mpi: &Mpi, rank: usize, piece: &mut [u8]) -> Result<()> {
        // SAFETY: `swap` leaves the buffer alone until the request is done, or for ever.
        let (code, request) = started(|request| unsafe {
            ffi::MPI_Irecv(
                piece.as_mut_ptr().cast::<c_void>(),
                piece.len() as c_int,
                ffi::RSMPI_UINT8_T,
                rank as c_int,
                TAG,
                mpi.universe.world().as_raw(),
                request,
            )
        });
        self.0.push((request, rank));
        check(code, "receiving")
    }

    fn send(&mut self, mpi: &Mpi, rank: usize, piece: &[u8]) -> Result<()> {
        // SAFETY: as in `receive`; MPI only reads it.
        let (code, request) = started(|request| unsafe {
            ffi::MPI_Isend(
                piece.as_ptr().cast::<c_void>(),
                piece.len() as c_int,
                ffi::RSMPI_UINT8_T,
                rank as c_int,
                TAG,
                mpi.universe.world().as_raw(),
                request,
            )
        });
        self.0.push((request, rank));
        check(code, "sending")
    }

    /// Wait until all are done, or until it is too late.
    fn finish(&mut self, until: Option<(Instant, Duration)>) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut rest = Vec::new();
            for (mut request, rank) in self.0.drain(..) {
                let mut done: c_int = 0;
                // SAFETY: the request is one that MPI gave out and that is not done.
                let code =
                    unsafe { ffi::MPI_Test(&mut request, &mut done, ffi::RSMPI_STATUS_IGNORE) };
                check(
                    code,
                    &format!("a message between this rank and rank {rank}"),
                )?;
                if done == 0 {
                    rest.push((request, rank));
                }
            }
            self.0 = rest;
            if self.0.is_empty() {
                return Ok(());
            }
            if let Some((until, limit)) = until
                && Instant::now() >= until
            {
                return Err(self.late(limit));
            }
            if began.elapsed() > EAGER {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// That ranks have not come, and which.
    fn late(&self, limit: Duration) -> Error {
        let mut ranks: Vec<usize> = self.0.iter().map(|(_, rank)| *rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let list: Vec<String> = ranks.iter().map(|rank| format!("rank {rank}")).collect();
        Error::device(format!(
            "{} did not come to where the others wait within {} s; it has died or is much slower: see to it, or raise --rank-timeout",
            list.join(", "),
            limit.as_secs_f64()
        ))
    }
}

/// Start a request.
fn started(start: impl FnOnce(*mut ffi::MPI_Request) -> c_int) -> (c_int, ffi::MPI_Request) {
    // SAFETY: the constant is set when MPI is initialised, which it is where there are messages.
    let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
    let code = start(&mut request);
    (code, request)
}

/// What MPI says of a code that is not success.
fn check(code: c_int, what: &str) -> Result<()> {
    if code == ffi::MPI_SUCCESS as c_int {
        return Ok(());
    }
    let mut text = vec![0u8; ffi::MPI_MAX_ERROR_STRING as usize];
    let mut length: c_int = 0;
    // SAFETY: the buffer is as long as MPI asks for.
    unsafe { ffi::MPI_Error_string(code, text.as_mut_ptr().cast(), &mut length) };
    text.truncate(length.max(0) as usize);
    Err(Error::device(format!(
        "MPI: {what} failed: {}",
        String::from_utf8_lossy(&text)
    )))
}
