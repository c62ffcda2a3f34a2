//! From layers to nodes. Names of parameters are counted as [`crate::nn`] counts them when it records the same layers.

use std::collections::HashMap;

use super::INPUT;
use super::proto::{
    AttributeProto, DATA_FLOAT, DATA_INT64, FLOAT, INT, INTS, NodeProto, TensorProto,
};
use crate::dataset::Normaliser;
use crate::error::{Error, Result};
use crate::nn::{Activation, Border, Layer, Pair};
use crate::tensor::Shape;
use crate::train::ModelFile;

/// A tensor on the way: its name and its sizes without the batch.
#[derive(Clone)]
struct Value {
    name: String,
    sizes: Vec<usize>,
}

/// Writes nodes one after the other; `x` is what the last one gave.
pub(super) struct Builder<'f> {
    weights: HashMap<&'f str, (&'f Shape, &'f [f32])>,
    x: Value,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    convs: usize,
    norms: usize,
    denses: usize,
}

impl<'f> Builder<'f> {
    pub fn new(file: &'f ModelFile) -> Self {
        let weights = &file.weights;
        Self {
            weights: weights
                .iter()
                .map(|(name, shape, data)| (name.as_str(), (shape, data.as_slice())))
                .collect(),
            x: Value {
                name: INPUT.to_owned(),
                sizes: vec![file.features.rows, file.features.frames],
            },
            nodes: Vec::new(),
            constants: Vec::new(),
            convs: 0,
            norms: 0,
            denses: 0,
        }
    }

    pub fn finish(self) -> (Vec<NodeProto>, Vec<TensorProto>) {
        (self.nodes, self.constants)
    }

    /// `(x - mean) / std` per row, then one channel in front of the rows.
    pub fn normalise(&mut self, normaliser: &Normaliser) -> Result<()> {
        let rows = self.x.sizes[0];
        for (name, values) in [
            ("normalise.mean", &normaliser.mean),
            ("normalise.std", &normaliser.std),
        ] {
            if values.len() != rows {
                return Err(Error::model(format!(
                    "{name} has {} rows, the features {rows}; the model file is damaged",
                    values.len()
                )));
            }
            self.floats(name, &[rows, 1], values);
        }
        let sizes = self.x.sizes.clone();
        self.node("Sub", &["normalise.mean"], vec![], sizes.clone());
        self.node("Div", &["normalise.std"], vec![], sizes.clone());
        self.constants.push(TensorProto {
            dims: vec![1],
            data_type: Some(DATA_INT64),
            name: Some("channel.axis".to_owned()),
            raw_data: Some(1i64.to_le_bytes().to_vec()),
        });
        let sizes = [&[1], &sizes[..]].concat();
        self.node("Unsqueeze", &["channel.axis"], vec![], sizes);
        Ok(())
    }

    pub fn layers(&mut self, layers: &[Layer]) -> Result<()> {
        layers.iter().try_for_each(|layer| self.layer(layer))
    }

    /// The last node, whose output is named `output`.
    pub fn softmax(&mut self, output: &str) {
        let sizes = self.x.sizes.clone();
        self.node("Softmax", &[], vec![int("axis", 1)], sizes);
        self.x.name = output.to_owned();
        if let Some(last) = self.nodes.last_mut() {
            last.output = vec![output.to_owned()];
        }
    }

    fn layer(&mut self, layer: &Layer) -> Result<()> {
        match layer {
            Layer::Conv2d {
                filters,
                kernel,
                stride,
                padding,
                activation,
                bias,
                l2: _,
            } => {
                self.conv2d(*filters, *kernel, *stride, *padding, *bias)?;
                self.relu(*activation);
                Ok(())
            }
            Layer::Relu {} => {
                self.relu(Activation::Relu);
                Ok(())
            }
            Layer::MaxPool2d { window, stride } => {
                self.pool("MaxPool", *window, stride.unwrap_or(*window))
            }
            Layer::AvgPool2d { window, stride } => {
                self.pool("AveragePool", *window, stride.unwrap_or(*window))
            }
            Layer::GlobalAvgPool {} => {
                let channels = self.image()?[0];
                self.node("GlobalAveragePool", &[], vec![], vec![channels, 1, 1]);
                self.flatten();
                Ok(())
            }
            Layer::Flatten {} => {
                self.flatten();
                Ok(())
            }
            Layer::BatchNorm { epsilon, .. } => self.batch_norm(*epsilon),
            // In evaluation it does nothing.
            Layer::Dropout { .. } => Ok(()),
            Layer::Dense { activation, .. } => self.dense(*activation),
            Layer::Residual { layer, shortcut } => {
                let before = self.x.clone();
                self.layers(layer)?;
                let main = std::mem::replace(&mut self.x, before);
                self.layers(shortcut)?;
                let other = std::mem::replace(&mut self.x, main);
                let sizes = self.x.sizes.clone();
                self.node("Add", &[&other.name], vec![], sizes);
                Ok(())
            }
        }
    }

    fn conv2d(
        &mut self,
        filters: usize,
        kernel: Pair,
        stride: Pair,
        padding: Border,
        bias: bool,
    ) -> Result<()> {
        let [channels, height, width] = self.image()?;
        self.convs += 1;
        let name = format!("conv{}", self.convs);
        let ([kh, kw], stride) = (kernel.get(), stride.get());
        let mut others = vec![self.weight(&name, "weight", &[filters, channels, kh, kw])?];
        if bias {
            others.push(self.weight(&name, "bias", &[filters])?);
        }
        let (mut sizes, mut begins, mut ends) = (vec![filters], vec![], vec![]);
        for (input, kernel, stride) in [(height, kh, stride[0]), (width, kw, stride[1])] {
            let output = match padding {
                Border::Same => input.div_ceil(stride),
                Border::Valid => windows(&name, input, kernel, stride)?,
            };
            // Keras' "same" puts the odd one of an uneven padding at the end; with "valid" there is none to put.
            let total = match padding {
                Border::Same => ((output - 1) * stride + kernel).saturating_sub(input),
                Border::Valid => 0,
            };
            sizes.push(output);
            begins.push(total / 2);
            ends.push(total - total / 2);
        }
        let attributes = vec![
            ints("kernel_shape", &[kh, kw]),
            ints("strides", &stride),
            ints("pads", &[begins, ends].concat()),
        ];
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        self.node("Conv", &others, attributes, sizes);
        Ok(())
    }

