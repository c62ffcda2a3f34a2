//! What is measured: ops with the shapes that a model's training step gives them, or that the user names.

use crate::error::{Error, Result};
use crate::features::{FRAMES, ROWS};
use crate::nn::Model;
use crate::ops::{
    AnyOp, AvgPool2d, BatchNorm, Conv2d, Dense, Dropout, Epilogue, Fill, GlobalAvgPool, MaxPool2d,
    Padding, Pass, registry,
};
use crate::tape::check_sizes;
use crate::tensor::Spec;
use crate::train::{Feed, GraphSettings, training_tape};
use std::sync::Arc;

/// An op with inputs, forward and (where somebody wants a gradient) backward.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The op.
    pub op: Arc<dyn AnyOp>,
    /// Inputs of a full batch.
    pub inputs: Vec<Spec>,
    /// The same inputs with a batch of one sample, for checks against the slow reference.
    pub single: Vec<Spec>,
    /// Inputs whose gradient is wanted.
    pub wanted: Vec<usize>,
}

impl Subject {
    fn new(op: impl AnyOp, inputs: impl Fn(usize) -> Vec<Spec>, n: usize) -> Self {
        Self {
            wanted: op.differentiable().to_vec(),
            op: Arc::new(op),
            inputs: inputs(n),
            single: inputs(1),
        }
    }

    /// How each input is filled: as in the op's first registered case.
    pub(super) fn fills(&self) -> Vec<Fill> {
        let entry = registry().into_iter().find(|e| e.name == self.op.name());
        let case = entry.and_then(|e| (e.cases)().into_iter().next());
        let fill = |i: usize| case.as_ref().and_then(|c| c.inputs.get(i)).map(|i| i.fill);
        (0..self.inputs.len())
            .map(|i| fill(i).unwrap_or(Fill::Normal(1.0)))
            .collect()
    }
}

/// The graph of a training step with the shapes of real features.
pub(crate) fn graph(batch_size: usize) -> GraphSettings {
    GraphSettings {
        rows: ROWS,
        frames: FRAMES,
        classes: 10,
        micro_batch: batch_size,
        micro_batches: 1,
        feed: Feed::Resident {
            samples: batch_size,
        },
        label_smoothing: 0.0,
        weight_decay: 0.0,
        clip_norm: None,
        time_shift: 0,
        augment: Default::default(),
        average: None,
    }
}

/// Every op of a model's training step that has a ladder.
///
/// # Errors
/// When the model does not fit the features' shape.
pub fn of_model(model: &Model, batch_size: usize) -> Result<Vec<Subject>> {
    of_graph(model, &graph(batch_size))
}

/// [`of_model`] with the shapes of another graph.
///
/// # Errors
/// When the model does not fit them.
pub(crate) fn of_graph(model: &Model, g: &GraphSettings) -> Result<Vec<Subject>> {
    let tape = training_tape(model, g, g.micro_batch)?;
    let one = GraphSettings {
        micro_batch: 1,
        ..g.clone()
    };
    let single = training_tape(model, &one, 1)?;
    let with_ladder: Vec<&str> = registry()
        .into_iter()
        .filter(|e| !e.ladders.is_empty())
        .map(|e| e.name)
        .collect();
    let mut subjects = Vec::new();
    // Both tapes have the same nodes, whatever the batch.
    for (node, one) in tape.nodes().iter().zip(single.nodes()) {
        if node.pass != Pass::Forward || !with_ladder.contains(&node.op.name()) {
            continue;
        }
        let backward = tape
            .nodes()
            .iter()
            .find(|b| b.pass == Pass::Backward && Arc::ptr_eq(&b.op, &node.op));
        let specs = |io: &crate::ops::Io| -> Vec<Spec> {
            (0..io.x.len()).map(|i| io.x(i).spec().clone()).collect()
        };
        subjects.push(Subject {
            op: node.op.clone(),
            inputs: specs(&node.io),
            single: specs(&one.io),
            wanted: backward.map_or_else(Vec::new, |b| {
                let wanted = |i: &usize| b.io.dx(*i).is_some();
                (0..b.io.dx.len()).filter(wanted).collect()
            }),
        });
    }
    Ok(subjects)
}

/// Sizes by name, from `n=8,c=64,…`.
struct Sizes<'a> {
    op: &'a str,
    given: Vec<(&'a str, usize)>,
}

