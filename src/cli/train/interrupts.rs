//! Ctrl-C, for all runs of one call.

use super::super::console;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Ctrl-C asks for an orderly end; a second one ends the program at once.
pub fn catch_interrupts() -> Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(flag) = FLAG.get() {
        return flag.clone();
    }
    let flag = FLAG.get_or_init(Arc::default).clone();
    let seen = flag.clone();
    let set = ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        console::note("\ninterrupted: finishing the step and saving; Ctrl-C again stops at once");
    });
    if let Err(e) = set {
        console::note(&format!(
            "Ctrl-C can't be caught ({e}): it will stop at once; the last epoch is saved"
        ));
    }
    flag
}
