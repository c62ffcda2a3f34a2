//! The only place that knows wgpu: devices, kernels compiled once, buffers created by plan, steps replayed.

mod buffers;
mod capabilities;
mod choice;
mod described;
mod device;
mod faults;
mod memory;
mod pipelines;
mod poison;
mod profiler;
mod program;
mod session;
mod share;

pub use choice::AdapterChoice;
pub use described::{Described, describe_adapters};
pub use device::{Gpu, adapters};
pub use faults::Faults;
pub use memory::{default_budget, device_memory};
pub(crate) use pipelines::{FORCE_LOOP_BOUNDING, ZERO_INITIALISE_WORKGROUP_MEMORY};
pub use profiler::{Clock, Span, Stopwatch, Timings, median};
pub use session::{Session, StepInputs, Written};
