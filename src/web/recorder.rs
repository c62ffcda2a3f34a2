//! Schedules and their memory plans as data.

use super::blob::Blob;
use super::data::{
    BindingData, BufferData, ChoiceData, DispatchData, File, KernelData, Kind, ProgramData,
    Recording, Recordings, TensorData,
};
use crate::error::{Error, Result};
use crate::nn::Model;
use crate::ops::{Access, Capabilities, Choices, Dispatch, Kernel, Window, registry};
use crate::plan::{MemoryPlan, Place, ProgramPlan, Purpose, Schedule, timeline};
use crate::tape::Tape;
use crate::tensor::{DType, Tensor};
use crate::train::{GraphSettings, compile};
use std::collections::HashSet;

/// Collects kernels and bytes of all recordings of a page.
#[derive(Debug, Default)]
pub struct Recorder {
    /// The files of all kernels.
    pub files: Vec<File>,
    /// The kernels.
    pub kernels: Vec<KernelData>,
    /// The same, by index.
    originals: Vec<Kernel>,
    /// The numbers.
    pub blob: Blob,
}

impl Recorder {
    /// What all kernels so far are called by `identity`.
    pub fn identities(&self, identity: fn(&Kernel) -> String) -> HashSet<String> {
        self.originals.iter().map(identity).collect()
    }

    /// The number of a kernel, which is added if it is new.
    fn kernel(&mut self, kernel: &Kernel) -> Result<usize> {
        let key = kernel.key();
        if let Some(known) = self.originals.iter().position(|k| k.key() == key) {
            return Ok(known);
        }
        let reflection = kernel.reflect()?;
        if !reflection.texels.is_empty() {
            return Err(Error::device(format!(
                "{}: uses textures, which WebGPU lets kernels read only as an extension; a page has no such kernels",
                kernel.path()
            )));
        }
        let storage = reflection.storage.iter().map(|access| match access {
            Access::Read => Kind::Read,
            Access::ReadWrite => Kind::Write,
        });
        let uniforms = reflection.windows + usize::from(reflection.has_params);
        let bindings = storage.chain(vec![Kind::Uniform; uniforms]).collect();
        let files = (kernel.files.iter())
            .map(|file| {
                let known = self.files.iter().position(|f| f.name == file.name);
                known.unwrap_or_else(|| {
                    self.files.push(File {
                        name: file.name,
                        text: file.text,
                    });
                    self.files.len() - 1
                })
            })
            .collect();
        let code = without_comments(kernel.source);
        let mut enable = Vec::new();
        let mut needs = Vec::new();
        if code.contains("subgroup") {
            needs.push("subgroups");
            if !code.contains("enable subgroups") {
                enable.push("subgroups");
            }
        }
        if code.contains("enable f16") {
            needs.push("shader-f16");
        }
        self.kernels.push(KernelData {
            name: kernel.name,
            files,
            constants: kernel.constants.iter().copied().collect(),
            bindings,
            workgroup_bytes: reflection.workgroup_bytes,
            enable,
            needs,
        });
        self.originals.push(kernel.clone());
        Ok(self.originals.len() - 1)
    }

    /// Record programs with their plan; `drawn`: with what is needed to draw their memory.
    ///
    /// # Errors
    /// When a kernel can't be parsed, uses textures, or a tensor has no place: bugs in an op.
    pub fn recording(
        &mut self,
        programs: &[(&str, &Schedule)],
        plan: &MemoryPlan,
        drawn: bool,
    ) -> Result<Recording> {
        let purpose = |purpose| match purpose {
            Purpose::Lasting => "lasting",
            Purpose::Scratch => "scratch",
            Purpose::Params => "params",
            // Browsers have a staging of their own and leave these out; they are listed since others are known by their index.
            Purpose::Upload | Purpose::Readback => "staging",
        };
        let buffers = (plan.buffers.iter())
            .map(|b| BufferData {
                name: b.name.clone(),
                bytes: b.bytes,
                purpose: purpose(b.purpose),
            })
            .collect();
        let mut recorded = Vec::new();
        for (i, (name, s)) in programs.iter().enumerate() {
            let p = &plan.programs[i];
            let mut params = vec![0u8; plan.buffers[p.uniforms].bytes as usize];
            for (dispatch, &offset) in s.dispatches.iter().zip(&p.params) {
                params[offset as usize..][..dispatch.params.len()]
                    .copy_from_slice(&dispatch.params);
            }
            let mut tensors = Vec::new();
            let mut dispatches = Vec::new();
            for (dispatch, &offset) in s.dispatches.iter().zip(&p.params) {
                dispatches.push(self.dispatch(s, p, dispatch, offset, &mut tensors)?);
            }
            recorded.push(ProgramData {
                name: (*name).to_owned(),
                uniforms: p.uniforms,
                params: self.blob.add(&params),
                dispatches,
                tensors,
                memory: drawn.then(|| timeline(s, plan, i)),
            });
        }
        Ok(Recording {
            buffers,
            programs: recorded,
        })
    }

