//! Adapters and devices: which one is used, why, and what to do when there is none.

use super::capabilities::capabilities;
use super::choice::AdapterChoice;
use super::faults::Faults;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{Capabilities, DeviceClass};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What to install when no adapter is found.
pub(super) const NO_ADAPTER: &str = "no Vulkan, Metal or DX12 adapter found; install the GPU's driver, or a software one: \
    `sudo apt install mesa-vulkan-drivers` (Debian, Ubuntu), `sudo dnf install mesa-vulkan-drivers vulkan-loader` (Fedora), \
    `sudo pacman -S vulkan-swrast vulkan-icd-loader` (Arch)";

/// The native backends. Not GL: its EGL library prints to stderr on its own.
const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN
    .union(wgpu::Backends::METAL)
    .union(wgpu::Backends::DX12);

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: BACKENDS,
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    })
}

/// All adapters, best first; that order numbers them.
pub fn adapters() -> Vec<wgpu::Adapter> {
    let mut found = pollster::block_on(instance().enumerate_adapters(BACKENDS));
    found.retain(|a| {
        a.get_downlevel_capabilities()
            .flags
            .contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
    });
    found.sort_by_key(|a| rank(a.get_info().device_type));
    found
}

fn rank(device_type: wgpu::DeviceType) -> u8 {
    match device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// Open a device with all that the kernels can use of what the adapter offers.
fn request(
    adapter: &wgpu::Adapter,
    cooperative: bool,
) -> std::result::Result<(wgpu::Device, wgpu::Queue), wgpu::RequestDeviceError> {
    let mut wanted = wgpu::Features::TIMESTAMP_QUERY
        | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES
        | wgpu::Features::SUBGROUP
        | wgpu::Features::SHADER_F16;
    let experimental_features = if cooperative {
        wanted |= wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        // SAFETY: what wgpu asks for is to know that its experimental parts may have bugs that break memory safety, and to
        // report them. One kernel touches such a part, dense/cooperative/product, and it runs only where it is asked for by name.
        unsafe { wgpu::ExperimentalFeatures::enabled() }
    } else {
        wgpu::ExperimentalFeatures::disabled()
    };
    pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("gtzan-gpu"),
        required_features: adapter.features() & wanted,
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        experimental_features,
        ..Default::default()
    }))
}

/// What went wrong on the device outside any error scope.
type Trouble = Arc<Mutex<Option<Error>>>;

/// An opened device.
#[derive(Debug)]
pub struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    capabilities: Capabilities,
    /// What kind of adapter it is; `capabilities` may hold another kind's.
    kind: DeviceClass,
    memory: Option<u64>,
    trouble: Trouble,
    /// Set once the device is lost, and for good.
    lost: Arc<OnceLock<Error>>,
    faults: Faults,
    poison: bool,
}

impl Gpu {
    /// Open the adapter of choice with all that it offers.
    ///
    /// # Errors
    /// When there is none (with what to install), none of that name or number (with those there are), or the driver
    /// refuses to open it.
    pub fn open(choice: &AdapterChoice) -> Result<Self> {
        let all = adapters();
        let names: Vec<String> = all.iter().map(|a| a.get_info().name).collect();
        let list = || {
            let numbered = names.iter().enumerate().map(|(i, n)| format!("{i}: {n}"));
            numbered.collect::<Vec<_>>().join(", ")
        };
        if all.is_empty() {
            return Err(Error::device(NO_ADAPTER));
        }
        let adapter = choice
            .among(&names)
            .and_then(|i| all.get(i))
            .ok_or_else(|| {
                Error::usage(format!(
                    "no adapter is called or numbered '{choice}'; there are {}",
                    list()
                ))
            })?;
        Self::from_adapter(adapter)
    }

    fn from_adapter(adapter: &wgpu::Adapter) -> Result<Self> {
        let info = adapter.get_info();
        let mut capabilities = capabilities(adapter);
        let mut opened = request(adapter, capabilities.cooperative);
        if opened.is_err() && capabilities.cooperative {
            // An experimental extension must not be what keeps a device shut.
            capabilities.cooperative = false;
            opened = request(adapter, false);
        }
        let (device, queue) = opened.map_err(|e| {
            Error::device(format!("{}: the driver refuses to open it: {e}", info.name))
        })?;
        let trouble = Trouble::default();
        let slot = trouble.clone();
        device.on_uncaptured_error(Arc::new(move |e| report(&slot, convert("the device", e))));
        let lost = Arc::new(OnceLock::new());
        let slot = lost.clone();
        let name = info.name.clone();
        // Whatever the reason: a device that this program drops is destroyed too, but then nobody asks any more.
        device.set_device_lost_callback(move |_, message| {
            let text = format!(
                "{name}: the device was lost ({message}); the last checkpoint is intact: continue with --resume"
            );
            slot.get_or_init(|| Error::device(text));
        });
        Ok(Self {
            device,
            queue,
            info,
            kind: capabilities.class,
            capabilities,
            memory: super::device_memory(adapter),
            trouble,
            lost,
            faults: Faults::default(),
            poison: false,
        })
    }

