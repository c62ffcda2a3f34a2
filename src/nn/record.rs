//! From layers to ops on a tape.

use super::Model;
use super::layer::{Activation, Border, Layer, Pair, Units};
use crate::error::{Error, Result};
use crate::ops::{
    AvgPool2d, BatchNorm, Conv2d, Dense, Dropout, Epilogue, GlobalAvgPool, L2Penalty, MaxPool2d,
    Padding, Relu, UpdateRunning,
};
use crate::tape::{Init, Tape};
use crate::tensor::{Shape, Tensor};

/// What the recording is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, dropout, penalties.
    Training,
    /// Running statistics, no dropout.
    Evaluation,
}

/// A model on a tape.
#[derive(Debug)]
pub struct Recorded {
    /// N x classes, before the softmax.
    pub logits: Tensor,
    /// L2 penalties, one number each.
    pub penalties: Vec<Tensor>,
}

impl Model {
    /// Record the model on `tape`. Parameters and running statistics are declared in layer order under PyTorch's names, so
    /// two tapes of one model share one layout. Convolution, ReLU and 2x2 pooling become one op where they follow each
    /// other, and so do batch norm and dropout.
    ///
    /// # Errors
    /// A shape error that names the layer; a last layer that does not give one number per class.
    pub fn record(
        &self,
        tape: &mut Tape,
        x: &Tensor,
        classes: usize,
        mode: Mode,
    ) -> Result<Recorded> {
        let mut recorder = Recorder::new(tape, classes, mode, true);
        let logits = recorder.layers(&self.layers, x)?;
        let penalties = recorder.penalties;
        if logits.dims().len() != 2 || logits.dims()[1] != classes {
            return Err(Error::model(format!(
                "{}: the last layer gives {}, expected Nx{classes} (one number per class): end with a dense layer of units = \"classes\"",
                self.name,
                logits.shape()
            )));
        }
        Ok(Recorded { logits, penalties })
    }
}

/// What is said of one layer in a summary of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryRow {
    /// Name, e.g. `conv1`.
    pub name: String,
    /// Kind, e.g. `conv2d`.
    pub kind: String,
    /// Output shape for a batch of 1.
    pub output: Shape,
    /// Trained numbers.
    pub trainable: usize,
    /// Numbers kept but not trained: running statistics.
    pub fixed: usize,
}

/// Walks the layers; counts names and dropout streams.
pub(super) struct Recorder<'t> {
    tape: &'t mut Tape,
    classes: usize,
    mode: Mode,
    fuse: bool,
    convs: usize,
    norms: usize,
    denses: usize,
    dropouts: u32,
    blocks: usize,
    pub penalties: Vec<Tensor>,
    pub rows: Vec<SummaryRow>,
}

impl<'t> Recorder<'t> {
    pub fn new(tape: &'t mut Tape, classes: usize, mode: Mode, fuse: bool) -> Self {
        Self {
            tape,
            classes,
            mode,
            fuse,
            convs: 0,
            norms: 0,
            denses: 0,
            dropouts: 0,
            blocks: 0,
            penalties: Vec::new(),
            rows: Vec::new(),
        }
    }

    pub fn layers(&mut self, layers: &[Layer], x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        let mut rest = layers;
        while let Some((layer, after)) = rest.split_first() {
            let next = after.first().filter(|_| self.fuse);
            let (y, fused) = self.layer(layer, next, &x)?;
            rest = if fused { &after[1..] } else { after };
            x = y;
        }
        Ok(x)
    }

