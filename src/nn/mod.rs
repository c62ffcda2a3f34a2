//! Models: TOML files of layers, recorded onto a tape.

mod layer;
mod record;
mod summary;
mod values;

pub use layer::{Activation, Border, Classes, Layer, Pair, Units};
pub use record::{Mode, Recorded, SummaryRow};
pub use summary::Summary;

use crate::error::{Error, Result};
use crate::lfs;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A model: a name and a list of layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name for tables and run directories.
    pub name: String,
    /// The layers, first to last. The last must give one number per class.
    #[serde(rename = "layer")]
    pub layers: Vec<Layer>,
}

/// The built-in models, as files that users can copy and change.
const BUILT_IN: [(&str, &str); 5] = [
    ("seed", include_str!("../../models/seed.toml")),
    ("notebook", include_str!("../../models/notebook.toml")),
    ("small", include_str!("../../models/small.toml")),
    ("demo", include_str!("../../models/demo.toml")),
    ("strong", include_str!("../../models/strong.toml")),
];

impl Model {
    /// Names of the built-in models.
    pub fn built_in() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// A built-in model by name, or a model file by path.
    ///
    /// # Errors
    /// When it is neither, or the file has an unknown layer or setting, with the line.
    pub fn load(name: &str) -> Result<Self> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(n, _)| *n == name) {
            return Self::from_toml(text, name);
        }
        let path = Path::new(name);
        if !path.exists() {
            return Err(Error::usage(format!(
                "there is no model '{name}': use {} or the path of a TOML file of layers",
                Self::built_in().join(", ")
            )));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::file(path, format!("can't be read as a model: {e}")))?;
        lfs::refuse(path, text.as_bytes(), "the model")?;
        Self::from_toml(&text, name)
    }

    /// A model from the text of a file; `origin` is named in errors.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_toml(text: &str, origin: &str) -> Result<Self> {
        values::check(text, origin)?;
        let model: Self = toml::from_str(text).map_err(|e| {
            let line = e
                .span()
                .map_or(1, |s| text[..s.start].matches('\n').count() + 1);
            let message = e.message().replace('\n', " ");
            Error::model(format!("{origin}, line {line}: {message}"))
        })?;
        if model.layers.is_empty() {
            return Err(Error::model(format!("{origin}: the model has no layers")));
        }
        for (i, layer) in model.layers.iter().enumerate() {
            layer
                .check()
                .map_err(|e| e.context(format!("{origin}, layer {}", i + 1)))?;
        }
        Ok(model)
    }

    /// The model as TOML: what a model file's metadata carries.
    ///
    /// # Errors
    /// When the model can't be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::model(format!("{}: {e}", self.name)))
    }

    /// By which two models of the same name and layers, with all their settings, are known to be the same.
    ///
    /// # Errors
    /// As [`Model::to_toml`].
    pub fn fingerprint(&self) -> Result<String> {
        Ok(blake3::hash(self.to_toml()?.as_bytes()).to_hex()[..16].to_owned())
    }

    /// The same model with another rate in every dropout layer (0 leaves dropout out).
    ///
    /// # Errors
    /// When the rate is not at least 0 and below 1.
    pub fn with_dropout(mut self, new: f32) -> Result<Self> {
        Layer::Dropout { rate: new }.check()?;
        each(&mut self.layers, &mut |layer| {
            if let Layer::Dropout { rate } = layer {
                *rate = new;
            }
        });
        Ok(self)
    }

    /// The same model with batch norm's running statistics kept as Keras keeps them: without a warm-up.
    pub fn with_keras_statistics(mut self) -> Self {
        each(&mut self.layers, &mut |layer| {
            if let Layer::BatchNorm { warm_up, .. } = layer {
                *warm_up = false;
            }
        });
        self
    }
}

impl Model {
    /// Whether any layer, those inside of residual blocks included, is one that is meant.
    pub fn has(&self, meant: fn(&Layer) -> bool) -> bool {
        fn any(layers: &[Layer], meant: fn(&Layer) -> bool) -> bool {
            layers.iter().any(|layer| match layer {
                Layer::Residual { layer, shortcut } => any(layer, meant) || any(shortcut, meant),
                layer => meant(layer),
            })
        }
        any(&self.layers, meant)
    }

    /// Every size that a model file gives and that makes a model larger: what to call it, and the number itself.
    pub fn sizes_mut(&mut self) -> Vec<(String, &mut usize)> {
        let mut found = Vec::new();
        for (i, layer) in self.layers.iter_mut().enumerate() {
            layer.sizes_mut(&format!("layer {}", i + 1), &mut found);
        }
        found
    }
}

/// Call `change` with every layer, those of residual blocks included.
fn each(layers: &mut [Layer], change: &mut impl FnMut(&mut Layer)) {
    for layer in layers {
        if let Layer::Residual { layer, shortcut } = layer {
            each(layer, change);
            each(shortcut, change);
        } else {
            change(layer);
        }
    }
}