    /// The same device with the default rungs of another kind of adapter: what a GPU runs by default, say, run by a CPU driver. It
    /// still has only its own abilities; where a GPU's default asks for more, the next one in order is taken.
    #[must_use]
    pub fn with_defaults_of(mut self, class: DeviceClass) -> Self {
        self.capabilities.class = class;
        self
    }

    /// What kind of adapter it is, whatever its defaults are.
    pub fn kind(&self) -> DeviceClass {
        self.kind
    }

    /// Name of the adapter.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// Driver and its version.
    pub fn driver(&self) -> String {
        let text = format!("{} {}", self.info.driver, self.info.driver_info);
        text.trim().to_owned()
    }

    /// For defaults of another kind of adapter: a line that says so.
    pub fn class_note(&self) -> Option<String> {
        let name = &self.info.name;
        (self.kind != self.capabilities.class).then(|| match self.capabilities.class {
            DeviceClass::Hardware => format!("{name} runs what a GPU would run by default"),
            DeviceClass::Software => format!("{name} runs what a CPU driver would run by default"),
        })
    }

    /// For a CPU driver: a line that says so; none for a GPU.
    pub fn software_note(&self) -> Option<String> {
        (self.kind == DeviceClass::Software).then(|| {
            format!(
                "{} is a software adapter: everything works, far slower than on a GPU",
                self.info.name
            )
        })
    }

    /// What the adapter says of itself.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.info
    }

    /// What the device can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Bytes that a run may take when the user sets no budget: see [`super::default_budget`].
    pub fn default_budget(&self) -> Option<u64> {
        super::default_budget(self.memory, self.kind)
    }

    /// Whether kernels can be timed by the device's own clock.
    pub fn has_timestamps(&self) -> bool {
        let needed =
            wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES;
        self.device.features().contains(needed)
    }

    /// Run `work`, and turn what the driver reports about it into an error that names `what`.
    ///
    /// # Errors
    /// The first out-of-memory, validation or internal error of the driver.
    pub(crate) fn scoped<T>(&self, what: &str, work: impl FnOnce() -> T) -> Result<T> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let value = work();
        let scopes = [internal, validation, memory];
        let errors = scopes.map(|scope| pollster::block_on(scope.pop()));
        match errors.into_iter().flatten().next() {
            Some(error) => Err(self.explain(convert(what, error))),
            None => Ok(value),
        }
    }

    /// Create something: as [`Gpu::scoped`], and refused where [`Gpu::faults`] says so.
    ///
    /// # Errors
    /// As [`Gpu::scoped`].
    pub(crate) fn create<T>(&self, what: &str, work: impl FnOnce() -> T) -> Result<T> {
        if self.faults.refuses() {
            return Err(out_of_memory(what));
        }
        self.scoped(what, work)
    }

    /// Hand a command buffer over.
    ///
    /// # Errors
    /// As [`Gpu::scoped`].
    pub(crate) fn submit(&self, encoder: wgpu::CommandEncoder) -> Result<wgpu::SubmissionIndex> {
        let index = self.scoped("submitting a step", || {
            self.queue.submit([encoder.finish()])
        })?;
        if self.faults.loses() {
            self.device.destroy();
        }
        Ok(index)
    }

    /// For tests: what shall go wrong.
    #[doc(hidden)]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// For tests: kernels compiled from now on begin by filling their workgroup memory with garbage.
    #[doc(hidden)]
    #[must_use]
    pub fn with_poisoned_workgroup_memory(mut self) -> Self {
        self.poison = true;
        self
    }

    pub(crate) fn poisons_workgroup_memory(&self) -> bool {
        self.poison
    }

    /// Wait until the device has done everything, or the given submission.
    ///
    /// # Errors
    /// When the device was lost or reported trouble meanwhile.
    pub(crate) fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let polled = self.device.poll(wgpu::PollType::Wait {
            submission_index: submission,
            timeout: None,
        });
        self.check()?;
        polled.map(|_| ()).map_err(|e| {
            Error::device(format!(
                "{}: waiting for the device failed: {e}",
                self.info.name
            ))
        })
    }

    /// What is behind `error`: on a lost device every call fails in some way of its own.
    pub(crate) fn explain(&self, error: Error) -> Error {
        // The loss is told to the callback only when somebody polls; that this fails then is no news.
        let _ = self.device.poll(wgpu::PollType::Poll);
        self.lost.get().cloned().unwrap_or(error)
    }

    /// Trouble reported since the last call, or that the device is lost.
    ///
    /// # Errors
    /// The first error that the driver reported outside a scope.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(lost) = self.lost.get() {
            return Err(lost.clone());
        }
        let mut slot = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take().map_or(Ok(()), Err)
    }
}

fn report(slot: &Trouble, error: Error) {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    slot.get_or_insert(error);
}

fn out_of_memory(what: &str) -> Error {
    Error::new(
        ErrorKind::OutOfMemory,
        format!("{what}: the driver is out of memory; set a smaller --vram or --batch-size"),
    )
}

fn convert(what: &str, error: wgpu::Error) -> Error {
    match error {
        wgpu::Error::OutOfMemory { .. } => out_of_memory(what),
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            let mut lines = description.lines().map(str::trim).filter(|l| !l.is_empty());
            let text: Vec<&str> = lines.by_ref().take(12).collect();
            Error::device(format!("{what}: {}", text.join(" | ")))
        }
    }
}