    /// Record a model's programs with the kernels that GPUs run by default, and with the first rung of every ladder; and the first
    /// program's tape.
    ///
    /// # Errors
    /// When the model does not fit the graph's shape or the device's limits.
    pub fn recordings(
        &mut self,
        model: &Model,
        g: &GraphSettings,
        entries: Option<usize>,
        evaluated: usize,
        capabilities: &Capabilities,
    ) -> Result<(Recordings, Tape)> {
        let mut naive = Choices::default();
        for ladder in registry().iter().flat_map(|e| e.ladders) {
            if let Some(first) = ladder.rungs().first() {
                naive.force(ladder.name(), first.name);
            }
        }
        let mut record = |choices| -> Result<(Recording, Tape)> {
            let (programs, plan) = compile(model, g, entries, evaluated, capabilities, choices)?;
            let list: Vec<(&str, &Schedule)> = (programs.iter())
                .map(|p| (p.name.as_str(), &p.schedule))
                .collect();
            let recording = self.recording(&list, &plan, true)?;
            Ok((recording, programs[0].tape.clone()))
        };
        let default = Choices::default();
        let (gpu, tape) = record(&default)?;
        let (naive, _) = record(&naive)?;
        Ok((Recordings { gpu, naive }, tape))
    }

    fn dispatch(
        &mut self,
        s: &Schedule,
        p: &ProgramPlan,
        dispatch: &Dispatch,
        params: u64,
        tensors: &mut Vec<TensorData>,
    ) -> Result<DispatchData> {
        let mut bindings = Vec::new();
        for tensor in &dispatch.tensors {
            let place = place(s, p, tensor)?;
            bindings.push(BindingData {
                tensor: Some(known(tensors, described(s, tensor))),
                ..at(place)
            });
        }
        if !dispatch.params.is_empty() {
            bindings.push(BindingData {
                buffer: p.uniforms,
                offset: params,
                bytes: dispatch.params.len() as u64,
                tensor: None,
            });
        }
        for window in &dispatch.windows {
            let place = place(s, p, &window.tensor)?;
            bindings.push(BindingData {
                buffer: place.buffer,
                offset: place.offset + window.offset,
                bytes: Window::BYTES,
                tensor: Some(known(tensors, described(s, &window.tensor))),
            });
        }
        let choice = dispatch.chosen.map(|c| ChoiceData {
            ladder: s.chosen[c].family,
            rung: s.chosen[c].rung,
            problem: s.chosen[c].problem.to_string(),
        });
        Ok(DispatchData {
            kernel: self.kernel(&dispatch.kernel)?,
            label: s.labels[dispatch.node].clone(),
            grid: dispatch.grid,
            bindings,
            choice,
        })
    }
}

/// Where a tensor of a program lies.
///
/// # Errors
/// When no kernel of the program touches it.
pub fn place(s: &Schedule, p: &ProgramPlan, tensor: &Tensor) -> Result<Place> {
    let root = s.root(tensor);
    p.places[root.index()].ok_or_else(|| {
        let name = &s.items[root.index()].name;
        Error::device(format!("{name} has no place in the plan"))
    })
}

/// The binding of a place.
pub fn at(place: Place) -> BindingData {
    BindingData {
        buffer: place.buffer,
        offset: place.offset,
        bytes: place.bytes,
        tensor: None,
    }
}

/// What the page calls a type.
pub fn dtype(tensor: &Tensor) -> &'static str {
    match tensor.spec().dtype {
        DType::F32 => "f32",
        DType::U32 => "u32",
        DType::U8 => "u8",
    }
}

fn described(s: &Schedule, tensor: &Tensor) -> TensorData {
    let item = &s.items[tensor.id().index()];
    TensorData {
        name: item.name.clone(),
        shape: tensor.dims().to_vec(),
        dtype: dtype(tensor),
        scratch: item.workspace,
    }
}

fn known(tensors: &mut Vec<TensorData>, tensor: TensorData) -> usize {
    let found = tensors.iter().position(|t| *t == tensor);
    found.unwrap_or_else(|| {
        tensors.push(tensor);
        tensors.len() - 1
    })
}

/// A source without what follows `//`: comments may speak of features that the code does not use.
fn without_comments(source: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    source.lines().map(code).collect::<Vec<_>>().join("\n")
}
