//! Layers as a model file spells them.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::{Range, RangeInclusive};

/// One number for both directions, or `[vertical, horizontal]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pair {
    /// The same in both directions.
    Both(usize),
    /// Vertical (feature rows), horizontal (frames).
    Each([usize; 2]),
}

impl Pair {
    /// `[vertical, horizontal]`.
    pub fn get(self) -> [usize; 2] {
        match self {
            Self::Both(n) => [n, n],
            Self::Each(pair) => pair,
        }
    }
}

/// Units of a dense layer: a number, or `"classes"` for as many as the data has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Units {
    /// A fixed number.
    Number(usize),
    /// The word `classes`.
    Word(Classes),
}

/// The word `classes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Classes {
    /// As many units as the data has classes.
    Classes,
}

/// What follows a convolution or a dense layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Nothing.
    #[default]
    Linear,
    /// `max(x, 0)`.
    Relu,
}

impl Activation {
    /// Whether it is the ReLU that convolutions and dense layers do themselves. Every activation has its line here, so that a new one
    /// can't be recorded as none.
    pub fn relu(self) -> bool {
        match self {
            Self::Linear => false,
            Self::Relu => true,
        }
    }
}

/// How a convolution treats borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Border {
    /// Zero padding so that the output has the input's size divided by the stride, rounded up (Keras' "same").
    #[default]
    Same,
    /// No padding.
    Valid,
}

/// A layer. The tag is `type`. Initialisers, epsilon and momentum follow Keras; padding is `same` unless said otherwise. What a model file
/// may say is listed in docs/files.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// 2-d convolution; Glorot-uniform weight, zero bias.
    Conv2d {
        /// Output channels.
        filters: usize,
        /// Window.
        kernel: Pair,
        /// Stride.
        #[serde(default = "one")]
        stride: Pair,
        /// Borders.
        #[serde(default)]
        padding: Border,
        /// Activation.
        #[serde(default)]
        activation: Activation,
        /// L2 penalty on the weight: `l2 * sum(w^2)` is added to the loss.
        #[serde(default)]
        l2: f32,
        /// Add a bias; pointless in front of batch norm, which takes it away again.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        bias: bool,
    },
    /// ReLU alone.
    Relu {},
    /// Max pooling; incomplete windows at the end are dropped.
    MaxPool2d {
        /// Window.
        window: Pair,
        /// Stride; the window when not given.
        stride: Option<Pair>,
    },
    /// Average pooling; incomplete windows at the end are dropped.
    AvgPool2d {
        /// Window.
        window: Pair,
        /// Stride; the window when not given.
        stride: Option<Pair>,
    },
    /// Mean over rows and frames: N x C x H x W to N x C.
    GlobalAvgPool {},
    /// N x C x H x W to N x CHW.
    Flatten {},
    /// Batch normalisation over samples and positions.
    BatchNorm {
        /// Share of the old running statistics that a step keeps.
        #[serde(default = "momentum")]
        momentum: f32,
        /// Added to the variance.
        #[serde(default = "epsilon")]
        epsilon: f32,
        /// Let the running statistics follow faster in the first steps; see [`crate::ops::UpdateRunning`].
        #[serde(default = "warm_up")]
        warm_up: bool,
    },
    /// Zeroes this share of values in training, scales the rest up.
    Dropout {
        /// Share zeroed, 0 to below 1.
        rate: f32,
    },
    /// Fully connected, with bias; Glorot-uniform weight, zero bias.
    Dense {
        /// Outputs.
        units: Units,
        /// Activation.
        #[serde(default)]
        activation: Activation,
        /// L2 penalty on the weight.
        #[serde(default)]
        l2: f32,
    },
    /// `y = layers(x) + shortcut(x)`; without a shortcut `y = layers(x) + x` (He et al. 2015).
    Residual {
        /// The main path.
        layer: Vec<Layer>,
        /// The other path, where shapes differ: usually one 1x1 convolution.
        #[serde(default)]
        shortcut: Vec<Layer>,
    },
}

