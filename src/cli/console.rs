//! Printing, all of the program's: results on stdout, progress and notes on stderr; no panic when either can't be written.

use crate::error::{Error, ErrorKind, Result};
use crate::fsutil::write_error;
use crate::text::printable_lines;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What became of stdout.
struct Output {
    /// Lines are dropped from now on.
    silent: bool,
    /// Why a line was lost, other than that nobody reads any more.
    lost: Option<Error>,
    /// A failed write is remembered for [`check`] instead of ending the program.
    patient: bool,
}

static OUTPUT: Mutex<Output> = Mutex::new(Output {
    silent: false,
    lost: None,
    patient: false,
});

fn output() -> MutexGuard<'static, Output> {
    OUTPUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a failed write to stdout doesn't end the program: a closed pipe makes it silent, and what else goes wrong
/// waits for [`check`]. For work that is worth more than its log.
pub fn be_patient() {
    output().patient = true;
}

/// Another process speaks for this one: nothing is printed.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Whether another process speaks for this one from now on.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// A line on stdout. When nobody reads it any more (`| head`), the program ends quietly; when it can't be written for
/// another reason (a full disk), with a sentence and exit status 1. After [`be_patient`] it goes on.
pub fn line(text: &str) {
    line_as_it_is(&printable_lines(text));
}

/// [`line`] for the program's own text, which may hold colours.
pub fn line_as_it_is(text: &str) {
    let mut output = output();
    if output.silent || is_quiet() {
        return;
    }
    let mut stdout = std::io::stdout().lock();
    let Err(error) = writeln!(stdout, "{text}").and_then(|()| stdout.flush()) else {
        return;
    };
    let closed = error.kind() == std::io::ErrorKind::BrokenPipe;
    output.silent = true;
    match (output.patient, closed) {
        (true, true) => {
            note("standard output was closed: going on without it, everything is saved as before");
        }
        (true, false) => output.lost = Some(write_error(Path::new("standard output"), &error)),
        (false, true) => std::process::exit(0),
        (false, false) => {
            let error = write_error(Path::new("standard output"), &error);
            note(&format!("error: {error}"));
            std::process::exit(error.exit_code().into());
        }
    }
}

/// Whether a line was lost, other than by a closed pipe.
///
/// # Errors
/// Why.
pub fn check() -> Result<()> {
    match &output().lost {
        Some(error) => Err(error.clone()),
        None => Ok(()),
    }
}

/// A line on stderr; lost when stderr is closed.
pub fn note(text: &str) {
    if is_quiet() {
        return;
    }
    let _lost = writeln!(std::io::stderr(), "{}", printable_lines(text));
}

/// What ended the program, on stderr. Ctrl-C is no error.
pub fn error(error: &Error) {
    let what = match error.kind() {
        ErrorKind::Interrupted => "",
        _ => "error: ",
    };
    note(&format!("{what}{error}"));
}

/// Whether stdout is a terminal.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Columns of the terminal's standard width.
pub const COLUMNS: usize = 100;

/// A progress bar over `total` things on a terminal; nothing elsewhere.
pub fn bar(total: u64, what: &str) -> ProgressBar {
    if is_quiet() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg} eta {eta}");
    bar.set_style(
        style
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> "),
    );
    bar.set_prefix(what.to_owned());
    bar
}

/// Runs `work` with a (done, total) callback that drives a bar.
pub fn with_bar<T>(what: &str, work: impl FnOnce(&(dyn Fn(usize, usize) + Sync)) -> T) -> T {
    let bar: Mutex<Option<ProgressBar>> = Mutex::new(None);
    let report = |done: usize, total: usize| {
        let mut slot = bar
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = slot.get_or_insert_with(|| self::bar(total as u64, what));
        bar.set_position(done as u64);
    };
    let value = work(&report);
    if let Some(bar) = bar
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
    {
        bar.finish_and_clear();
    }
    value
}

/// Names every skipped file, and their number, on stderr.
pub fn skipped(files: &[crate::dataset::Skipped]) {
    for file in files {
        note(&file.to_string());
    }
    match files.len() {
        0 => {}
        1 => note("1 file skipped; --strict makes that fatal"),
        n => note(&format!("{n} files skipped; --strict makes that fatal")),
    }
}
