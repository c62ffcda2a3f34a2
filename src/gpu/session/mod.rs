//! A running plan: buffers, programs, and the staging that moves data in and out of them.

mod apart;
mod inspect;
mod transfer;

pub use inspect::Written;
pub(super) use transfer::mapped;

use super::Gpu;
use super::buffers::Buffers;
use super::pipelines::Pipelines;
use super::program::Program;
use crate::error::{Error, Result};
use crate::ops::Step;
use crate::plan::{MemoryPlan, Place, Purpose, Schedule, UPLOAD_RING};
use crate::tensor::Tensor;
use std::ops::Range;
use transfer::Upload;

/// One micro-batch: its step state, and data for streamed inputs (buffer name without `input `, bytes).
#[derive(Debug, Clone)]
pub struct StepInputs<'a> {
    /// The step state.
    pub step: Step,
    /// Streamed inputs.
    pub data: Vec<(&'a str, &'a [u8])>,
}

/// Alignment of a piece in an upload buffer.
const UPLOAD_ALIGNMENT: u64 = 8;

impl StepInputs<'_> {
    /// Everything to upload: the step state as `control`, then the data.
    fn uploads(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let step = ("control", bytemuck::bytes_of(&self.step));
        std::iter::once(step).chain(self.data.iter().copied())
    }

    fn upload_bytes(&self) -> u64 {
        self.uploads()
            .map(|(_, b)| (b.len() as u64).next_multiple_of(UPLOAD_ALIGNMENT))
            .sum()
    }
}

/// Programs over one set of buffers. Nothing is allocated after [`Session::new`].
///
/// A linear classifier from its parts:
///
/// ```
/// use gtzan_gpu::gpu::{Gpu, Session, StepInputs};
/// use gtzan_gpu::ops::{Adam, Choices, Dense, SoftmaxCrossEntropy, Step};
/// use gtzan_gpu::plan::{MemoryPlan, Placement, schedule};
/// use gtzan_gpu::tape::{Flat, Init, Tape, initial_values};
/// use gtzan_gpu::tensor::Spec;
///
/// # fn main() -> gtzan_gpu::Result<()> {
/// // Record: a linear classifier, its loss, its gradients, its optimizer. Nothing is computed yet.
/// let mut tape = Tape::new();
/// let x = tape.input("x", Spec::f32([4, 2]));
/// let labels = tape.input("labels", Spec::u32([4]));
/// let class_weights = tape.input("class weights", Spec::f32([2]));
/// let w = tape.parameter("w", [2, 2], Init::GlorotUniform { fan_in: 2, fan_out: 2 });
/// let b = tape.parameter("b", [2], Init::Constant(0.0));
/// let logits = tape.apply(Dense { relu: false }, &[&x, &w, &b])?;
/// let loss = tape.apply(SoftmaxCrossEntropy::default(), &[&logits, &labels, &class_weights])?;
/// tape.keep(&loss);
/// tape.backward(&loss)?;
/// tape.begin_update();
/// let flat = [Flat::Parameters, Flat::Gradients, Flat::Moment1, Flat::Moment2].map(|which| tape.flat(which));
/// tape.apply_all(std::sync::Arc::new(Adam::default()), &flat.iter().collect::<Vec<_>>())?;
///
/// // Plan: every byte is known before the first allocation.
/// let gpu = Gpu::open(&Default::default())?;
/// let steps = schedule(&tape, gpu.capabilities(), &Choices::default())?;
/// let plan = MemoryPlan::new(&[("train", &steps)], gpu.capabilities(), Placement::default(), 1)?;
///
/// // Replay.
/// let mut session = Session::new(&gpu, plan, &[&steps])?;
/// for (tensor, values) in initial_values(&tape, 42) {
///     let place = session.place(0, &steps, &tape.handle(tensor))?;
///     session.write(place, bytemuck::cast_slice(&values))?;
/// }
/// session.write_buffer("input x", bytemuck::cast_slice(&[0f32, 1., 1., 0., 0., 2., 2., 0.]))?;
/// session.write_buffer("input labels", bytemuck::cast_slice(&[0u32, 1, 0, 1]))?;
/// session.write_buffer("input class weights", bytemuck::cast_slice(&[1f32, 1.]))?;
/// let mut losses = Vec::new();
/// for t in 1..=50 {
///     let step = Step { step: t, alpha: 0.05, ..Step::full(4) };
///     session.run(0, &[StepInputs { step, data: vec![] }])?;
///     let place = session.place(0, &steps, &loss)?;
///     losses.push(f32::from_le_bytes(session.read(place)?[..4].try_into().expect("4 bytes")));
/// }
/// assert!(losses[49] < 0.3 * losses[0]);
/// # Ok(())
/// # }
/// ```
///
#[derive(Debug)]
pub struct Session<'g> {
    pub(super) gpu: &'g Gpu,
    plan: MemoryPlan,
    buffers: Buffers,
    pub(super) programs: Vec<Program>,
    uploads: [Upload; UPLOAD_RING],
    next_upload: usize,
    readback: usize,
    gradient_sum: Option<usize>,
}

