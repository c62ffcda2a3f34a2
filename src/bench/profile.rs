//! Time per kernel in a real training step: as a table, for the report, and as a trace.

use super::limits::check_step;
use super::subject::graph;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, StepInputs, Timings};
use crate::nn::Model;
use crate::ops::{Choices, Fill, Step};
use crate::plan::Schedule;
use crate::report::{KernelRow, KernelTimes};
use crate::train::{Engine, Samples, compile};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::json;

/// One kernel of one op, over the whole step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The op.
    pub op: String,
    /// The kernel's file under `shaders/`.
    pub kernel: String,
    /// Milliseconds per step.
    pub ms: f64,
    /// Part of the step, 0 to 1.
    pub share: f64,
    /// Launches per step (of one micro-batch).
    pub launches: usize,
}

/// An engine ready to train `model` on one batch of random samples, with fresh weights.
///
/// # Errors
/// When the model does not fit the features' shape, or the device fails.
pub fn random_engine<'g>(
    gpu: &'g Gpu,
    model: &Model,
    batch_size: usize,
    choices: &Choices,
) -> Result<Engine<'g>> {
    if batch_size == 0 {
        return Err(Error::usage("the batch size must be at least 1"));
    }
    check_step(model, batch_size, gpu.capabilities(), choices)?;
    let g = graph(batch_size);
    let (programs, plan) = compile(model, &g, Some(batch_size), 1, gpu.capabilities(), choices)?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let samples = Samples {
        x: Fill::Normal(1.0).values(batch_size * g.rows * g.frames, &mut rng),
        labels: (0..batch_size).map(|i| (i % g.classes) as u32).collect(),
        neighbours: Vec::new(),
    };
    let mut engine = Engine::new(gpu, programs, plan, &g, samples.into(), batch_size, 0)?;
    engine.initialise(0)?;
    engine.set_class_weights(&vec![1.0; g.classes])?;
    let order: Vec<u32> = (0..batch_size as u32).collect();
    let session = engine.session_mut();
    session.write_buffer("input order", bytemuck::cast_slice(&order))?;
    session.write_buffer("output totals", &[0; 16])?;
    Ok(engine)
}

/// Profile the engine's first program (the training step) on the batch that lies on the device, the epoch's first. The learning
/// rate is 0, so weights stay; Adam's moments and running statistics change: save them before.
///
/// # Errors
/// When the device fails.
pub fn engine(engine: &mut Engine, repeats: usize) -> Result<Timings> {
    let g = engine.settings();
    let (n, parts) = (g.micro_batch, g.micro_batches);
    let steps = (0..parts).map(|part| Step {
        batch: (n * parts) as u32,
        sample_offset: (n * part) as u32,
        share: 1.0 / parts as f32,
        ..Step::full(n)
    });
    let inputs: Vec<StepInputs> = steps
        .map(|step| StepInputs {
            step,
            data: Vec::new(),
        })
        .collect();
    engine.session_mut().profile(0, &inputs, repeats)
}

/// Times per op and kernel, the slowest first.
pub fn rows(s: &Schedule, timings: &Timings) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (dispatch, &ms) in s.dispatches.iter().zip(&timings.dispatch_ms) {
        let (_, op) = layer_and_op(s, dispatch.node);
        let kernel = dispatch.kernel.name;
        let found = rows.iter_mut().find(|r| r.op == op && r.kernel == kernel);
        match found {
            Some(row) => {
                row.ms += ms;
                row.launches += 1;
            }
            None => rows.push(Row {
                op: op.to_owned(),
                kernel: kernel.to_owned(),
                ms,
                share: 0.0,
                launches: 1,
            }),
        }
    }
    // Dispatches that were timed apart may take longer than the step.
    let whole = timings
        .step_ms
        .max(timings.busy_ms())
        .max(f64::MIN_POSITIVE);
    for row in &mut rows {
        row.share = row.ms / whole;
    }
    rows.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    rows
}

/// `block1` and `conv2d` of a node labelled `block1/conv2d`.
fn layer_and_op(s: &Schedule, node: usize) -> (&str, &str) {
    let label = s.labels[node].as_str();
    label.rsplit_once('/').unwrap_or(("", label))
}

/// The same for `report.html`.
pub fn kernel_times(s: &Schedule, timings: &Timings) -> KernelTimes {
    KernelTimes {
        timing: timings.clock.name().to_owned(),
        step_ms: timings.step_ms,
        rows: rows(s, timings)
            .into_iter()
            .map(|r| KernelRow {
                op: r.op,
                kernel: r.kernel,
                ms: r.ms,
                share: r.share,
            })
            .collect(),
    }
}

/// One step in Chrome's trace-event format, which <https://ui.perfetto.dev> and `chrome://tracing` open: one bar per launch,
/// with layer, rung, problem and grid as its arguments. Times are in microseconds.
pub fn trace(s: &Schedule, timings: &Timings, process: &str) -> serde_json::Value {
    let mut events = vec![
        json!({"ph": "M", "name": "process_name", "pid": 1, "tid": 1, "args": {"name": process}}),
        json!({"ph": "M", "name": "thread_name", "pid": 1, "tid": 1,
               "args": {"name": format!("kernels ({})", timings.clock.name())}}),
    ];
    for (index, span) in &timings.spans {
        let dispatch = &s.dispatches[*index];
        let (layer, op) = layer_and_op(s, dispatch.node);
        let chosen = dispatch.chosen.map(|c| &s.chosen[c]);
        events.push(json!({
            "ph": "X", "pid": 1, "tid": 1,
            "name": dispatch.kernel.name,
            "cat": op,
            "ts": span.start_ms * 1e3,
            "dur": span.ms * 1e3,
            "args": {
                "layer": layer,
                "family": chosen.map(|c| c.family),
                "rung": chosen.map(|c| c.rung),
                "problem": chosen.map(|c| c.problem.to_string()),
                "grid": dispatch.grid,
            },
        }));
    }
    json!({
        "displayTimeUnit": "ms",
        "otherData": {"step_ms": timings.step_ms, "timing": timings.clock.name()},
        "traceEvents": events,
    })
}
