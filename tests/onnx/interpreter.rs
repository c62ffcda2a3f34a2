//! A decoded ONNX graph, run in f64 by plain loops after the operators' specification
//! (<https://onnx.ai/onnx/operators/>), with no code of the engine.

use std::collections::HashMap;

use gtzan_gpu::onnx::proto::{DATA_FLOAT, GraphProto, NodeProto, TensorProto};

#[derive(Clone)]
pub struct Array {
    pub dims: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self {
            dims: self.dims.clone(),
            data: self.data.iter().map(|&v| f(v)).collect(),
        }
    }

    /// Value at an index of four.
    fn at(&self, [n, c, h, w]: [usize; 4]) -> f64 {
        let d = &self.dims;
        self.data[((n * d[1] + c) * d[2] + h) * d[3] + w]
    }
}

fn constant(tensor: &TensorProto) -> Array {
    let raw = tensor.raw_data.as_ref().unwrap();
    let data = match tensor.data_type {
        Some(DATA_FLOAT) => raw
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()).into())
            .collect(),
        _ => raw
            .chunks_exact(8)
            .map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64)
            .collect(),
    };
    let dims: Vec<usize> = tensor.dims.iter().map(|&n| n as usize).collect();
    let array = Array { dims, data };
    assert_eq!(array.dims.iter().product::<usize>(), array.data.len());
    array
}

fn ints(node: &NodeProto, name: &str) -> Vec<usize> {
    let found = node
        .attribute
        .iter()
        .find(|a| a.name.as_deref() == Some(name));
    found.map_or(vec![], |a| a.ints.iter().map(|&i| i as usize).collect())
}

fn float(node: &NodeProto, name: &str) -> f64 {
    let mut attributes = node.attribute.iter();
    let found = attributes.find(|a| a.name.as_deref() == Some(name));
    found.unwrap().f.unwrap().into()
}

/// Runs `graph` on its one input; the value of its one output.
pub fn run(graph: &GraphProto, x: Array) -> Array {
    let mut values: HashMap<&str, Array> = HashMap::new();
    for tensor in &graph.initializer {
        values.insert(tensor.name.as_deref().unwrap(), constant(tensor));
    }
    values.insert(graph.input[0].name.as_deref().unwrap(), x);
    for node in &graph.node {
        let inputs: Vec<&Array> = node.input.iter().map(|name| &values[&name[..]]).collect();
        let y = apply(node, &inputs);
        let previous = values.insert(&node.output[0], y);
        assert!(previous.is_none(), "{} is written twice", node.output[0]);
    }
    values[graph.output[0].name.as_deref().unwrap()].clone()
}

fn apply(node: &NodeProto, inputs: &[&Array]) -> Array {
    let x = inputs[0];
    match node.op_type.as_deref().unwrap() {
        "Sub" => by_row(x, inputs[1], |a, b| a - b),
        "Div" => by_row(x, inputs[1], |a, b| a / b),
        "Add" => {
            assert_eq!(x.dims, inputs[1].dims);
            let pairs = x.data.iter().zip(&inputs[1].data);
            Array {
                dims: x.dims.clone(),
                data: pairs.map(|(a, b)| a + b).collect(),
            }
        }
        "Unsqueeze" => {
            assert_eq!(inputs[1].data, [1.0]);
            let mut dims = x.dims.clone();
            dims.insert(1, 1);
            let data = x.data.clone();
            Array { dims, data }
        }
        "Flatten" => Array {
            dims: vec![x.dims[0], x.dims[1..].iter().product()],
            data: x.data.clone(),
        },
        "Relu" => x.map(|v| v.max(0.0)),
        "Conv" => conv(node, x, inputs[1], inputs.get(2).copied()),
        "MaxPool" => pool(node, x, |values| {
            values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
        }),
        "AveragePool" => pool(node, x, |values| {
            values.iter().sum::<f64>() / values.len() as f64
        }),
        "GlobalAveragePool" => {
            let plane: usize = x.dims[2..].iter().product();
            let planes = x.data.chunks_exact(plane);
            Array {
                dims: vec![x.dims[0], x.dims[1], 1, 1],
                data: planes
                    .map(|p| p.iter().sum::<f64>() / plane as f64)
                    .collect(),
            }
        }
        "BatchNormalization" => {
            let plane: usize = x.dims[2..].iter().product();
            let epsilon = float(node, "epsilon");
            let normal = |(i, &v): (usize, &f64)| {
                let c = i / plane % x.dims[1];
                let [gamma, beta, mean, var] = [1, 2, 3, 4].map(|k: usize| inputs[k].data[c]);
                (v - mean) / (var + epsilon).sqrt() * gamma + beta
            };
            Array {
                dims: x.dims.clone(),
                data: x.data.iter().enumerate().map(normal).collect(),
            }
        }
        "Gemm" => {
            let (w, b) = (inputs[1], inputs[2]);
            let transposed = node.attribute.iter().any(|a| a.i == Some(1));
            assert!(transposed && node.attribute.len() == 1);
            let rows = x.data.chunks_exact(x.dims[1]);
            let row = |x: &[f64]| -> Vec<f64> {
                let outputs = w.data.chunks_exact(w.dims[1]).zip(&b.data);
                let dot =
                    |(w, b): (&[f64], &f64)| b + x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
                outputs.map(dot).collect()
            };
            Array {
                dims: vec![x.dims[0], w.dims[0]],
                data: rows.flat_map(row).collect(),
            }
        }
        "Softmax" => {
            let rows = x.data.chunks_exact(x.dims[1]).flat_map(|row| {
                let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|v| (v - most).exp()).sum();
                row.iter().map(move |v| (v - most).exp() / sum)
            });
            Array {
                dims: x.dims.clone(),
                data: rows.collect(),
            }
        }
        other => panic!("no {other} in this interpreter"),
    }
}

