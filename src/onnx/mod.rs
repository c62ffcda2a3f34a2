//! Trained models as ONNX files, which other programs run (ONNX Runtime, for one).
//!
//! The graph is the network in evaluation: normalisation first, so that it takes raw features; running statistics, no
//! dropout; probabilities last. It has one input, `features` (batch x rows x frames), and one output, `probabilities`
//! (batch x classes); the batch is free. The weights keep their names.

mod graph;
pub mod proto;

use crate::error::{Error, Result};
use crate::train::ModelFile;
use graph::Builder;
use prost::Message;
use proto::{
    DATA_FLOAT, DimensionProto, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// Version of the format: the first that has [`OPSET`].
const IR_VERSION: i64 = 8;

/// Version of the standard's operators.
const OPSET: i64 = 17;

/// Name of the input: raw features, batch x rows x frames, as `gtzan-gpu features` writes them.
pub const INPUT: &str = "features";

/// Name of the output: batch x classes, each row with sum 1.
pub const OUTPUT: &str = "probabilities";

/// Most bytes of a protocol buffers message; readers refuse more.
const LIMIT: usize = i32::MAX as usize;

/// `file` as an ONNX model.
///
/// # Errors
/// When a layer has no ONNX form, or its sizes don't fit the weights.
pub fn model(file: &ModelFile) -> Result<ModelProto> {
    let (rows, frames) = (file.features.rows, file.features.frames);
    let mut builder = Builder::new(file);
    builder.normalise(&file.normaliser)?;
    builder.layers(&file.model.layers)?;
    builder.softmax(OUTPUT);
    let (node, initializer) = builder.finish();
    let graph = GraphProto {
        node,
        name: Some(file.model.name.clone()),
        initializer,
        input: vec![value(
            INPUT,
            &[rows, frames],
            "raw features; for audio: log-mel, MFCC, chroma and spectral contrast, one row per feature",
        )],
        output: vec![value(
            OUTPUT,
            &[file.labels.len()],
            "one probability per label, in the order of the metadata's labels",
        )],
    };
    let json = |value: serde_json::Result<String>| value.map_err(|e| Error::model(e.to_string()));
    let metadata = [
        ("labels", json(serde_json::to_string(&file.labels))?),
        ("features", json(serde_json::to_string(&file.features))?),
        ("architecture", file.model.to_toml()?),
        ("synthetic", file.synthetic.to_string()),
    ];
    Ok(ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some(env!("CARGO_PKG_NAME").to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        doc_string: Some(format!(
            "Classifier of {} classes, network \"{}\"; takes raw features and normalises them itself.",
            file.labels.len(),
            file.model.name
        )),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto {
            domain: None,
            version: Some(OPSET),
        }],
        metadata_props: metadata
            .into_iter()
            .map(|(key, value)| StringStringEntryProto {
                key: Some(key.to_owned()),
                value: Some(value),
            })
            .collect(),
    })
}

/// The bytes of an ONNX file of `file`.
///
/// # Errors
/// As [`model`], and when it is larger than protocol buffers can be (2 GiB).
pub fn to_bytes(file: &ModelFile) -> Result<Vec<u8>> {
    let model = model(file)?;
    let size = model.encoded_len();
    if size > LIMIT {
        return Err(Error::model(format!(
            "{}: as ONNX it has {size} bytes, and an ONNX file can have {LIMIT}; export a smaller model",
            file.model.name
        )));
    }
    Ok(model.encode_to_vec())
}

/// An f32 tensor with a free batch in front of `sizes`.
fn value(name: &str, sizes: &[usize], doc: &str) -> ValueInfoProto {
    let batch = DimensionProto {
        dim_value: None,
        dim_param: Some("batch".to_owned()),
    };
    let sizes = sizes.iter().map(|&n| DimensionProto {
        dim_value: Some(n as i64),
        dim_param: None,
    });
    let dim = std::iter::once(batch).chain(sizes).collect();
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: Some(DATA_FLOAT),
                shape: Some(TensorShapeProto { dim }),
            }),
        }),
        doc_string: Some(doc.to_owned()),
    }
}