    /// Record `layer`, together with `next` where one op does both; says whether it did.
    fn layer(&mut self, layer: &Layer, next: Option<&Layer>, x: &Tensor) -> Result<(Tensor, bool)> {
        match layer {
            Layer::Conv2d { .. } => self.conv2d(layer, next, x),
            Layer::Relu {} => self.plain("relu", Relu, x),
            Layer::MaxPool2d { window, stride } => {
                let op = MaxPool2d {
                    window: window.get(),
                    stride: stride.unwrap_or(*window).get(),
                };
                self.plain("max_pool2d", op, x)
            }
            Layer::AvgPool2d { window, stride } => {
                let op = AvgPool2d {
                    window: window.get(),
                    stride: stride.unwrap_or(*window).get(),
                };
                self.plain("avg_pool2d", op, x)
            }
            Layer::GlobalAvgPool {} => self.plain("global_avg_pool", GlobalAvgPool, x),
            Layer::Flatten {} => {
                let n = x.dims()[0];
                let y = self.tape.reshape(x, [n, x.numel() / n.max(1)])?;
                self.row("flatten", "flatten", &y, 0, 0);
                Ok((y, false))
            }
            Layer::BatchNorm {
                momentum,
                epsilon,
                warm_up,
            } => {
                let update = UpdateRunning {
                    momentum: *momentum,
                    warm_up: *warm_up,
                    spatial: x.dims().iter().skip(2).product(),
                };
                self.batch_norm(update, *epsilon, next, x)
            }
            Layer::Dropout { rate } => {
                let dropout = self.dropout(*rate);
                let y = match dropout {
                    Some(op) => self.tape.apply(op, &[x])?,
                    None => x.clone(),
                };
                self.row("dropout", &format!("dropout{}", self.dropouts), &y, 0, 0);
                Ok((y, false))
            }
            Layer::Dense {
                units,
                activation,
                l2,
            } => self.dense(units, *activation, *l2, x),
            Layer::Residual { layer, shortcut } => {
                self.blocks += 1;
                let name = format!("residual{}", self.blocks);
                let main = self.layers(layer, x)?;
                let other = self.layers(shortcut, x)?;
                self.tape.set_scope(&name);
                let y = self
                    .tape
                    .apply(crate::ops::Add, &[&main, &other])
                    .map_err(|e| {
                        e.context(format!(
                            "{name} (give it a shortcut that changes the shape alike)"
                        ))
                    })?;
                self.row("add", &name, &y, 0, 0);
                Ok((y, false))
            }
        }
    }

    fn row(&mut self, kind: &str, name: &str, y: &Tensor, trainable: usize, fixed: usize) {
        self.rows.push(SummaryRow {
            name: name.to_owned(),
            kind: kind.to_owned(),
            output: y.shape().clone(),
            trainable,
            fixed,
        });
    }

    fn plain(
        &mut self,
        kind: &str,
        op: impl crate::ops::AnyOp,
        x: &Tensor,
    ) -> Result<(Tensor, bool)> {
        let y = self.tape.apply(op, &[x])?;
        self.row(kind, kind, &y, 0, 0);
        Ok((y, false))
    }

    fn dropout(&mut self, rate: f32) -> Option<Dropout> {
        self.dropouts += 1;
        let wanted = self.mode == Mode::Training && rate > 0.0;
        wanted.then_some(Dropout {
            rate,
            layer: self.dropouts,
        })
    }

    fn penalty(&mut self, coefficient: f32, weight: &Tensor) -> Result<()> {
        if coefficient > 0.0 {
            let penalty = self.tape.apply(L2Penalty { coefficient }, &[weight])?;
            self.penalties.push(penalty);
        }
        Ok(())
    }

