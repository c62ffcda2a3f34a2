//! Faults on demand, so that tests can see what becomes of a run when the driver refuses something or the device goes away.
//!
//! Outside tests nothing is ever asked for, and all that it costs is a count per object created and per submission.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count, and at which one the fault comes (0: never).
#[derive(Debug, Default)]
struct Trigger {
    count: AtomicU64,
    at: AtomicU64,
}

impl Trigger {
    /// Count one more; whether this is the one.
    fn fires(&self) -> bool {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        count == self.at.load(Ordering::Relaxed)
    }

    /// Start to count anew.
    fn set(&self, at: u64) {
        self.at.store(at, Ordering::Relaxed);
        self.count.store(0, Ordering::Relaxed);
    }
}

/// The faults of one device; see [`super::Gpu::faults`].
#[derive(Debug, Default)]
pub struct Faults {
    creations: Trigger,
    submissions: Trigger,
    /// Every creation from the chosen one on is refused, not just that one.
    lasting: std::sync::atomic::AtomicBool,
}

impl Faults {
    /// Refuse the `n`-th buffer, texture, kernel, bind group or query set from now on (counted from 1; 0: none) as a driver does
    /// that is out of memory; `lasting`: and all that follow.
    pub fn refuse_creation(&self, n: u64, lasting: bool) {
        self.creations.set(n);
        self.lasting.store(lasting, Ordering::Relaxed);
    }

    /// Take the device away when the `n`-th submission from now on has been handed over and is not waited for (0: never).
    pub fn lose_device(&self, n: u64) {
        self.submissions.set(n);
    }

    /// Objects created since [`Faults::refuse_creation`], refused ones included.
    pub fn creations(&self) -> u64 {
        self.creations.count.load(Ordering::Relaxed)
    }

    /// Submissions since [`Faults::lose_device`].
    pub fn submissions(&self) -> u64 {
        self.submissions.count.load(Ordering::Relaxed)
    }

    pub(super) fn refuses(&self) -> bool {
        let fires = self.creations.fires();
        let at = self.creations.at.load(Ordering::Relaxed);
        fires || (at > 0 && self.lasting.load(Ordering::Relaxed) && self.creations() > at)
    }

    pub(super) fn loses(&self) -> bool {
        self.submissions.fires()
    }
}
