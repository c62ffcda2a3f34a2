//! A model as a web page: recorded programs as data, and scripts that play them on the reader's GPU.
//!
//! A schedule and its memory plan are all that a step is: kernels, buffers, dispatches, params. So the page needs no engine of its own,
//! just `web/player.js`. Everything is recorded for a portable GPU, within the limits that every WebGPU device guarantees.

mod assets;
mod blob;
mod checks;
mod data;
mod ladders;
mod recorder;
mod training;
mod written;

pub use data::Page;

use crate::dataset::Progress;
use crate::error::{Error, Result};
use crate::features::Definition;
use crate::fsutil::{atomic_write, create_dir};
use crate::nn::Model;
use crate::ops::{Capabilities, DeviceClass};
use crate::tape::Role;
use crate::train::{ModelFile, training_tape};
use data::Classify;
use flate2::Compression;
use flate2::write::GzEncoder;
use recorder::Recorder;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Samples that the page classifies at once.
const BATCH: usize = 8;

/// The page's description, and the blob with its numbers.
#[derive(Debug)]
pub struct Export {
    /// What the page knows.
    pub page: Page,
    /// Numbers that it names by where they lie.
    pub blob: Vec<u8>,
}

impl Export {
    /// Record `model`; with `file`, a trained model of this architecture, the page classifies songs too.
    ///
    /// # Errors
    /// When the model does not fit the page's samples, or the limits that every WebGPU device guarantees.
    pub fn new(model: &Model, file: Option<&ModelFile>, progress: Progress) -> Result<Self> {
        let portable = Capabilities::portable(DeviceClass::Hardware);
        // Rungs in f16 are on the page too, for whoever has a GPU that runs them.
        let with_f16 = Capabilities {
            f16: true,
            ..portable.clone()
        };
        let mut recorder = Recorder::default();
        let train = training::training(&mut recorder, model, &portable, progress)?;
        let (classify, no_classify) = match file {
            None => (None, Some(UNTRAINED.to_owned())),
            Some(file) => match file.features.definition {
                Some(Definition::Segment) => {
                    (Some(classify(&mut recorder, file, &portable)?), None)
                }
                Some(Definition::Notebook) => (None, Some(NOTEBOOK.to_owned())),
                None => (None, Some(ARRAYS.to_owned())),
            },
        };
        let g = training::graph(train.labels.len());
        let ladders = ladders::ladders(&mut recorder, model, &g, &with_f16)?;
        let checks = checks::checks(&mut recorder, &with_f16)?;
        let tape = training_tape(model, &g, 1)?;
        let parameters = tape.tensors(Role::Parameter);
        let page = Page {
            version: env!("CARGO_PKG_VERSION"),
            model: model.name.clone(),
            parameters: parameters.iter().map(|t| t.numel()).sum(),
            labels: file.map_or_else(|| train.labels.clone(), |f| f.labels.clone()),
            files: recorder.files,
            kernels: recorder.kernels,
            classify,
            no_classify,
            train,
            checks,
            ladders,
        };
        Ok(Self {
            page,
            blob: recorder.blob.into_bytes(),
        })
    }

    /// Write the page into `dir`, which is created; with `single` one file with everything inside. The paths written and their bytes
    /// in all.
    ///
    /// # Errors
    /// A full disk, a read-only folder.
    pub fn write(&self, dir: &Path, single: bool) -> Result<(Vec<PathBuf>, u64)> {
        let json = serde_json::to_string(&self.page)
            .map_err(|e| Error::data(format!("the page can't be written as JSON: {e}")))?;
        let packed = pack(&json, &self.blob).map_err(|e| Error::file(dir, e))?;
        create_dir(dir)?;
        let files: Vec<(&str, Vec<u8>)> = if single {
            let page = assets::single(&packed)?;
            vec![("index.html", page.into_bytes())]
        } else {
            let own = assets::folder().into_iter();
            own.map(|(name, text)| (name, text.as_bytes().to_vec()))
                .chain([("page.bin.gz", packed)])
                .collect()
        };
        // A page of this program's may be renewed, somebody else's not.
        let own = std::fs::read(dir.join("index.html")).is_ok_and(|page| is_own(&page));
        let there = files
            .iter()
            .map(|(name, _)| dir.join(name))
            .find(|path| path.exists());
        if let Some(there) = there.filter(|_| !own) {
            return Err(Error::file(
                &there,
                "is there already, and its folder has no page of this program's; give --web another folder",
            ));
        }
        let mut written = Vec::new();
        let mut total = 0;
        for (name, bytes) in files {
            let path = dir.join(name);
            atomic_write(&path, &bytes)?;
            total += bytes.len() as u64;
            written.push(path);
        }
        Ok((written, total))
    }
}

/// Whether a page is one that this program has written.
fn is_own(page: &[u8]) -> bool {
    page.windows(NAME.len()).any(|w| w == NAME)
}

/// What stands in every page of this program's.
const NAME: &[u8] = br#"<meta name="generator" content="gtzan-gpu export">"#;

const UNTRAINED: &str = "This page was written without a trained model, so it can't tell genres; write one with gtzan-gpu export --web DIR runs/NAME.";
const NOTEBOOK: &str =
    "This model takes features of a whole track (the notebook's), which the page does not compute.";
const ARRAYS: &str =
    "This model was trained on arrays of another tool, so nobody knows how to make them of a song.";

/// The description's length (4 bytes, little-endian), the description, spaces up to a multiple of 8 bytes, the blob; all of it in gzip.
/// Of the blob first the lowest byte of every 32 bits, then the next, and so on: the high bytes of floats are much alike, and so 8 % less is left.
fn pack(json: &str, blob: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = (4 + json.len()).next_multiple_of(8) - 4;
    let spaces = vec![b' '; length - json.len()];
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&(length as u32).to_le_bytes())?;
    packer.write_all(json.as_bytes())?;
    packer.write_all(&spaces)?;
    for place in 0..4 {
        let plane: Vec<u8> = blob.iter().skip(place).step_by(4).copied().collect();
        packer.write_all(&plane)?;
    }
    packer.finish()
}

/// The evaluation program of a trained model.
fn classify(
    recorder: &mut Recorder,
    file: &ModelFile,
    capabilities: &Capabilities,
) -> Result<Classify> {
    let g = file.inputs(BATCH);
    let (recordings, tape) = recorder.recordings(&file.model, &g, None, BATCH, capabilities)?;
    let mut weights = BTreeMap::new();
    let (flat, flat_bytes) = tape.flat_layout();
    let (states, state_bytes) = tape.state_layout();
    for (buffer, role, offsets, bytes) in [
        ("parameters", Role::Parameter, flat, flat_bytes),
        ("state", Role::State, states, state_bytes),
    ] {
        let mut content = vec![0u8; bytes as usize];
        for tensor in tape.tensors(role) {
            let name = &tape.value(tensor.id()).name;
            let values = (file.weights.iter()).find(|(n, ..)| n == name);
            let Some((_, _, values)) = values else {
                return Err(Error::model(format!("the weights have no {name}")));
            };
            let bytes: &[u8] = bytemuck::cast_slice(values);
            content[offsets[&tensor.id()] as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        if !content.is_empty() {
            weights.insert(buffer, recorder.blob.add(&content));
        }
    }
    Ok(Classify {
        recordings,
        batch: BATCH,
        rows: g.rows,
        frames: g.frames,
        seconds: Definition::Segment.seconds(),
        mean: file.normaliser.mean.clone(),
        std: file.normaliser.std.clone(),
        weights,
    })
}
