//! Every op, above them all.

use super::{self as ops, Entry};
use crate::error::{Error, Result};
use std::sync::{PoisonError, RwLock};

/// Ops of other crates.
static REGISTERED: RwLock<Vec<Entry>> = RwLock::new(Vec::new());

/// Every op: the built-in ones, then those of other crates. Tests, gradient checks, benches and docs iterate this list.
pub fn registry() -> Vec<Entry> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    let mut all = built_in();
    all.extend(registered.iter());
    all
}

/// Let everything that goes through the ops know one of another crate: [`gradcheck::run`](crate::gradcheck::run), and the commands
/// of a program that goes on with [`Cli::main`](crate::cli::Cli::main). Once per process; recording it on a tape does not ask for it.
///
/// # Errors
/// When there is an op, or a ladder, of that name already.
pub fn register(entry: Entry) -> Result<()> {
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    for known in built_in().iter().chain(registered.iter()) {
        if known.name == entry.name {
            return Err(Error::usage(format!(
                "there is an op '{}' already: give yours another name, and register it once",
                entry.name
            )));
        }
        let ladders = known.ladders.iter().map(|l| l.name());
        if let Some(name) =
            (ladders.into_iter()).find(|n| entry.ladders.iter().any(|l| l.name() == *n))
        {
            return Err(Error::usage(format!(
                "op '{}' has a ladder '{name}', as '{}' has: give it another name",
                entry.name, known.name
            )));
        }
    }
    registered.push(entry);
    Ok(())
}

fn built_in() -> Vec<Entry> {
    vec![
        ops::metrics::ACCUMULATE_ENTRY,
        ops::adam::ENTRY,
        ops::add::ENTRY,
        ops::augment::ENTRY,
        ops::pooling::average::ENTRY,
        ops::batch_norm::ENTRY,
        ops::conv2d::ENTRY,
        ops::dense::ENTRY,
        ops::dropout::ENTRY,
        ops::gather_batch::ENTRY,
        ops::adam::CLIP_ENTRY,
        ops::pooling::global_average::ENTRY,
        ops::l2_penalty::ENTRY,
        ops::moving_average::ENTRY,
        ops::pooling::max::ENTRY,
        ops::relu::ENTRY,
        ops::softmax_cross_entropy::ENTRY,
        ops::metrics::STORE_ENTRY,
        ops::batch_norm::UPDATE_RUNNING_ENTRY,
    ]
}
