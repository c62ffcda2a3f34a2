//! `gtzan-gpu gradcheck`.

use super::{console, print_json, values};
use crate::bench::profile;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Gpu;
use crate::gradcheck::{Checked, FD_TOLERANCE, Row, Scope};
use crate::nn::Model;
use crate::ops::{Choices, registry};
use crate::sync_check::{self, Report};
use clap::Args;
use serde::Serialize;

/// Options of `gradcheck`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gtzan-gpu gradcheck                          every op, every rung of its kernels
  gtzan-gpu gradcheck conv2d                   one op
  gtzan-gpu gradcheck --class gpu --default-rungs   what a GPU runs by default, on whatever is here
  gtzan-gpu gradcheck --sync-check small       a whole training step, looked at op by op")]
pub struct GradcheckArgs {
    /// Only ops whose name contains this
    op: Option<String>,
    #[command(flatten)]
    shaders: super::shaders::WatchArgs,
    #[command(flatten)]
    device: super::DeviceArgs,
    #[command(flatten)]
    class: super::ClassArgs,
    /// Finite differences against the CPU reference only; needs no GPU
    #[arg(long)]
    reference: bool,
    /// Only the rungs that a run takes on its own, not every rung
    #[arg(long, conflicts_with_all = ["reference", "sync_check"])]
    default_rungs: bool,
    /// Only this rung, e.g. dense.forward:naive, and no finite differences
    #[arg(long, value_name = "LADDER:RUNG", conflicts_with_all = ["reference", "sync_check", "default_rungs"])]
    rung: Option<String>,
    /// Instead of single ops, run a training step of a model op by op, in the planned memory and with every tensor in a
    /// buffer of its own: names the first tensor that differs, and the first NaN or infinity
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["op", "reference"])]
    sync_check: Option<String>,
    /// Samples per step of --sync-check
    #[arg(long, default_value_t = 4, value_parser = values::batch_size(), requires = "sync_check", conflicts_with_all = ["reference", "default_rungs"])]
    batch_size: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct OpReport<'a> {
    ok: bool,
    adapter: Option<&'a str>,
    results: &'a [Row],
    /// Rungs that ran no case.
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
struct Skipped {
    op: &'static str,
    rung: &'static str,
    skipped: String,
}

impl GradcheckArgs {
    /// Refuse options that others leave without effect.
    pub fn check(&self) -> Result<()> {
        if self.reference {
            self.device.refuse("with --reference, which needs none")?;
            let why = "with --reference, which runs no kernels";
            super::without_effect(self.class.class().is_some(), "--class", why)?;
            self.shaders.refuse(why)?;
        }
        Ok(())
    }
}

/// Check, print a table, fail when a row fails.
///
/// # Errors
/// When an op's name is unknown, the device fails, or a check fails.
pub fn run(args: &GradcheckArgs) -> Result<()> {
    if args.shaders.apply()? {
        return Ok(());
    }
    if let Some(model) = &args.sync_check {
        return sync_check(args, model);
    }
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
        Some(args.class.open(&args.device)?)
    };
    if !args.json {
        let adapter = gpu.as_ref().map_or("the CPU reference alone", |g| g.name());
        console::line(&format!("checking on {adapter}"));
        if let Some(note) = gpu.as_ref().and_then(Gpu::class_note) {
            console::line(&note);
        }
        console::line(&format!(
            "{:<23} {:<33} {:<37} {:<6}{:>10}{:>10}{:>10}  verdict",
            "op", "rung", "case", "tensor", "fd error", "gpu error", "tolerance"
        ));
    }
    let scope = match &args.rung {
        Some(name) => Scope::only(name)?,
        None if args.default_rungs => Scope::Default,
        None => Scope::Every,
    };
    let checked = crate::gradcheck::run(args.op.as_deref(), gpu.as_ref(), scope, |row| {
        if !args.json {
            console::line(&table_row(row));
        }
    })?;
    let rows = &checked.rows;
    let mut skipped = Vec::new();
    if gpu.is_some() && scope == Scope::Every {
        let never = checked.never_ran().into_iter();
        skipped.extend(never.map(|(op, rung, skipped)| Skipped { op, rung, skipped }));
    }
    let failed: Vec<&Row> = rows.iter().filter(|r| !r.ok).collect();
    if args.json {
        print_json(&OpReport {
            ok: failed.is_empty() && !rows.is_empty(),
            adapter: gpu.as_ref().map(|g| g.name()),
            results: rows,
            skipped,
        })?;
    } else {
        for s in &skipped {
            console::line(&format!(
                "{} {} was not checked: {}",
                s.op, s.rung, s.skipped
            ));
        }
        console::line(&format!(
            "{} tensors checked, {} failed (finite differences within {FD_TOLERANCE:.0e} of the tensor's maximum)",
            rows.len(),
            failed.len()
        ));
    }
    match failed.first() {
        None if rows.is_empty() => Err(Error::usage(nothing_checked(args, &checked))),
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

/// Why no case ran, which must not pass for a check.
fn nothing_checked(args: &GradcheckArgs, checked: &Checked) -> String {
    let what = args.rung.as_deref().unwrap_or("any rung");
    let of = args
        .op
        .as_deref()
        .map_or(String::new(), |op| format!(" of '{op}'"));
    let never = checked.never_ran();
    let asked = |(ladder, rung, _): &&(&str, &str, String)| format!("{ladder}:{rung}") == what;
    let why = match never.iter().find(asked) {
        Some((_, _, why)) if !why.is_empty() => why.clone(),
        _ => "no op that is asked for has this ladder".to_owned(),
    };
    format!("no case{of} runs {what}, so nothing was checked: {why}")
}

#[derive(Serialize)]
struct StepReport<'a> {
    ok: bool,
    adapter: &'a str,
    model: &'a str,
    batch_size: usize,
    #[serde(flatten)]
    found: &'a Report,
}

/// A training step on random data with fresh weights, with the default rungs.
fn sync_check(args: &GradcheckArgs, model: &str) -> Result<()> {
    let network = Model::load(model)?;
    let gpu = args.class.open(&args.device)?;
    let choices = Choices::default();
    let mut engine = profile::random_engine(&gpu, &network, args.batch_size, &choices)?;
    let found = sync_check::training_step(&mut engine, 1e-3)?;
    if args.json {
        print_json(&StepReport {
            ok: found.ok(),
            adapter: gpu.name(),
            model,
            batch_size: args.batch_size,
            found: &found,
        })?;
    } else {
        console::line(&format!(
            "{model} at batch {} on {}: {} tensors of a training step, each as its op left it, in the planned memory and on its own",
            args.batch_size,
            gpu.name(),
            found.tensors
        ));
        if found.ok() {
            console::line("the same bits in both, and no NaN or infinity");
        }
    }
    let problem = match (&found.first_difference, &found.first_non_finite) {
        (None, None) => return Ok(()),
        (Some(f), _) => format!(
            "{} of {} depends on where tensors lie in memory: the plan overlaps it with something, or a kernel reads what nothing wrote",
            f.tensor, f.op
        ),
        (None, Some(f)) => format!(
            "{} of {} holds a NaN or an infinity at element {}; nothing before it does",
            f.tensor,
            f.op,
            f.element.unwrap_or(0)
        ),
    };
    Err(Error::new(ErrorKind::Device, problem))
}

fn table_row(r: &Row) -> String {
    let error = |e: Option<f64>| e.map_or("-".to_owned(), |e| format!("{e:.1e}"));
    format!(
        "{:<23} {:<33} {:<37} {:<6}{:>10}{:>10}{:>10}  {}",
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
