//! A few ops on a tape, run once on the GPU, in memory that starts as NaN.

use gtzan_gpu::gpu::{Gpu, Session, StepInputs};
use gtzan_gpu::gradcheck::from_bytes;
use gtzan_gpu::ops::{AnyOp, Choices, Step};
use gtzan_gpu::plan::{MemoryPlan, Placement, Schedule, schedule};
use gtzan_gpu::tape::Tape;
use gtzan_gpu::tensor::{Spec, Tensor};
use std::sync::Arc;

/// What is to run.
pub struct Run {
    pub tape: Tape,
    values: Vec<(Tensor, Vec<u8>)>,
}

/// What can run, again and again.
pub struct Ready<'g> {
    session: Session<'g>,
    schedule: Schedule,
}

impl Run {
    pub fn new() -> Self {
        Self {
            tape: Tape::new(),
            values: Vec::new(),
        }
    }

    fn name(&self) -> String {
        format!("x{}", self.values.len())
    }

    /// Numbers that ops read.
    pub fn input(&mut self, dims: &[usize], values: &[f32]) -> Tensor {
        let tensor = self.tape.input(&self.name(), Spec::f32(dims));
        self.set(&tensor, bytemuck::cast_slice(values));
        tensor
    }

    /// Labels.
    pub fn labels(&mut self, values: &[u32]) -> Tensor {
        let tensor = self.tape.input(&self.name(), Spec::u32([values.len()]));
        self.set(&tensor, bytemuck::cast_slice(values));
        tensor
    }

    /// Numbers that an op changes in place.
    pub fn changed(&mut self, values: &[f32]) -> Tensor {
        let tensor = self.tape.output(&self.name(), Spec::f32([values.len()]));
        self.set(&tensor, bytemuck::cast_slice(values));
        tensor
    }

    /// What a tensor of the tape holds at first.
    pub fn set(&mut self, tensor: &Tensor, bytes: &[u8]) {
        self.values.push((tensor.clone(), bytes.to_vec()));
    }

    /// All outputs of an op, kept for reading.
    pub fn apply(&mut self, op: impl AnyOp, inputs: &[&Tensor]) -> Vec<Tensor> {
        let outputs = self
            .tape
            .apply_all(Arc::new(op), inputs)
            .expect("a case that fits its op");
        outputs.iter().for_each(|y| self.tape.keep(y));
        outputs
    }

    pub fn ready<'g>(&self, gpu: &'g Gpu) -> Ready<'g> {
        let device = gpu.capabilities();
        let schedule = schedule(&self.tape, device, &Choices::default()).expect("a schedule");
        let programs = [("case", &schedule)];
        let plan = MemoryPlan::new(&programs, device, Placement::default(), 1).expect("a plan");
        let mut session = Session::new(gpu, plan, &[&schedule]).expect("a session");
        session.poison().expect("poisoned memory");
        let mut ready = Ready { session, schedule };
        for (tensor, bytes) in &self.values {
            ready.write(tensor, bytes);
        }
        ready
    }

    /// Run once and read.
    pub fn read(&self, gpu: &Gpu, step: Step, tensors: &[Tensor]) -> Vec<Vec<f32>> {
        let mut ready = self.ready(gpu);
        ready.run(step);
        tensors.iter().map(|t| ready.read(t)).collect()
    }
}

impl Ready<'_> {
    pub fn write(&mut self, tensor: &Tensor, bytes: &[u8]) {
        let place = self
            .session
            .place(0, &self.schedule, tensor)
            .expect("a place");
        self.session.write(place, bytes).expect("written");
    }

    pub fn write_buffer(&mut self, name: &str, bytes: &[u8]) {
        self.session.write_buffer(name, bytes).expect("written");
    }

    pub fn run(&mut self, step: Step) {
        let inputs = StepInputs {
            step,
            data: Vec::new(),
        };
        self.session.run(0, &[inputs]).expect("run");
    }

    pub fn read(&mut self, tensor: &Tensor) -> Vec<f32> {
        let place = self
            .session
            .place(0, &self.schedule, tensor)
            .expect("a place");
        from_bytes(tensor, &self.session.read(place).expect("read"))
    }

    pub fn read_buffer(&mut self, name: &str) -> Vec<f32> {
        bytemuck::pod_collect_to_vec(&self.session.read_buffer(name).expect("read"))
    }
}
