//! The reference executor with every activation kept at its planned place: a plan that lets one tensor overwrite another
//! too early shows as a difference from the run with unlimited memory.

use crate::graphs::{BATCH, step};
use gtzan_gpu::gradcheck::{from_bytes, to_bytes};
use gtzan_gpu::ops::Fill;
use gtzan_gpu::plan::{MemoryPlan, Schedule};
use gtzan_gpu::reference::Executor;
use gtzan_gpu::tape::{Role, Tape, initial_values};
use gtzan_gpu::tensor::{DType, Tensor};
use rand::SeedableRng;

/// Values for inputs, parameters and states.
pub fn inputs(tape: &Tape) -> Vec<(Tensor, Vec<f32>)> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut initial = initial_values(tape, 1);
    let mut all = Vec::new();
    for role in [Role::Input, Role::Parameter, Role::State] {
        for tensor in tape.tensors(role) {
            let values = initial.remove(&tensor.id()).unwrap_or_else(|| {
                let fill = match tensor.spec().dtype {
                    DType::U32 => Fill::Integers(4),
                    _ => Fill::Normal(1.0),
                };
                fill.values(tensor.numel(), &mut rng)
            });
            all.push((tensor, values));
        }
    }
    all
}

fn executor(tape: &Tape) -> Executor<'_, f32> {
    let mut executor = Executor::new(tape);
    for (tensor, values) in inputs(tape) {
        executor.set(&tensor, &values);
    }
    executor
}

/// Bits of all gradients, parameters and states.
fn results(tape: &Tape, executor: &Executor<f32>) -> Vec<Vec<u32>> {
    let parameters = tape.tensors(Role::Parameter);
    let gradients: Vec<Tensor> = (parameters.iter())
        .filter_map(|p| tape.gradient(p).cloned())
        .collect();
    (gradients.iter())
        .chain(&parameters)
        .chain(&tape.tensors(Role::State))
        .map(|t| executor.get(t).data.iter().map(|v| v.to_bits()).collect())
        .collect()
}

/// One step with unlimited memory.
pub fn gradients(tape: &Tape) -> Vec<Vec<u32>> {
    let mut executor = executor(tape);
    executor.run(&step(BATCH));
    results(tape, &executor)
}

/// One step in planned memory, which starts out as NaN.
pub fn planned(tape: &Tape, s: &Schedule, plan: &MemoryPlan) -> Vec<Vec<u32>> {
    let mut executor = executor(tape);
    let mut memory: Vec<Vec<u8>> = (plan.buffers.iter())
        .map(|b| vec![0xff; b.bytes as usize])
        .collect();
    let place = |t: &Tensor| {
        let planned = plan.programs[0].places[s.root(t).index()];
        planned.filter(|_| tape.value(t.id()).role == Role::Activation)
    };
    for node in tape.nodes() {
        for t in node.reads() {
            if let Some(p) = place(t) {
                let bytes = &memory[p.buffer][p.offset as usize..][..p.bytes as usize];
                let values = from_bytes(t, bytes);
                let name = &tape.value(t.id()).name;
                let same = (values.iter().zip(&executor.get(t).data))
                    .all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{} reads {name} after it was overwritten", node.label);
            }
        }
        executor.run_node(node, &step(BATCH));
        for t in node.writes() {
            if let Some(p) = place(t) {
                let bytes = to_bytes(t.spec().dtype, &executor.get(t).data);
                memory[p.buffer][p.offset as usize..][..bytes.len()].copy_from_slice(&bytes);
            }
        }
    }
    results(tape, &executor)
}
