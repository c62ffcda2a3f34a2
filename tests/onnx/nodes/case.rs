//! A conformance case: one node, its inputs, and what it must give.

use gtzan_gpu::onnx::proto::{DATA_FLOAT, DATA_INT64, ModelProto, NodeProto, TensorProto};
use prost::Message;
use std::path::Path;

/// Why an op of this program does not cover a case.
pub type Reason = &'static str;

/// A node with its tensors.
pub struct Case {
    pub node: NodeProto,
    /// As the node names them; none where it leaves one out.
    inputs: Vec<Option<TensorProto>>,
    outputs: Vec<TensorProto>,
}

impl Case {
    /// The case in a folder of the layout of the format's own test data.
    pub fn read(folder: &Path) -> Self {
        let bytes = |name: &str| std::fs::read(folder.join(name)).expect("a file of the case");
        let model = ModelProto::decode(&bytes("model.onnx")[..]).expect("a model");
        let mut graph = model.graph.expect("a graph");
        let [node] = std::mem::take(&mut graph.node)
            .try_into()
            .expect("one node");
        let tensor = |name: String| TensorProto::decode(&bytes(&name)[..]).expect("a tensor");
        let NodeProto { input, output, .. } = &node;
        let inputs = input.iter().map(|name| {
            let i = graph
                .input
                .iter()
                .position(|v| v.name.as_ref() == Some(name))?;
            Some(tensor(format!("test_data_set_0/input_{i}.pb")))
        });
        let outputs = output.iter().map(|name| {
            let same = |v: &gtzan_gpu::onnx::proto::ValueInfoProto| v.name.as_ref() == Some(name);
            let i = graph.output.iter().position(same).expect("an output");
            tensor(format!("test_data_set_0/output_{i}.pb"))
        });
        let (inputs, outputs) = (inputs.collect(), outputs.collect());
        Self {
            node,
            inputs,
            outputs,
        }
    }

    pub fn has(&self, i: usize) -> bool {
        matches!(self.inputs.get(i), Some(Some(_)))
    }

    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    fn input(&self, i: usize) -> &TensorProto {
        self.inputs[i]
            .as_ref()
            .expect("an input that is not optional")
    }

    /// Sizes of an input.
    pub fn dims(&self, i: usize) -> Vec<usize> {
        sizes(self.input(i))
    }

    /// Numbers of an input.
    pub fn floats(&self, i: usize) -> Result<Vec<f32>, Reason> {
        floats(self.input(i)).ok_or("the tensors are not f32")
    }

    /// Integers of an input.
    pub fn integers(&self, i: usize) -> Vec<i64> {
        integers(self.input(i)).expect("integers")
    }

    pub fn output_dims(&self, i: usize) -> Vec<usize> {
        sizes(&self.outputs[i])
    }

    /// What an output must be.
    pub fn want(&self, i: usize) -> Vec<f64> {
        let output = &self.outputs[i];
        match floats(output) {
            Some(all) => all.into_iter().map(f64::from).collect(),
            None => integers(output)
                .expect("numbers")
                .into_iter()
                .map(|v| v as f64)
                .collect(),
        }
    }

    fn attribute(&self, name: &str) -> Option<&gtzan_gpu::onnx::proto::AttributeProto> {
        self.node
            .attribute
            .iter()
            .find(|a| a.name.as_deref() == Some(name))
    }

    pub fn float(&self, name: &str, otherwise: f32) -> f32 {
        self.attribute(name).and_then(|a| a.f).unwrap_or(otherwise)
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).and_then(|a| a.i)
    }

    pub fn ints(&self, name: &str) -> Option<Vec<usize>> {
        let ints = &self.attribute(name)?.ints;
        Some(ints.iter().map(|&i| i as usize).collect())
    }

    pub fn text(&self, name: &str) -> Option<String> {
        let text = self.attribute(name)?.s.clone()?;
        Some(String::from_utf8(text).expect("UTF-8"))
    }
}

fn sizes(tensor: &TensorProto) -> Vec<usize> {
    tensor.dims.iter().map(|&n| n as usize).collect()
}

fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    let words = raw
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    (tensor.data_type == Some(DATA_FLOAT)).then(|| words.collect())
}

fn integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    let words = raw
        .chunks_exact(8)
        .map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")));
    (tensor.data_type == Some(DATA_INT64)).then(|| words.collect())
}