impl<'a> Sizes<'a> {
    fn parse(op: &'a str, text: &'a str, known: &[&str]) -> Result<Self> {
        let mut given = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let parsed = part.split_once('=').and_then(|(name, value)| {
                let value = value.trim().parse::<usize>().ok()?;
                Some((name.trim(), value))
            });
            let Some((name, value)) = parsed else {
                return Err(Error::usage(format!(
                    "--shape: '{part}' is not NAME=NUMBER, as in n=8,c=64"
                )));
            };
            if !known.contains(&name) {
                return Err(Error::usage(format!(
                    "--shape: {op} has no size '{name}'; it has {}",
                    known.join(", ")
                )));
            }
            if value > 1 << 20 {
                return Err(Error::usage(format!(
                    "--shape: {name}={value} is more than 2^20; use a smaller size"
                )));
            }
            given.push((name, value));
        }
        Ok(Self { op, given })
    }

    fn find(&self, name: &str) -> Option<usize> {
        let last = self.given.iter().rev().find(|(n, _)| *n == name);
        last.map(|(_, v)| *v)
    }

    fn need(&self, name: &str) -> Result<usize> {
        self.find(name)
            .ok_or_else(|| Error::usage(format!("--shape: {} needs {name}=NUMBER", self.op)))
    }

    fn or(&self, name: &str, default: usize) -> usize {
        self.find(name).unwrap_or(default)
    }
}

/// One op with the sizes in `shape`, e.g. `conv2d` with `n=8,c=64,k=128,h=93,w=65` (then 3x3, stride 1, same padding, no
/// epilogue; `kh`, `kw`, `stride` and `epilogue` = 0, 1 ReLU, 2 ReLU and pooling, change that). What follows a dot in `op` is
/// ignored, so that a family's name will do.
///
/// # Errors
/// When the op has no ladder, or a size is missing, unknown or impossible, with those that it has.
pub fn of_shape(op: &str, shape: &str) -> Result<Subject> {
    let op = op.split('.').next().unwrap_or(op);
    let sizes = |known: &[&str]| Sizes::parse(op, shape, known);
    let plane = |s: &Sizes| -> Result<[usize; 4]> {
        Ok([s.need("n")?, s.need("c")?, s.need("h")?, s.need("w")?])
    };
    let x = |[_, c, h, w]: [usize; 4]| move |n| vec![Spec::f32([n, c, h, w])];
    let subject = match op {
        "conv2d" => {
            let known = ["n", "c", "k", "h", "w", "kh", "kw", "stride", "epilogue"];
            let s = sizes(&known)?;
            let [n, c, h, w] = plane(&s)?;
            let k = s.need("k")?;
            let (kh, kw, stride) = (s.or("kh", 3), s.or("kw", 3), s.or("stride", 1));
            let conv = Conv2d {
                stride: [stride, stride],
                padding: Padding::Same,
                epilogue: match s.or("epilogue", 0) {
                    0 => Epilogue::None,
                    1 => Epilogue::Relu,
                    2 => Epilogue::ReluMaxPool2,
                    e => {
                        return Err(Error::usage(format!(
                            "--shape: epilogue={e} does not exist; 0 is none, 1 ReLU, 2 ReLU and pooling"
                        )));
                    }
                },
            };
            let inputs = |n| {
                let weight = Spec::f32([k, c, kh, kw]);
                vec![Spec::f32([n, c, h, w]), weight, Spec::f32([k])]
            };
            Subject::new(conv, inputs, n)
        }
        "dense" => {
            let s = sizes(&["n", "i", "o", "relu"])?;
            let (n, i, o) = (s.need("n")?, s.need("i")?, s.need("o")?);
            let relu = s.or("relu", 0) != 0;
            let inputs = |n| vec![Spec::f32([n, i]), Spec::f32([o, i]), Spec::f32([o])];
            Subject::new(Dense { relu }, inputs, n)
        }
        "batch_norm" => {
            let s = sizes(&["n", "c", "h", "w", "dropout"])?;
            let [n, c, h, w] = plane(&s)?;
            let dropout = (s.or("dropout", 0) != 0).then_some(Dropout {
                rate: 0.3,
                layer: 0,
            });
            let op = BatchNorm {
                dropout,
                ..BatchNorm::default()
            };
            let inputs = |n| {
                let mut all = vec![Spec::f32([n, c, h, w])];
                all.resize(5, Spec::f32([c]));
                all
            };
            Subject::new(op, inputs, n)
        }
        "max_pool2d" | "avg_pool2d" => {
            let s = sizes(&["n", "c", "h", "w", "window", "stride"])?;
            let sizes = plane(&s)?;
            let window = [s.or("window", 2); 2];
            let stride = [s.or("stride", window[0]); 2];
            if op == "max_pool2d" {
                Subject::new(MaxPool2d { window, stride }, x(sizes), sizes[0])
            } else {
                Subject::new(AvgPool2d { window, stride }, x(sizes), sizes[0])
            }
        }
        "global_avg_pool" => {
            let sizes = plane(&sizes(&["n", "c", "h", "w"])?)?;
            Subject::new(GlobalAvgPool, x(sizes), sizes[0])
        }
        _ => {
            return Err(Error::usage(format!(
                "--shape: there is no ladder '{op}'; there are conv2d, dense, batch_norm, max_pool2d, avg_pool2d, global_avg_pool"
            )));
        }
    };
    // Impossible sizes are an error of the user here, not of a model.
    for specs in [&subject.inputs, &subject.single] {
        check_sizes(op, specs)
            .and_then(|()| subject.op.output_specs(specs))
            .map_err(|e| Error::usage(format!("--shape: {e}")))?;
    }
    Ok(subject)
}
