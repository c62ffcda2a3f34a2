//! Printing: results on stdout, progress and notes on stderr, no panic when the reader of a pipe went away.

use crate::text::printable_lines;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;

/// A line on stdout. Ends the program quietly when nobody reads it any more (`| head`).
pub fn line(text: &str) {
    if writeln!(std::io::stdout(), "{}", printable_lines(text)).is_err() {
        std::process::exit(0);
    }
}

/// A line on stderr; lost when stderr is closed.
pub fn note(text: &str) {
    let _lost = writeln!(std::io::stderr(), "{}", printable_lines(text));
}

/// Whether stdout is a terminal.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Columns of the terminal's standard width.
pub const COLUMNS: usize = 100;

/// A progress bar over `total` things on a terminal; nothing elsewhere.
pub fn bar(total: u64, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
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
        1 => note("1 file skipped; --strict makes a bad file fatal"),
        n => note(&format!(
            "{n} files skipped; --strict makes a bad file fatal"
        )),
    }
}