impl<'g> Session<'g> {
    /// Create the plan's buffers and build its programs; `schedules` in the plan's order.
    ///
    /// # Errors
    /// Out of memory, a kernel that does not compile, a lost device.
    pub fn new(gpu: &'g Gpu, plan: MemoryPlan, schedules: &[&Schedule]) -> Result<Self> {
        let buffers = Buffers::create(gpu, &plan)?;
        let mut pipelines = Pipelines::default();
        let programs = schedules
            .iter()
            .zip(&plan.programs)
            .map(|(s, p)| Program::build(gpu, s, p, &buffers, &mut pipelines))
            .collect::<Result<Vec<_>>>()?;
        let find = |name: &str| {
            plan.find(name)
                .ok_or_else(|| Error::device(format!("the plan has no buffer '{name}'")))
        };
        let mut uploads = Vec::new();
        for i in 0..UPLOAD_RING {
            let mut upload = Upload {
                buffer: find(&format!("upload {i}"))?,
                pending: None,
                mapped: None,
            };
            upload.request_map(&buffers);
            uploads.push(upload);
        }
        let uploads = uploads
            .try_into()
            .map_err(|_| Error::device("the upload ring has another size than planned"))?;
        let readback = find("readback")?;
        let mut session = Self {
            gpu,
            buffers,
            programs,
            uploads,
            next_upload: 0,
            readback,
            gradient_sum: plan.find(crate::plan::flat_buffer(crate::tape::Flat::GradientSum).0),
            plan,
        };
        for (i, schedule) in schedules.iter().enumerate() {
            let p = &session.plan.programs[i];
            let mut bytes = vec![0u8; session.plan.buffers[p.uniforms].bytes as usize];
            for (dispatch, &offset) in schedule.dispatches.iter().zip(&p.params) {
                bytes[offset as usize..][..dispatch.params.len()].copy_from_slice(&dispatch.params);
            }
            session.write_bytes(p.uniforms, 0, &bytes)?;
        }
        Ok(session)
    }

    /// The plan that this session runs.
    pub fn plan(&self) -> &MemoryPlan {
        &self.plan
    }

