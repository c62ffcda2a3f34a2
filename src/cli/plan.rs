//! `gtzan-gpu plan`.

use super::{console, print_json};
use crate::error::Result;
use crate::nn::Model;
use crate::ops::{Capabilities, Choices, DeviceClass};
use crate::plan::{Category, MemoryPlan};
use crate::report;
use crate::train::{Feed, GraphSettings, compile};
use clap::Args;
use serde::Serialize;

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// seed, notebook, small, or a TOML file of layers
    #[arg(long, default_value = "seed")]
    model: String,
    /// Samples per step
    #[arg(long, default_value_t = 8)]
    batch_size: usize,
    /// Number of classes
    #[arg(long, default_value_t = 10)]
    classes: usize,
    /// Feature rows
    #[arg(long, default_value_t = crate::features::ROWS)]
    rows: usize,
    /// Frames
    #[arg(long, default_value_t = crate::features::FRAMES)]
    frames: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    batch_size: usize,
    weights_bytes: u64,
    gradients_bytes: u64,
    optimizer_bytes: u64,
    activations_bytes: u64,
    workspace_bytes: u64,
    staging_bytes: u64,
    dataset_bytes: u64,
    total_bytes: u64,
    lower_bound_bytes: u64,
    largest: Vec<Largest>,
}

#[derive(Serialize)]
struct Largest {
    tensor: String,
    bytes: u64,
}

/// Plan and print.
///
/// # Errors
/// When the model is unknown or does not fit the shape.
pub fn run(args: &PlanArgs) -> Result<()> {
    let model = Model::load(&args.model)?;
    let g = GraphSettings {
        rows: args.rows,
        frames: args.frames,
        classes: args.classes,
        micro_batch: args.batch_size,
        micro_batches: 1,
        feed: Feed::Streamed,
        label_smoothing: 0.0,
        weight_decay: 0.0,
        clip_norm: None,
    };
    let capabilities = Capabilities::portable(DeviceClass::Hardware);
    let (programs, plan) = compile(&model, &g, Some(1), 1, &capabilities, &Choices::default())?;
    let report = summarise(&args.model, args.batch_size, &plan, &programs[0].schedule);
    if args.json {
        return print_json(&report);
    }
    for (what, bytes) in [
        ("weights", report.weights_bytes),
        ("gradients", report.gradients_bytes),
        ("optimizer", report.optimizer_bytes),
        ("activations", report.activations_bytes),
        ("workspace", report.workspace_bytes),
        ("staging", report.staging_bytes),
        ("data", report.dataset_bytes),
        ("total", report.total_bytes),
        ("lower bound", report.lower_bound_bytes),
    ] {
        console::line(&format!("{what:<14}{:>12}", report::bytes(bytes)));
    }
    console::line("largest tensors:");
    for l in &report.largest {
        console::line(&format!("  {:<40}{:>12}", l.tensor, report::bytes(l.bytes)));
    }
    Ok(())
}

fn summarise(
    model: &str,
    batch_size: usize,
    plan: &MemoryPlan,
    s: &crate::plan::Schedule,
) -> Report {
    let workspace_at_peak = plan.programs.first().map_or(0, |p| p.workspace_at_peak);
    let arenas = plan.bytes(Category::Arenas);
    let workspace = workspace_at_peak.min(arenas);
    let mut tensors: Vec<Largest> = s
        .items
        .iter()
        .zip(&plan.programs[0].places)
        .filter(|(_, place)| place.is_some())
        .map(|(item, _)| Largest {
            tensor: format!("{} ({})", item.name, item.spec.shape),
            bytes: item.spec.bytes(),
        })
        .collect();
    tensors.sort_by_key(|t| std::cmp::Reverse(t.bytes));
    tensors.truncate(5);
    Report {
        model: model.to_owned(),
        batch_size,
        weights_bytes: plan.bytes(Category::Weights),
        gradients_bytes: plan.bytes(Category::Gradients),
        optimizer_bytes: plan.bytes(Category::Optimizer),
        activations_bytes: arenas - workspace,
        workspace_bytes: workspace + plan.bytes(Category::Control),
        staging_bytes: plan.bytes(Category::Staging),
        dataset_bytes: plan.bytes(Category::Dataset),
        total_bytes: plan.total_bytes(),
        lower_bound_bytes: plan.lower_bound(),
        largest: tensors,
    }
}
