//! A saved model on the GPU, for predicting.

use super::checkpoint::all_finite;
use super::engine::{Engine, Samples, compile};
use super::model_file::ModelFile;
use crate::dataset::Normaliser;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Gpu;
use crate::ops::Choices;
use std::sync::Arc;

/// Predicts batches of samples.
#[derive(Debug)]
pub struct Predictor<'g> {
    engine: Engine<'g>,
    normaliser: Normaliser,
    frames: usize,
    size: usize,
}

/// Samples whose predictions are kept on the GPU before they are read back.
const TABLE: usize = 256;

impl<'g> Predictor<'g> {
    /// Put `file`'s weights on the GPU.
    ///
    /// # Errors
    /// When the weights don't fit the architecture, or the device fails.
    pub fn new(
        gpu: &'g Gpu,
        file: &ModelFile,
        batch_size: usize,
        choices: &Choices,
    ) -> Result<Self> {
        let g = file.inputs(batch_size);
        let (programs, plan) = compile(&file.model, &g, None, TABLE, gpu.capabilities(), choices)?;
        let mut engine = Engine::new(gpu, programs, plan, &g, Arc::default(), batch_size, 0)?;
        engine.set_weights(&file.weights)?;
        Ok(Self {
            engine,
            normaliser: file.normaliser.clone(),
            frames: g.frames,
            size: g.rows * g.frames,
        })
    }

    /// Probabilities (samples x classes) of raw features (samples x rows x frames), which are normalised first.
    ///
    /// # Errors
    /// When the device fails.
    pub fn probabilities(&mut self, x: &[f32]) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        for part in x.chunks(TABLE * self.size) {
            let mut part = part.to_vec();
            self.normaliser.apply(&mut part, self.frames)?;
            let n = part.len() / self.size;
            self.engine.set_samples(Arc::new(Samples {
                x: part,
                labels: vec![0; n],
                neighbours: Vec::new(),
            }));
            let order: Vec<u32> = (0..n as u32).collect();
            all.extend(self.engine.evaluate(&order)?.probabilities);
        }
        if !all_finite(&all) {
            return Err(Error::new(
                ErrorKind::NonFinite,
                "the model's probabilities for this are not finite numbers: its weights are too large; train it again with a lower --learning-rate",
            ));
        }
        Ok(all)
    }
}