fn yes() -> bool {
    true
}
fn is_yes(value: &bool) -> bool {
    *value
}
fn one() -> Pair {
    Pair::Both(1)
}
fn momentum() -> f32 {
    0.99
}
fn warm_up() -> bool {
    true
}
fn epsilon() -> f32 {
    1e-3
}

/// What a dropout rate can be.
pub(super) const RATES: Range<f32> = 0.0..1.0;

/// What a batch norm's momentum can be.
pub(super) const MOMENTA: RangeInclusive<f32> = 0.0..=1.0;

impl Layer {
    /// Add the sizes that make a model larger, each with its key and the layer's place.
    pub(super) fn sizes_mut<'a>(
        &'a mut self,
        place: &str,
        found: &mut Vec<(String, &'a mut usize)>,
    ) {
        match self {
            Layer::Conv2d {
                filters, kernel, ..
            } => {
                found.push((format!("filters of {place}"), filters));
                let each = match kernel {
                    Pair::Both(n) => std::slice::from_mut(n),
                    Pair::Each(pair) => pair,
                };
                found.extend(each.iter_mut().map(|n| (format!("kernel of {place}"), n)));
            }
            Layer::Dense {
                units: Units::Number(n),
                ..
            } => found.push((format!("units of {place}"), n)),
            Layer::Residual { layer, shortcut } => {
                for (i, inner) in layer.iter_mut().chain(shortcut).enumerate() {
                    inner.sizes_mut(&format!("{place}.{}", i + 1), found);
                }
            }
            _ => {}
        }
    }

    /// Check what shapes don't: rates, windows, sizes of 0.
    pub(super) fn check(&self) -> Result<()> {
        let positive = |what: &str, n: usize| match n {
            0 => Err(Error::model(format!("{what} must be at least 1"))),
            _ => Ok(()),
        };
        let pairs = |list: &[(&str, Pair)]| -> Result<()> {
            for (what, pair) in list {
                for n in pair.get() {
                    positive(what, n)?;
                }
            }
            Ok(())
        };
        match self {
            Layer::Conv2d {
                filters,
                kernel,
                stride,
                l2,
                ..
            } => {
                positive("conv2d: filters", *filters)?;
                pairs(&[("conv2d: kernel", *kernel), ("conv2d: stride", *stride)])?;
                check_l2("conv2d", *l2)
            }
            Layer::MaxPool2d { window, stride } => pairs(&[
                ("max_pool2d: window", *window),
                ("max_pool2d: stride", stride.unwrap_or(*window)),
            ]),
            Layer::AvgPool2d { window, stride } => pairs(&[
                ("avg_pool2d: window", *window),
                ("avg_pool2d: stride", stride.unwrap_or(*window)),
            ]),
            Layer::BatchNorm {
                momentum, epsilon, ..
            } => {
                let sensible = MOMENTA.contains(momentum) && *epsilon > 0.0 && epsilon.is_finite();
                if !sensible {
                    return Err(Error::model(format!(
                        "batch_norm: momentum {momentum} must be in 0..=1 and epsilon {epsilon} above 0"
                    )));
                }
                Ok(())
            }
            Layer::Dropout { rate } if !RATES.contains(rate) => Err(Error::model(format!(
                "dropout: rate {rate} must be at least 0 and below 1"
            ))),
            Layer::Dense { units, l2, .. } => {
                if let Units::Number(n) = units {
                    positive("dense: units", *n)?;
                }
                check_l2("dense", *l2)
            }
            Layer::Residual { layer, shortcut } => {
                positive("residual: number of layers", layer.len())?;
                layer.iter().chain(shortcut).try_for_each(Layer::check)
            }
            _ => Ok(()),
        }
    }
}

fn check_l2(layer: &str, l2: f32) -> Result<()> {
    if l2 >= 0.0 && l2.is_finite() {
        return Ok(());
    }
    Err(Error::model(format!("{layer}: l2 {l2} must be 0 or more")))
}
