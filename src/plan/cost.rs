//! A rough prediction of a step's time, for choosing among plans before any of them runs.
//!
//! Roofline (Williams et al. 2009): a node takes the longer of its arithmetic and its memory traffic, plus a fixed cost per
//! launch. The rates are round numbers for a class of device, so compare predictions with each other, not with a clock.

use super::Schedule;
use crate::ops::{Capabilities, DeviceClass};
use crate::tape::{Node, Role, Tape};
use crate::tensor::{Spec, Tensor};
use std::collections::HashSet;

/// FLOP/s, bytes/s and seconds per launch of a device class.
fn rates(class: DeviceClass) -> (f64, f64, f64) {
    match class {
        DeviceClass::Software => (20e9, 5e9, 16e-6),
        DeviceClass::Hardware => (4e12, 250e9, 5e-6),
    }
}

/// Predicted seconds of one step of `micro_batches` micro-batches.
pub fn step_seconds(
    tape: &Tape,
    s: &Schedule,
    capabilities: &Capabilities,
    micro_batches: usize,
) -> f64 {
    let (flops, bandwidth, launch) = rates(capabilities.class);
    let mut traffic = vec![0u64; tape.nodes().len()];
    let mut launches = vec![0u32; tape.nodes().len()];
    // A kernel that runs in pieces moves a tensor once, piece by piece.
    let mut moved = HashSet::new();
    for d in &s.dispatches {
        launches[d.node] += 1;
        for t in &d.tensors {
            // An input may be the whole data set, of which a batch is gathered.
            let counts = s.items[t.id().index()].role != Role::Input;
            if counts && moved.insert((d.node, d.kernel.name, t.id())) {
                traffic[d.node] += t.spec().bytes();
            }
        }
    }
    let mut seconds = 0.0;
    for (i, node) in tape.nodes().iter().enumerate() {
        let arithmetic = node_flops(node) as f64 / flops;
        let memory = traffic[i] as f64 / bandwidth;
        let once = arithmetic.max(memory) + f64::from(launches[i]) * launch;
        let times = match node.phase {
            crate::tape::Phase::Batch | crate::tape::Phase::Sum => micro_batches,
            crate::tape::Phase::Update => 1,
        };
        seconds += once * times as f64;
    }
    seconds
}

/// Floating-point operations of a node.
pub fn node_flops(node: &Node) -> u64 {
    let specs = |all: &[Option<Tensor>]| -> Vec<Spec> {
        let spec = |t: &Option<Tensor>| match t {
            Some(t) => t.spec().clone(),
            // Backward does not read this one.
            None => Spec::f32([0]),
        };
        all.iter().map(spec).collect()
    };
    node.op
        .flops(node.pass, &specs(&node.io.x), &specs(&node.io.y))
}
