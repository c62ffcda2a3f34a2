//! The table that Keras prints: layer, output shape, parameters.

use super::Model;
use super::record::{Mode, Recorder, SummaryRow};
use crate::error::Result;
use crate::tape::Tape;
use crate::tensor::Spec;
use std::fmt;

/// Layers with shapes and parameters; displays as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Name of the model.
    pub model: String,
    /// The layers.
    pub rows: Vec<SummaryRow>,
}

impl Model {
    /// The model's summary for inputs of `rows` x `frames` and `classes` classes.
    ///
    /// # Errors
    /// A shape error that names the layer.
    pub fn summary(&self, rows: usize, frames: usize, classes: usize) -> Result<Summary> {
        let mut tape = Tape::new();
        let x = tape.input("x", Spec::f32([1, 1, rows, frames]));
        let mut recorder = Recorder::new(&mut tape, classes, Mode::Evaluation, false);
        recorder.layers(&self.layers, &x)?;
        Ok(Summary {
            model: self.name.clone(),
            rows: recorder.rows,
        })
    }
}

impl Summary {
    /// Trained numbers.
    pub fn trainable(&self) -> usize {
        self.rows.iter().map(|r| r.trainable).sum()
    }

    /// All numbers.
    pub fn total(&self) -> usize {
        self.trainable() + self.rows.iter().map(|r| r.fixed).sum::<usize>()
    }
}

/// `1234567` as `1,234,567`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24}{:<20}{:>12}",
            "layer", "output shape", "parameters"
        )?;
        for r in &self.rows {
            let layer = if r.name == r.kind {
                r.name.clone()
            } else {
                format!("{} ({})", r.name, r.kind)
            };
            let rest: Vec<String> = r.output.dims()[1..].iter().map(usize::to_string).collect();
            let shape = format!("N x {}", rest.join(" x "));
            writeln!(
                f,
                "{layer:<24}{shape:<20}{:>12}",
                thousands(r.trainable + r.fixed)
            )?;
        }
        write!(
            f,
            "{} parameters, {} of them trainable",
            thousands(self.total()),
            thousands(self.trainable())
        )
    }
}
