//! Ladder tables as Markdown, and their places in documents.

use super::{Measured, Row};
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use std::fmt::Write;
use std::path::Path;

/// What the table stands between.
const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// What was measured as a Markdown table, with device, peaks, day and command above it. Rows of one ladder at one problem are a short one,
/// with the problem above it too, and what was skipped in a line below it.
pub fn table(measured: &Measured) -> String {
    let m = measured;
    let mut text = format!(
        "{}, {}: {:.0} GFLOP/s of multiply-adds, {:.1} GB/s of copying (read + written)",
        m.adapter, m.driver, m.peak_gflops, m.copy_gbs
    );
    if !m.date.is_empty() && !m.command.is_empty() {
        let _ = write!(text, "; {}, by `{}`", m.date, m.command);
    }
    text.push_str(".\n\n");
    let rows = measured.results.as_slice();
    match rows {
        [first, rest @ ..]
            if rest
                .iter()
                .all(|r| (&r.op, &r.shape) == (&first.op, &first.shape)) =>
        {
            short(rows, first, &mut text);
        }
        _ => long(rows, &mut text),
    }
    text
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".into(), |v| format!("{v:.digits$}"))
}

fn share(r: &Row) -> String {
    let percent = |f: f64| format!("{:.0} %", 100.0 * f);
    r.fraction_of_peak.map_or("-".into(), percent)
}

fn error(r: &Row) -> String {
    r.max_error.map_or("-".into(), |e| format!("{e:.0e}"))
}

/// The rung's name, and whether it runs when nothing is tuned or forced.
fn name(r: &Row) -> String {
    format!("{}{}", r.rung, if r.default { " (default)" } else { "" })
}

/// Why it was skipped, in a row whose other cells are empty; a cell ends at a bar.
fn skipped(why: &str) -> String {
    format!("skipped: {} | | | |", why.replace('|', "/"))
}

// Writing to a String can't fail.

fn short(rows: &[Row], first: &Row, text: &mut String) {
    let _ = writeln!(text, "{} at {}:\n", first.op, first.shape);
    text.push_str("| rung | made for | ms | GFLOP/s | of peak | max error |\n");
    text.push_str("|---|---|--:|--:|--:|--:|\n");
    for r in rows.iter().filter(|r| r.skipped.is_none()) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            name(r),
            r.made_for.whom(),
            number(r.ms, 2),
            number(r.gflops, 1),
            share(r),
            error(r)
        );
    }
    let left_out = |r: &Row| Some(format!("{} ({})", r.rung, r.skipped.as_deref()?));
    let left_out: Vec<String> = rows.iter().filter_map(left_out).collect();
    if !left_out.is_empty() {
        let _ = writeln!(text, "\nSkipped: {}.", left_out.join("; "));
    }
}

fn long(rows: &[Row], text: &mut String) {
    text.push_str("| kernel | rung | problem | ms | GFLOP/s | GB/s | of peak | max error |\n");
    text.push_str("|---|---|---|--:|--:|--:|--:|--:|\n");
    for r in rows {
        let figures = match &r.skipped {
            Some(why) => skipped(why),
            None => format!(
                "{} | {} | {} | {} | {}",
                number(r.ms, 2),
                number(r.gflops, 1),
                number(r.gbs, 1),
                share(r),
                error(r)
            ),
        };
        let _ = writeln!(text, "| {} | {} | {} | {figures} |", r.op, name(r), r.shape);
    }
}

/// Replace what stands between the markers in the file at `path`.
///
/// # Errors
/// When the file can't be read or written, or has not exactly one pair of markers; it is unchanged then.
pub fn rewrite(path: &Path, table: &str) -> Result<()> {
    let (head, tail) = around(path)?;
    atomic_write(path, format!("{head}\n{table}{tail}").as_bytes())
}

/// What stands before and behind the table in the file at `path`, the markers included.
///
/// # Errors
/// As [`rewrite`], before anything is measured.
pub fn around(path: &Path) -> Result<(String, String)> {
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
    Ok((
        text[..begin + BEGIN.len()].to_owned(),
        text[end..].to_owned(),
    ))
}