/// `x` (N x rows x frames) with one number per row.
fn by_row(x: &Array, rows: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
    assert_eq!(rows.dims, [x.dims[1], 1]);
    let row = |i: usize| rows.data[i / x.dims[2] % x.dims[1]];
    let values = x.data.iter().enumerate();
    Array {
        dims: x.dims.clone(),
        data: values.map(|(i, &v)| f(v, row(i))).collect(),
    }
}

fn conv(node: &NodeProto, x: &Array, w: &Array, b: Option<&Array>) -> Array {
    let (strides, pads) = (ints(node, "strides"), ints(node, "pads"));
    assert_eq!(ints(node, "kernel_shape"), w.dims[2..]);
    let size = |axis: usize| {
        (x.dims[2 + axis] + pads[axis] + pads[2 + axis] - w.dims[2 + axis]) / strides[axis] + 1
    };
    let (height, width) = (size(0), size(1));
    let mut data = Vec::new();
    for n in 0..x.dims[0] {
        for k in 0..w.dims[0] {
            for h in 0..height {
                for v in 0..width {
                    let mut sum = b.map_or(0.0, |b| b.data[k]);
                    for i in 0..w.dims[2] {
                        for j in 0..w.dims[3] {
                            let row = (h * strides[0] + i).wrapping_sub(pads[0]);
                            let column = (v * strides[1] + j).wrapping_sub(pads[1]);
                            if row < x.dims[2] && column < x.dims[3] {
                                for c in 0..w.dims[1] {
                                    sum += x.at([n, c, row, column]) * w.at([k, c, i, j]);
                                }
                            }
                        }
                    }
                    data.push(sum);
                }
            }
        }
    }
    let dims = vec![x.dims[0], w.dims[0], height, width];
    Array { dims, data }
}

fn pool(node: &NodeProto, x: &Array, f: impl Fn(&[f64]) -> f64) -> Array {
    let (window, strides) = (ints(node, "kernel_shape"), ints(node, "strides"));
    assert_eq!(node.attribute.len(), 2);
    let size = |axis: usize| (x.dims[2 + axis] - window[axis]) / strides[axis] + 1;
    let dims = vec![x.dims[0], x.dims[1], size(0), size(1)];
    let mut data = Vec::new();
    for n in 0..dims[0] {
        for c in 0..dims[1] {
            for h in 0..dims[2] {
                for w in 0..dims[3] {
                    let values: Vec<f64> = (0..window[0] * window[1])
                        .map(|i| {
                            let (row, column) = (i / window[1], i % window[1]);
                            x.at([n, c, h * strides[0] + row, w * strides[1] + column])
                        })
                        .collect();
                    data.push(f(&values));
                }
            }
        }
    }
    Array { dims, data }
}