    /// The device.
    pub fn gpu(&self) -> &'g Gpu {
        self.gpu
    }

    /// Number of buffers created, ever.
    pub fn created_buffers(&self) -> usize {
        self.buffers.count()
    }

    /// Bytes of all buffers created, as the created buffers report them.
    pub fn created_bytes(&self) -> u64 {
        self.buffers.bytes()
    }

    /// Bytes that the driver's allocator has handed out for buffers, and bytes of the blocks that it took them from, where
    /// wgpu can tell. They exceed [`Session::created_bytes`] by alignment and by wgpu's own small buffers.
    pub fn reported_bytes(&self) -> Option<(u64, u64)> {
        let report = self.gpu.device.generate_allocator_report()?;
        Some((report.total_allocated_bytes, report.total_reserved_bytes))
    }

    /// Where a tensor of a program lies.
    ///
    /// # Errors
    /// When no dispatch of the program touches it.
    pub fn place(&self, program: usize, schedule: &Schedule, tensor: &Tensor) -> Result<Place> {
        let root = schedule.root(tensor);
        self.plan.programs[program].places[root.index()].ok_or_else(|| {
            let name = &schedule.items[root.index()].name;
            Error::usage(format!("{name} is used by no kernel of this program"))
        })
    }

    /// Run one step of `program`: every micro-batch, then the update. Does not wait for it.
    ///
    /// It is one submission, or, where the data of all micro-batches exceeds an upload buffer, as few as hold it. A buffer
    /// for the sum of gradients starts at zero.
    ///
    /// # Errors
    /// When the data of one micro-batch exceeds the upload buffer, or the device fails.
    pub fn run(&mut self, program: usize, batches: &[StepInputs]) -> Result<()> {
        let mut rest = batches;
        while !rest.is_empty() {
            let mut count = 0;
            let mut end = 0;
            while let Some(batch) = rest.get(count) {
                end += batch.upload_bytes();
                if end > self.plan.upload_bytes {
                    break;
                }
                count += 1;
            }
            if count == 0 {
                return Err(Error::usage(format!(
                    "a micro-batch brings {end} bytes, the upload buffer holds {}",
                    self.plan.upload_bytes
                )));
            }
            let (now, later) = rest.split_at(count);
            let first = rest.len() == batches.len();
            self.submit_batches(program, now, first, later.is_empty())?;
            rest = later;
        }
        Ok(())
    }

    fn submit_batches(
        &mut self,
        program: usize,
        batches: &[StepInputs],
        first: bool,
        last: bool,
    ) -> Result<()> {
        let p = &self.programs[program];
        let ranges = match last {
            true => vec![p.batch.clone(), p.update.clone()],
            false => vec![p.batch.clone()],
        };
        self.submit_some(program, batches, first, &ranges)
    }

    /// One submission: for every micro-batch its data and the first of `ranges` of the program's launches; the others once, with the
    /// last micro-batch.
    fn submit_some(
        &mut self,
        program: usize,
        batches: &[StepInputs],
        first: bool,
        ranges: &[Range<usize>],
    ) -> Result<()> {
        let mut pieces: Vec<(u64, &[u8])> = Vec::new();
        let mut copies = Vec::new();
        let mut at = 0;
        for batch in batches {
            let mut list = Vec::new();
            for (name, bytes) in batch.uploads() {
                let (target, _) = match name {
                    "control" => self.named(name)?,
                    _ => self.named(&format!("input {name}"))?,
                };
                let size = (bytes.len() as u64).next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT);
                pieces.push((at, bytes));
                list.push((at, target, size));
                at += size.next_multiple_of(UPLOAD_ALIGNMENT);
            }
            copies.push(list);
        }
        let slot = self.fill_upload(&pieces)?;
        let mut encoder = self.encoder();
        if first && let Some(sum) = self.gradient_sum {
            encoder.clear_buffer(self.buffers.get(sum), 0, None);
        }
        let source = self.buffers.get(self.uploads[slot].buffer);
        let prog = &self.programs[program];
        for (i, list) in copies.iter().enumerate() {
            for &(from, target, size) in list {
                encoder.copy_buffer_to_buffer(source, from, self.buffers.get(target), 0, size);
            }
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let last = i + 1 == copies.len();
            let now = if last { ranges } else { &ranges[..1] };
            for range in now {
                prog.encode(&mut pass, range.clone());
            }
        }
        self.submit(encoder, Some(slot))
    }

    /// Fill all scratch with NaN, so that a kernel which reads what it should have written is caught.
    ///
    /// # Errors
    /// When the device fails.
    pub fn poison(&mut self) -> Result<()> {
        for index in 0..self.plan.buffers.len() {
            let b = &self.plan.buffers[index];
            if b.purpose == Purpose::Scratch {
                let nan = vec![0xff; b.bytes as usize];
                self.write_bytes(index, 0, &nan)?;
            }
        }
        Ok(())
    }

    /// Wait until everything submitted is done.
    ///
    /// # Errors
    /// When the device was lost or reported trouble.
    pub fn wait(&self) -> Result<()> {
        self.gpu.wait(None)
    }

    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    pub(super) fn submit(
        &mut self,
        encoder: wgpu::CommandEncoder,
        slot: Option<usize>,
    ) -> Result<()> {
        let index = self.gpu.submit(encoder)?;
        if let Some(slot) = slot {
            let upload = &mut self.uploads[slot];
            upload.pending = Some(index);
            upload.request_map(&self.buffers);
        }
        self.gpu.check()
    }
}
