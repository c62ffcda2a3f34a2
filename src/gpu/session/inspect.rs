//! A step run op by op, looking at everything that each op wrote.

use super::{Session, StepInputs};
use crate::error::Result;
use crate::ops::Access;
use crate::plan::Schedule;
use crate::tensor::{DType, Tensor};
use std::ops::Range;

/// A tensor as an op left it.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The op's label, e.g. `conv1/conv2d`.
    pub op: String,
    /// The tensor's name.
    pub tensor: String,
    /// First element that is NaN or infinite, and what it is.
    pub non_finite: Option<(usize, f32)>,
    /// Fingerprint of its bits.
    pub digest: blake3::Hash,
}

impl Session<'_> {
    /// Run one step of `program` op by op, waiting for the device after each, and say what every op wrote, in order. Scratch
    /// of kernels is left out: it may have parts that nobody writes. Weights, moments and statistics change as in training.
    ///
    /// # Errors
    /// When the device fails.
    pub fn inspect(
        &mut self,
        program: usize,
        schedule: &Schedule,
        inputs: &[StepInputs],
    ) -> Result<Vec<Written>> {
        let mut all = Vec::new();
        if let Some(sum) = self.gradient_sum {
            let mut encoder = self.encoder();
            encoder.clear_buffer(self.buffers.get(sum), 0, None);
            self.submit(encoder, None)?;
        }
        for (i, input) in inputs.iter().enumerate() {
            self.write_buffer("control", bytemuck::bytes_of(&input.step))?;
            for (name, bytes) in &input.data {
                self.write_buffer(&format!("input {name}"), bytes)?;
            }
            let last = i + 1 == inputs.len();
            let end = if last {
                schedule.update.end
            } else {
                schedule.batch.end
            };
            let mut at = schedule.batch.start;
            while at < end {
                // Kernels that work in pieces have written everything only with their op's last dispatch.
                let node = schedule.dispatches[at].node;
                let more = (schedule.dispatches[at..end].iter())
                    .take_while(|d| d.node == node)
                    .count();
                self.run_some(program, at..at + more)?;
                for tensor in outputs(schedule, at..at + more)? {
                    let written = self.look(program, schedule, node, &tensor)?;
                    all.push(written);
                }
                at += more;
            }
        }
        Ok(all)
    }

    fn run_some(&mut self, program: usize, dispatches: Range<usize>) -> Result<()> {
        let mut encoder = self.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            self.programs[program].encode(&mut pass, dispatches);
        }
        self.submit(encoder, None)
    }

    fn look(
        &mut self,
        program: usize,
        schedule: &Schedule,
        node: usize,
        tensor: &Tensor,
    ) -> Result<Written> {
        let bytes = self.read(self.place(program, schedule, tensor)?)?;
        let dtype = tensor.spec().dtype;
        let bytes = &bytes[..tensor.numel() * dtype.size()]; // without the rounding up to whole vec4s
        let non_finite = if dtype == DType::F32 {
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
            let found = values.iter().position(|v| !v.is_finite());
            found.map(|i| (i, values[i]))
        } else {
            None
        };
        Ok(Written {
            op: schedule.labels[node].clone(),
            tensor: schedule.items[tensor.id().index()].name.clone(),
            non_finite,
            digest: blake3::hash(bytes),
        })
    }
}

/// Tensors that some dispatches write, kernels' scratch apart, each once.
fn outputs(schedule: &Schedule, dispatches: Range<usize>) -> Result<Vec<Tensor>> {
    let mut found: Vec<Tensor> = Vec::new();
    for dispatch in &schedule.dispatches[dispatches] {
        let accesses = schedule.accesses(dispatch)?;
        for (tensor, (_, access)) in dispatch.tensors.iter().zip(accesses) {
            let scratch = schedule.items[tensor.id().index()].workspace;
            let known = found.iter().any(|t| t.id() == tensor.id());
            if access == Access::ReadWrite && !scratch && !known {
                found.push(tensor.clone());
            }
        }
    }
    Ok(found)
}
