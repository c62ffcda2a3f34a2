//! Ctrl-C, for all runs of one call.

use super::super::console;
use crate::train::Ranks;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Ctrl-C asks for an orderly end; a second one ends the program at once. Among ranks the launcher's SIGTERM does the same, which
/// comes when one of them has died too; it waits a moment only, so what is to be said is said at once. `go_on` is how the run goes on.
pub fn catch_interrupts(ranks: &Ranks, go_on: &str) -> Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(flag) = FLAG.get() {
        return flag.clone();
    }
    let flag = FLAG.get_or_init(Arc::default).clone();
    let seen = flag.clone();
    let several = match ranks.are_several() {
        true => format!(
            " (when a rank has died, or mpirun doesn't wait, that won't come about: the last checkpoint is whole, and the run goes on with: {go_on})"
        ),
        false => String::new(),
    };
    let set = ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        console::note(&format!(
            "\ninterrupted: finishing the step and saving; Ctrl-C again stops at once{several}"
        ));
    });
    if let Err(e) = set {
        console::note(&format!(
            "Ctrl-C can't be caught ({e}): it will stop at once; the last epoch is saved"
        ));
    }
    flag
}
