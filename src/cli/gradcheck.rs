//! `gtzan-gpu gradcheck`.

use super::{console, print_json};
use crate::error::{Error, ErrorKind, Result};
use crate::gradcheck::{FD_TOLERANCE, Row};
use crate::ops::registry;
use clap::Args;
use serde::Serialize;

/// Options of `gradcheck`.
#[derive(Debug, Args)]
pub struct GradcheckArgs {
    /// Only ops whose name contains this
    op: Option<String>,
    #[command(flatten)]
    device: super::DeviceArgs,
    /// Finite differences against the CPU reference only; needs no GPU
    #[arg(long)]
    reference: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    adapter: Option<&'a str>,
    results: &'a [Row],
}

/// Check, print a table, fail when a row fails.
///
/// # Errors
/// When an op's name is unknown, the device fails, or a check fails.
pub fn run(args: &GradcheckArgs) -> Result<()> {
    if let Some(op) = &args.op
        && !registry().iter().any(|e| e.name.contains(op.as_str()))
    {
        let names: Vec<&str> = registry().iter().map(|e| e.name).collect();
        return Err(Error::usage(format!(
            "there is no op '{op}'; there are {}",
            names.join(", ")
        )));
    }
    let gpu = if args.reference {
        None
    } else {
        Some(args.device.open()?)
    };
    if !args.json {
        let adapter = gpu.as_ref().map_or("the CPU reference alone", |g| g.name());
        console::line(&format!("checking on {adapter}"));
        console::line(&format!(
            "{:<24}{:<34}{:<30}{:<7}{:>10}{:>10}{:>10}  verdict",
            "op", "rung", "case", "tensor", "fd error", "gpu error", "tolerance"
        ));
    }
    let rows = crate::gradcheck::run(args.op.as_deref(), gpu.as_ref(), |row| {
        if !args.json {
            console::line(&table_row(row));
        }
    })?;
    let failed: Vec<&Row> = rows.iter().filter(|r| !r.ok).collect();
    if args.json {
        print_json(&Report {
            ok: failed.is_empty(),
            adapter: gpu.as_ref().map(|g| g.name()),
            results: &rows,
        })?;
    } else {
        console::line(&format!(
            "{} tensors checked, {} failed (finite differences within {FD_TOLERANCE:.0e} of the tensor's maximum)",
            rows.len(),
            failed.len()
        ));
    }
    match failed.first() {
        None => Ok(()),
        Some(r) => Err(Error::new(
            ErrorKind::Device,
            format!(
                "{} of {} gradient checks failed, the first in {} ({}, case '{}', tensor {})",
                failed.len(),
                rows.len(),
                r.op,
                r.rung,
                r.case,
                r.tensor
            ),
        )),
    }
}

fn table_row(r: &Row) -> String {
    let error = |e: Option<f64>| e.map_or("-".to_owned(), |e| format!("{e:.1e}"));
    format!(
        "{:<24}{:<34}{:<30}{:<7}{:>10}{:>10}{:>10}  {}",
        r.op,
        r.rung,
        r.case,
        r.tensor,
        error(r.fd_error),
        error(r.gpu_error),
        format!("{:.1e}", r.tolerance),
        if r.ok { "ok" } else { "FAILED" }
    )
}
