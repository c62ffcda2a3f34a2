//! What the device can do at most: multiply-adds without memory, and memory without arithmetic.

use crate::error::Result;
use crate::gpu::{Gpu, Session, Stopwatch};
use crate::kernel;
use crate::ops::util::Copy;
use crate::ops::{
    AnyOp, Array, Choices, DeviceClass, Io, Kernel, Lowering, Op, Real, Step, grid_1d,
};
use crate::plan::{MemoryPlan, Placement, schedule};
use crate::tape::Tape;
use crate::tensor::Spec;
use bytemuck::{Pod, Zeroable};
use serde::Serialize;

/// Measured peaks of a device.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peaks {
    /// Multiply-adds in f32, each counted as 2 operations, in 10^9 per second.
    pub gflops: f64,
    /// Bytes read and written by a copy, in 10^9 per second; a kernel that hardly writes may exceed it.
    pub copy_gbs: f64,
}

/// `y = a` after `16 rounds` times `a = a m + c`, for 8 starting values per invocation that are added in pairs.
#[derive(Debug, Clone, Copy)]
struct PeakFma {
    rounds: u32,
    invocations: usize,
}

/// Slightly below 1, so that the values neither grow nor become denormal.
const FACTOR: f32 = 0.999;
const SUMMAND: f32 = 0.001;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rounds: u32,
    invocations: u32,
    m: f32,
    c: f32,
}

impl PeakFma {
    fn flops(&self) -> f64 {
        256.0 * f64::from(self.rounds) * self.invocations as f64
    }
}

/// The kernel that measures arithmetic.
pub fn kernel() -> Kernel {
    kernel!("bench/peak_fma")
}

impl Op for PeakFma {
    fn name(&self) -> &'static str {
        "peak_fma"
    }
    fn output_specs(&self, _: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::f32([self.invocations, 4])])
    }
    fn differentiable(&self) -> &'static [usize] {
        &[]
    }
    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let params = Params {
            rounds: self.rounds,
            invocations: self.invocations as u32,
            m: FACTOR,
            c: SUMMAND,
        };
        let grid = grid_1d(self.invocations, 64);
        l.dispatch(kernel(), &[io.y(0)], params, grid)
    }
    fn forward_reference<T: Real>(&self, _: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let (m, c) = (T::lit(f64::from(FACTOR)), T::lit(f64::from(SUMMAND)));
        let end = |start: usize| {
            let start = T::lit(start as f64);
            (0..16 * self.rounds).fold(start, |a, _| a * m + c)
        };
        let mut y = Array::zeros([self.invocations, 4]);
        for (i, y) in y.data.iter_mut().enumerate() {
            *y = end(i % 4) + end(4 + i % 4);
        }
        vec![y]
    }
}

/// Runs of one kernel; the fastest counts, since nothing makes a device faster than it is.
const RUNS: usize = 8;

/// Least milliseconds of `op` on freshly created `inputs`.
fn fastest(gpu: &Gpu, op: impl AnyOp, inputs: &[Spec], runs: usize) -> Result<f64> {
    let mut tape = Tape::new();
    let x: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(i, spec)| tape.input(&format!("x{i}"), spec.clone()))
        .collect();
    let y = tape.apply(op, &x.iter().collect::<Vec<_>>())?;
    tape.keep(&y);
    let s = schedule(&tape, gpu.capabilities(), &Choices::default())?;
    let programs = [("peak", &s)];
    let plan = MemoryPlan::new(&programs, gpu.capabilities(), Placement::Arenas(1), 1)?;
    let mut session = Session::new(gpu, plan, &[&s])?;
    let stopwatch = Stopwatch::new(gpu, 1)?;
    let all = 0..s.dispatches.len();
    let all = std::slice::from_ref(&all);
    session.time(&stopwatch, 0, all)?;
    let mut least = f64::INFINITY;
    for _ in 0..runs {
        least = least.min(session.time(&stopwatch, 0, all)?[0].ms);
    }
    Ok(least.max(1e-6))
}

/// A kernel that runs this long hides the cost of its launch.
const LONG_ENOUGH_MS: f64 = 20.0;

/// Measure both peaks: well under a second on a GPU, a few on a CPU driver.
///
/// # Errors
/// When the device fails.
pub fn peaks(gpu: &Gpu) -> Result<Peaks> {
    let (invocations, copy_bytes) = match gpu.kind() {
        DeviceClass::Software => (1 << 14, 64u64 << 20),
        // More than the largest caches, and enough invocations for every unit.
        DeviceClass::Hardware => (1 << 20, 256 << 20),
    };
    let mut fma = PeakFma {
        rounds: 16,
        invocations,
    };
    while fma.rounds < 1 << 16 && fastest(gpu, fma, &[], 1)? < LONG_ENOUGH_MS {
        fma.rounds *= 4;
    }
    let fma_ms = fastest(gpu, fma, &[], RUNS)?;

    let limit = gpu.capabilities();
    let bytes = copy_bytes
        .min(limit.max_binding_bytes)
        .min(limit.max_buffer_bytes);
    let x = Spec::f32([bytes as usize / 16 * 4]);
    let moved = 2.0 * x.bytes() as f64;
    let copy_ms = fastest(gpu, Copy, &[x], RUNS)?;
    Ok(Peaks {
        gflops: fma.flops() / (fma_ms * 1e6),
        copy_gbs: moved / (copy_ms * 1e6),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a -> a m + c` is a geometric series: after n steps `a m^n + c (1 - m^n) / (1 - m)`.
    #[test]
    fn the_reference_is_the_closed_form() {
        let op = PeakFma {
            rounds: 3,
            invocations: 2,
        };
        let y = op.forward_reference::<f64>(&[], &Step::full(1)).remove(0);
        let m = f64::from(FACTOR);
        let power = m.powi(48);
        let rest = f64::from(SUMMAND) * (1.0 - power) / (1.0 - m);
        for (i, y) in y.data.iter().enumerate() {
            let start = (i % 4 + i % 4 + 4) as f64;
            assert!((y - (start * power + 2.0 * rest)).abs() < 1e-12);
        }
    }
}