    fn pool(&mut self, op: &str, window: Pair, stride: Pair) -> Result<()> {
        let [channels, height, width] = self.image()?;
        let (window, stride) = (window.get(), stride.get());
        let sizes = vec![
            channels,
            windows(op, height, window[0], stride[0])?,
            windows(op, width, window[1], stride[1])?,
        ];
        let attributes = vec![ints("kernel_shape", &window), ints("strides", &stride)];
        self.node(op, &[], attributes, sizes);
        Ok(())
    }

    fn batch_norm(&mut self, epsilon: f32) -> Result<()> {
        self.norms += 1;
        let name = format!("bn{}", self.norms);
        let channels = self.x.sizes[0];
        let mut inputs = Vec::new();
        for what in ["weight", "bias", "running_mean", "running_var"] {
            inputs.push(self.weight(&name, what, &[channels])?);
        }
        let attributes = vec![AttributeProto {
            f: Some(epsilon),
            ..attribute("epsilon", FLOAT)
        }];
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let sizes = self.x.sizes.clone();
        self.node("BatchNormalization", &inputs, attributes, sizes);
        Ok(())
    }

    fn dense(&mut self, activation: Activation) -> Result<()> {
        self.denses += 1;
        let name = format!("fc{}", self.denses);
        let &[inputs] = &self.x.sizes[..] else {
            return Err(Error::shape("dense", format!("{name}: x is not flat")));
        };
        let key = format!("{name}.weight");
        let outputs = match self.weights.get(key.as_str()) {
            Some((shape, _)) => shape.dims().first().copied().unwrap_or(0),
            None => 0,
        };
        let weight = self.weight(&name, "weight", &[outputs, inputs])?;
        let bias = self.weight(&name, "bias", &[outputs])?;
        let attributes = vec![int("transB", 1)];
        self.node("Gemm", &[&weight, &bias], attributes, vec![outputs]);
        self.relu(activation);
        Ok(())
    }

    fn flatten(&mut self) {
        let sizes = vec![self.x.sizes.iter().product()];
        self.node("Flatten", &[], vec![int("axis", 1)], sizes);
    }

    fn relu(&mut self, activation: Activation) {
        if activation.relu() {
            let sizes = self.x.sizes.clone();
            self.node("Relu", &[], vec![], sizes);
        }
    }

    /// Channels, rows and frames of `x`.
    fn image(&self) -> Result<[usize; 3]> {
        self.x.sizes[..].try_into().map_err(|_| {
            let sizes = &self.x.sizes;
            Error::model(format!(
                "a layer needs channels, rows and frames, and gets {sizes:?}"
            ))
        })
    }

    /// A node on `x` and `others`, which becomes `x`.
    fn node(
        &mut self,
        op: &str,
        others: &[&str],
        attribute: Vec<AttributeProto>,
        sizes: Vec<usize>,
    ) {
        let name = format!("{}_{}", op.to_lowercase(), self.nodes.len() + 1);
        let x = Value {
            name: name.clone(),
            sizes,
        };
        let x = std::mem::replace(&mut self.x, x);
        let others = others.iter().map(|&other| other.to_owned());
        self.nodes.push(NodeProto {
            input: std::iter::once(x.name).chain(others).collect(),
            output: vec![name.clone()],
            name: Some(name),
            op_type: Some(op.to_owned()),
            attribute,
        });
    }

    /// Puts a parameter of `layer` into the graph under its own name, which comes back.
    fn weight(&mut self, layer: &str, what: &str, dims: &[usize]) -> Result<String> {
        let name = format!("{layer}.{what}");
        let Some(&(shape, data)) = self.weights.get(name.as_str()) else {
            return Err(Error::model(format!(
                "the model file has no {name}; it is damaged"
            )));
        };
        if shape.dims() != dims {
            return Err(Error::model(format!(
                "{name} is {shape}, and its layer needs {}; the model file is damaged",
                Shape::new(dims)
            )));
        }
        self.floats(&name, dims, data);
        Ok(name)
    }

    fn floats(&mut self, name: &str, dims: &[usize], data: &[f32]) {
        self.constants.push(TensorProto {
            dims: dims.iter().map(|&n| n as i64).collect(),
            data_type: Some(DATA_FLOAT),
            name: Some(name.to_owned()),
            raw_data: Some(data.iter().flat_map(|v| v.to_le_bytes()).collect()),
        });
    }
}

/// Whole windows in `input`.
fn windows(layer: &str, input: usize, window: usize, stride: usize) -> Result<usize> {
    match input.checked_sub(window) {
        Some(rest) => Ok(rest / stride + 1),
        None => Err(Error::model(format!(
            "{layer}: a window of {window} does not fit into {input}"
        ))),
    }
}

fn attribute(name: &str, kind: i32) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(kind),
        ..AttributeProto::default()
    }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        i: Some(i),
        ..attribute(name, INT)
    }
}

fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        ints: values.iter().map(|&v| v as i64).collect(),
        ..attribute(name, INTS)
    }
}