    fn conv2d(
        &mut self,
        layer: &Layer,
        next: Option<&Layer>,
        x: &Tensor,
    ) -> Result<(Tensor, bool)> {
        let Layer::Conv2d {
            filters,
            kernel,
            stride,
            padding,
            activation,
            l2,
            bias,
        } = layer
        else {
            unreachable!("called for conv2d only");
        };
        self.convs += 1;
        let name = format!("conv{}", self.convs);
        self.tape.set_scope(&name);
        let &[_, c, _, _] = x.dims() else {
            return Err(Error::shape(
                "conv2d",
                format!("{name}: x must be NxCxHxW, it is {}", x.shape()),
            ));
        };
        let [kh, kw] = kernel.get();
        let shape = [*filters, c, kh, kw];
        let init = Init::GlorotUniform {
            fan_in: c.saturating_mul(kh).saturating_mul(kw),
            fan_out: filters.saturating_mul(kh).saturating_mul(kw),
        };
        let w = self.tape.parameter(&format!("{name}.weight"), shape, init);
        let b = bias.then(|| {
            let name = format!("{name}.bias");
            self.tape.parameter(&name, [*filters], Init::Constant(0.0))
        });
        let relu = activation.relu();
        let pools_by_two = matches!(next, Some(Layer::MaxPool2d { window, stride })
            if window.get() == [2, 2] && stride.unwrap_or(Pair::Both(2)).get() == [2, 2]);
        let fused = relu && pools_by_two;
        let epilogue = match (fused, relu) {
            (true, _) => Epilogue::ReluMaxPool2,
            (false, true) => Epilogue::Relu,
            (false, false) => Epilogue::None,
        };
        let op = Conv2d {
            stride: stride.get(),
            padding: match padding {
                Border::Same => Padding::Same,
                Border::Valid => Padding::Valid,
            },
            epilogue,
        };
        let inputs: Vec<&Tensor> = [x, &w].into_iter().chain(&b).collect();
        let y = self.tape.apply(op, &inputs).map_err(|e| e.context(&name))?;
        let trained = w.numel() + b.as_ref().map_or(0, Tensor::numel);
        self.row("conv2d", &name, &y, trained, 0);
        self.penalty(*l2, &w)?;
        Ok((y, fused))
    }

    fn batch_norm(
        &mut self,
        update: UpdateRunning,
        epsilon: f32,
        next: Option<&Layer>,
        x: &Tensor,
    ) -> Result<(Tensor, bool)> {
        self.norms += 1;
        let name = format!("bn{}", self.norms);
        self.tape.set_scope(&name);
        let &[_, c, ..] = x.dims() else {
            return Err(Error::shape(
                "batch_norm",
                format!("{name}: x is {}", x.shape()),
            ));
        };
        let gamma = self
            .tape
            .parameter(&format!("{name}.weight"), [c], Init::Constant(1.0));
        let beta = self
            .tape
            .parameter(&format!("{name}.bias"), [c], Init::Constant(0.0));
        let mean = self.tape.state(&format!("{name}.running_mean"), [c], 0.0);
        let var = self.tape.state(&format!("{name}.running_var"), [c], 1.0);
        let training = self.mode == Mode::Training;
        let (dropout, fused) = match next {
            Some(Layer::Dropout { rate }) => (self.dropout(*rate), true),
            _ => (None, false),
        };
        let op = BatchNorm {
            epsilon,
            training,
            dropout,
        };
        let outputs = self
            .tape
            .apply_all(std::sync::Arc::new(op), &[x, &gamma, &beta, &mean, &var])
            .map_err(|e| e.context(&name))?;
        if training {
            self.tape.apply_all(
                std::sync::Arc::new(update),
                &[&mean, &var, &outputs[1], &outputs[2]],
            )?;
        }
        self.row("batch_norm", &name, &outputs[0], 2 * c, 2 * c);
        Ok((outputs[0].clone(), fused))
    }

    fn dense(
        &mut self,
        units: &Units,
        activation: Activation,
        l2: f32,
        x: &Tensor,
    ) -> Result<(Tensor, bool)> {
        self.denses += 1;
        let name = format!("fc{}", self.denses);
        self.tape.set_scope(&name);
        let &[_, inputs] = x.dims() else {
            return Err(Error::shape(
                "dense",
                format!(
                    "{name}: x must be NxC, it is {}: put global_avg_pool or flatten in front",
                    x.shape()
                ),
            ));
        };
        let outputs = match units {
            Units::Number(n) => *n,
            Units::Word(_) => self.classes,
        };
        let init = Init::GlorotUniform {
            fan_in: inputs,
            fan_out: outputs,
        };
        let w = self
            .tape
            .parameter(&format!("{name}.weight"), [outputs, inputs], init);
        let b = self
            .tape
            .parameter(&format!("{name}.bias"), [outputs], Init::Constant(0.0));
        let op = Dense {
            relu: activation.relu(),
        };
        let y = self
            .tape
            .apply(op, &[x, &w, &b])
            .map_err(|e| e.context(&name))?;
        self.row("dense", &name, &y, w.numel() + b.numel(), 0);
        self.penalty(l2, &w)?;
        Ok((y, false))
    }
}
