//! Tapes to plan: random graphs of small ops.

use gtzan_gpu::Result;
use gtzan_gpu::ops::{
    Adam, Add, BatchNorm, Conv2d, Dense, Dropout, Epilogue, L2Penalty, Padding, Relu,
    SoftmaxCrossEntropy, Step,
};
use gtzan_gpu::tape::{Flat, Init, Tape};
use gtzan_gpu::tensor::{Spec, Tensor};
use proptest::prelude::*;

/// One op of a random graph: which op, and which earlier tensors it reads (counted from the newest).
pub type Draw = (u8, u8, u8);

pub const BATCH: usize = 3;
const CLASSES: usize = 4;

/// Recipes of 1 to 14 ops, most of them reading recent tensors.
pub fn recipes() -> impl Strategy<Value = Vec<Draw>> {
    proptest::collection::vec((0..8u8, 0..3u8, 0..5u8), 1..15)
}

/// A step with every field away from its neutral value.
pub fn step(batch: usize) -> Step {
    Step {
        seed: 7,
        step: 3,
        learning_rate: 0.01,
        alpha: 0.02,
        ..Step::full(batch)
    }
}

struct Builder {
    tape: Tape,
    layers: usize,
}

impl Builder {
    fn scope(&mut self, op: &str) -> String {
        self.layers += 1;
        let layer = format!("{op}{}", self.layers);
        self.tape.set_scope(&format!("block{}", self.layers / 4));
        layer
    }

    fn conv(&mut self, x: &Tensor, filters: usize, epilogue: Epilogue) -> Result<Tensor> {
        let name = self.scope("conv");
        let shape = [filters, x.dims()[1], 3, 3];
        let init = Init::GlorotUniform {
            fan_in: 9 * x.dims()[1],
            fan_out: 9 * filters,
        };
        let w = self.tape.parameter(&format!("{name}.weight"), shape, init);
        let bias = format!("{name}.bias");
        let b = self.tape.parameter(&bias, [filters], Init::Constant(0.1));
        let conv = Conv2d {
            stride: [1, 1],
            padding: Padding::Same,
            epilogue,
        };
        self.tape.apply(conv, &[x, &w, &b])
    }

    fn batch_norm(&mut self, x: &Tensor, dropout: bool) -> Result<Tensor> {
        let name = self.scope("bn");
        let c = [x.dims()[1]];
        let gamma = self
            .tape
            .parameter(&format!("{name}.weight"), c, Init::Constant(1.25));
        let beta = self
            .tape
            .parameter(&format!("{name}.bias"), c, Init::Constant(0.5));
        let mean = self.tape.state(&format!("{name}.running_mean"), c, 0.0);
        let var = self.tape.state(&format!("{name}.running_var"), c, 1.0);
        let op = BatchNorm {
            dropout: dropout.then_some(Dropout {
                rate: 0.25,
                layer: self.layers as u32,
            }),
            ..BatchNorm::default()
        };
        self.tape.apply(op, &[x, &gamma, &beta, &mean, &var])
    }

    fn op(&mut self, pool: &[Tensor], (op, a, b): Draw) -> Result<Tensor> {
        let recent = |back: u8| &pool[pool.len().saturating_sub(1 + back as usize)];
        let x = recent(a).clone();
        let can_pool = x.dims()[2] >= 2 && x.dims()[3] >= 2;
        match op {
            0 => {
                self.scope("relu");
                self.tape.apply(Relu, &[&x])
            }
            1 => {
                self.scope("add");
                let same = |t: &&Tensor| t.shape() == x.shape();
                let other = pool.iter().rev().skip(b as usize).find(same);
                let other = other.unwrap_or(&x).clone();
                self.tape.apply(Add, &[&x, &other])
            }
            2 => {
                self.scope("dropout");
                let layer = self.layers as u32;
                self.tape.apply(Dropout { rate: 0.25, layer }, &[&x])
            }
            3 | 4 => self.batch_norm(&x, op == 4),
            5 => self.conv(&x, x.dims()[1], Epilogue::None),
            6 if can_pool => self.conv(&x, 2 + b as usize, Epilogue::ReluMaxPool2),
            _ => self.conv(&x, 2 + b as usize, Epilogue::Relu),
        }
    }
}

/// A classifier: the ops of `recipe`, a dense layer, the loss with an L2 term, gradients, Adam.
pub fn record(recipe: &[Draw]) -> Result<Tape> {
    let mut b = Builder {
        tape: Tape::new(),
        layers: 0,
    };
    let x = b.tape.input("batch x", Spec::f32([BATCH, 2, 9, 7]));
    let labels = b.tape.input("batch labels", Spec::u32([BATCH]));
    let class_weights = b.tape.input("class weights", Spec::f32([CLASSES]));
    let mut pool = vec![x];
    for &draw in recipe {
        let y = b.op(&pool, draw)?;
        pool.push(y);
    }
    b.scope("dense");
    let x = &pool[pool.len() - 1];
    let features = x.numel() / BATCH;
    let x = b.tape.reshape(x, [BATCH, features])?;
    let init = Init::GlorotUniform {
        fan_in: features,
        fan_out: CLASSES,
    };
    let w = b.tape.parameter("dense.weight", [CLASSES, features], init);
    let bias = b
        .tape
        .parameter("dense.bias", [CLASSES], Init::Constant(0.0));
    let logits = b.tape.apply(Dense { relu: false }, &[&x, &w, &bias])?;
    let loss = b.tape.apply(
        SoftmaxCrossEntropy::default(),
        &[&logits, &labels, &class_weights],
    )?;
    let penalty = b.tape.apply(L2Penalty { coefficient: 1e-3 }, &[&w])?;
    let loss = b.tape.apply(Add, &[&loss, &penalty])?;
    b.tape.keep(&loss);
    b.tape.backward(&loss)?;
    b.tape.begin_update();
    let flats = [
        Flat::Parameters,
        Flat::Gradients,
        Flat::Moment1,
        Flat::Moment2,
    ];
    let flats = flats.map(|f| b.tape.flat(f));
    let inputs: Vec<&Tensor> = flats.iter().collect();
    b.tape
        .apply_all(std::sync::Arc::new(Adam::default()), &inputs)?;
    Ok(b.tape)
}
