//! Ranks that are threads of one process.

use gtzan_gpu::error::{Error, Result};
use gtzan_gpu::train::{Ranks, Team};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Where threads meet: what each has brought to the current exchange, and what all brought to the one before.
#[derive(Debug, Default)]
struct Table {
    brought: Vec<Option<Vec<u8>>>,
    taken: Vec<Vec<u8>>,
    round: u64,
}

/// A rank that is a thread.
#[derive(Debug, Clone)]
struct Thread {
    rank: usize,
    table: Arc<(Mutex<Table>, Condvar)>,
}

impl Team for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.table.0.lock().expect("a table").brought.len()
    }

    fn exchange(&self, own: &[u8], limit: Option<Duration>) -> Result<Vec<Vec<u8>>> {
        let (table, all_there) = &*self.table;
        let until = Instant::now() + limit.unwrap_or(Duration::from_secs(600));
        let mut t = table.lock().expect("a table");
        let round = t.round;
        t.brought[self.rank] = Some(own.to_vec());
        if t.brought.iter().all(Option::is_some) {
            t.taken = t.brought.iter_mut().filter_map(Option::take).collect();
            t.round += 1;
            all_there.notify_all();
        }
        while t.round == round {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::device("a rank did not come"));
            }
            t = all_there.wait_timeout(t, left).expect("a table").0;
        }
        Ok(t.taken.clone())
    }
}

/// Run `work` on as many threads as there shall be ranks; what each returns.
pub fn on_ranks<T: Send>(size: usize, work: impl Fn(&Ranks) -> T + Sync) -> Vec<T> {
    let table = Arc::new((
        Mutex::new(Table {
            brought: vec![None; size],
            ..Table::default()
        }),
        Condvar::new(),
    ));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..size)
            .map(|rank| {
                let table = table.clone();
                let work = &work;
                scope.spawn(move || {
                    let team = Box::new(Thread { rank, table });
                    work(&Ranks::new(team, Duration::from_secs(60)))
                })
            })
            .collect();
        let joined = threads.into_iter().map(|t| t.join().expect("a rank"));
        joined.collect()
    })
}
