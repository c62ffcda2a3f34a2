//! The ladder table as Markdown, and its place in the README.

use super::{Peaks, Row};
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use std::fmt::Write;
use std::path::Path;

/// What the table stands between.
const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Rows as a Markdown table, with the adapter and its peaks above it.
pub fn table(rows: &[Row], adapter: &str, driver: &str, peaks: &Peaks) -> String {
    let mut text = format!(
        "{adapter}, {driver}: {:.0} GFLOP/s of multiply-adds, {:.1} GB/s of copying (read + written).\n\n",
        peaks.gflops, peaks.copy_gbs
    );
    text.push_str("| kernel | rung | problem | ms | GFLOP/s | GB/s | of peak | max error |\n");
    text.push_str("|---|---|---|--:|--:|--:|--:|--:|\n");
    for r in rows {
        let mark = if r.default { " (default)" } else { "" };
        let cell =
            |v: Option<f64>, digits: usize| v.map_or("-".into(), |v| format!("{v:.digits$}"));
        let figures = match &r.skipped {
            // A table's cell ends at a bar.
            Some(why) => format!("skipped: {} | | | | ", why.replace('|', "/")),
            None => format!(
                "{} | {} | {} | {} | {}",
                cell(r.ms, 2),
                cell(r.gflops, 1),
                cell(r.gbs, 1),
                r.fraction_of_peak
                    .map_or("-".into(), |f| format!("{:.0} %", 100.0 * f)),
                r.max_error.map_or("-".into(), |e| format!("{e:.0e}")),
            ),
        };
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "| {} | {}{mark} | {} | {figures} |",
            r.op, r.rung, r.shape
        );
    }
    text
}

/// Replace what stands between the markers in the file at `path`.
///
/// # Errors
/// When the file can't be read or written, or has not exactly one pair of markers; it is unchanged then.
pub fn rewrite(path: &Path, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::file(path, format!("can't be read: {e}")))?;
    let once = |marker: &str| text.matches(marker).count() == 1;
    let places = (text.find(BEGIN), text.find(END));
    let (Some(begin), Some(end), true, true) = (places.0, places.1, once(BEGIN), once(END)) else {
        return Err(Error::file(
            path,
            format!("has no place for the table; add a line {BEGIN} and below it a line {END}"),
        ));
    };
    if end < begin {
        return Err(Error::file(
            path,
            format!("{END} comes before {BEGIN}; swap them"),
        ));
    }
    let (head, tail) = (&text[..begin + BEGIN.len()], &text[end..]);
    atomic_write(path, format!("{head}\n{table}{tail}").as_bytes())
}
