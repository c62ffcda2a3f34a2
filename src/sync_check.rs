//! A debug aid: one training step, op by op, twice. Once in the planned arenas, once with every tensor in a buffer of its own.
//!
//! The same kernels on the same numbers give the same bits, wherever tensors lie. Where they don't, the plan put a tensor on
//! top of one that was still needed, and the first that differs is named. So is the first NaN or infinity, with the op that
//! made it: in a plain run it has spread through all weights before the loss shows it.

use crate::error::{Error, Result};
use crate::gpu::{Session, StepInputs, Written};
use crate::ops::Step;
use crate::plan::{BufferPlan, Category, MemoryPlan, Placement, Purpose, Schedule};
use crate::train::Engine;
use serde::Serialize;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Tensors looked at, each as its op left it.
    pub tensors: usize,
    /// The first that depends on where tensors lie.
    pub first_difference: Option<Finding>,
    /// The first that holds a NaN or an infinity.
    pub first_non_finite: Option<Finding>,
}

/// A tensor and the op that wrote it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The op's label, e.g. `conv1/conv2d`.
    pub op: String,
    /// The tensor's name.
    pub tensor: String,
    /// First element that is NaN or infinite, if that was found.
    pub element: Option<usize>,
}

impl Report {
    /// Nothing was found.
    pub fn ok(&self) -> bool {
        self.first_difference.is_none() && self.first_non_finite.is_none()
    }
}

/// Check a training step of `engine` on the epoch's first batch, which must lie on the device. The step really happens:
/// weights, moments and statistics change.
///
/// # Errors
/// When the device has no room for all tensors side by side, or fails.
pub fn training_step(engine: &mut Engine, learning_rate: f32) -> Result<Report> {
    let g = engine.settings();
    let (n, parts) = (g.micro_batch, g.micro_batches);
    let inputs: Vec<StepInputs> = (0..parts)
        .map(|part| StepInputs {
            step: Step {
                batch: (n * parts) as u32,
                sample_offset: (n * part) as u32,
                cursor: (n * part) as u32,
                share: 1.0 / parts as f32,
                learning_rate,
                alpha: learning_rate,
                ..Step::full(n)
            },
            data: Vec::new(),
        })
        .collect();
    let schedule = engine.programs()[0].schedule.clone();
    let planned = engine.session_mut();
    let gpu = planned.gpu();
    let placement = Placement::Separate;
    let plan = MemoryPlan::new(
        &[("train", &schedule)],
        gpu.capabilities(),
        placement,
        parts,
    )?;
    let mut apart = Session::new(gpu, plan, &[&schedule])?;
    check(planned, &mut apart, &schedule, &inputs)
}

/// Run the first program of both sessions from the state of `planned` and compare.
fn check(
    planned: &mut Session,
    apart: &mut Session,
    schedule: &Schedule,
    inputs: &[StepInputs],
) -> Result<Report> {
    let lasting = |b: &&BufferPlan| {
        matches!(b.purpose, Purpose::Lasting | Purpose::Scratch) && b.category != Category::Arenas
    };
    let names: Vec<String> = (apart.plan().buffers.iter())
        .filter(lasting)
        .map(|b| b.name.clone())
        .collect();
    let mut state = Vec::new();
    for name in names {
        let bytes = planned.read_buffer(&name)?;
        state.push((name, bytes));
    }
    prepare(planned, &state)?;
    prepare(apart, &state)?;
    let in_arenas = planned.inspect(0, schedule, inputs)?;
    let on_their_own = apart.inspect(0, schedule, inputs)?;
    if in_arenas.len() != on_their_own.len() {
        return Err(Error::device(
            "two runs of one step wrote different tensors",
        ));
    }
    let finding = |w: &Written| Finding {
        op: w.op.clone(),
        tensor: w.tensor.clone(),
        element: w.non_finite.map(|(i, _)| i),
    };
    let pairs = in_arenas.iter().zip(&on_their_own);
    let first_difference = pairs
        .filter(|(a, b)| a.digest != b.digest)
        .map(|(a, _)| finding(a))
        .next();
    let first_non_finite = (on_their_own.iter())
        .find(|w| w.non_finite.is_some())
        .map(finding);
    Ok(Report {
        tensors: in_arenas.len(),
        first_difference,
        first_non_finite,
    })
}

/// NaN in everything that a step must write before it reads, then what lasts from step to step.
fn prepare(session: &mut Session, state: &[(String, Vec<u8>)]) -> Result<()> {
    session.poison()?;
    for (name, bytes) in state {
        session.write_buffer(name, bytes)?;
    }
    Ok(())
}
