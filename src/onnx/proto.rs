//! The messages of an ONNX file that an exported model uses, with their field numbers from the format's `onnx.proto`
//! (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>, IR version 8). prost writes and reads them; fields that are not
//! here are skipped in reading. The file is proto2: every field may be absent, and lists of numbers are not packed.

use crate::protobuf::messages;

/// [`AttributeProto`] with a number.
pub const FLOAT: i32 = 1;
/// [`AttributeProto`] with an integer.
pub const INT: i32 = 2;
/// [`AttributeProto`] with a text.
pub const STRING: i32 = 3;
/// [`AttributeProto`] with integers.
pub const INTS: i32 = 7;
/// 32-bit floating point.
pub const DATA_FLOAT: i32 = 1;
/// 64-bit integers.
pub const DATA_INT64: i32 = 7;

messages! {
    /// A whole file.
    ModelProto {
        /// Version of the format.
        1: optional int64 ir_version: i64,
        /// The program that wrote it.
        2: optional string producer_name: String,
        /// Its version.
        3: optional string producer_version: String,
        /// What it is, for people.
        6: optional string doc_string: String,
        /// The network.
        7: optional message graph: GraphProto,
        /// Which operators it is made of.
        8: repeated message opset_import: OperatorSetIdProto,
        /// Anything else, by name.
        14: repeated message metadata_props: StringStringEntryProto,
    }

    /// A set of operators; without a domain the standard's own.
    OperatorSetIdProto {
        /// Whose operators.
        1: optional string domain: String,
        /// Which of their versions.
        2: optional int64 version: i64,
    }

    /// A name and a text.
    StringStringEntryProto {
        /// The name.
        1: optional string key: String,
        /// The text.
        2: optional string value: String,
    }

    /// Nodes in an order in which they can run, with the tensors they start from.
    GraphProto {
        /// The nodes.
        1: repeated message node: NodeProto,
        /// The graph's name.
        2: optional string name: String,
        /// Weights and other constants.
        5: repeated message initializer: TensorProto,
        /// What the caller gives.
        11: repeated message input: ValueInfoProto,
        /// What the caller gets.
        12: repeated message output: ValueInfoProto,
    }

    /// One operator on named tensors.
    NodeProto {
        /// Names of its inputs.
        1: repeated string input: String,
        /// Names of its outputs.
        2: repeated string output: String,
        /// Its own name.
        3: optional string name: String,
        /// The operator.
        4: optional string op_type: String,
        /// Its settings.
        5: repeated message attribute: AttributeProto,
    }

    /// A setting of an operator: one of its values, as `type` says.
    AttributeProto {
        /// The setting's name.
        1: optional string name: String,
        /// A number.
        2: optional float f: f32,
        /// An integer.
        3: optional int64 i: i64,
        /// A text.
        4: optional bytes s: Vec<u8>,
        /// Integers.
        8: repeated int64 ints: i64,
        /// Which of them: [`FLOAT`], [`INT`], [`STRING`] or [`INTS`].
        20: optional int32 r#type: i32,
    }

    /// A tensor's values.
    TensorProto {
        /// Its sizes, outermost first.
        1: repeated int64 dims: i64,
        /// [`DATA_FLOAT`] or [`DATA_INT64`].
        2: optional int32 data_type: i32,
        /// Its name.
        8: optional string name: String,
        /// The values, little-endian.
        9: optional bytes raw_data: Vec<u8>,
    }

    /// Name and type of an input or output.
    ValueInfoProto {
        /// Its name.
        1: optional string name: String,
        /// Its type.
        2: optional message r#type: TypeProto,
        /// What it is, for people.
        3: optional string doc_string: String,
    }

    /// A tensor's type, the only kind used here.
    TypeProto {
        /// The type.
        1: optional message tensor_type: TensorTypeProto,
    }

    /// Element type and shape.
    TensorTypeProto {
        /// [`DATA_FLOAT`] or [`DATA_INT64`].
        1: optional int32 elem_type: i32,
        /// The shape.
        2: optional message shape: TensorShapeProto,
    }

    /// Sizes, outermost first.
    TensorShapeProto {
        /// The sizes.
        1: repeated message dim: DimensionProto,
    }

    /// A size, or the name of one that is free.
    DimensionProto {
        /// A fixed size.
        1: optional int64 dim_value: i64,
        /// A free size's name.
        2: optional string dim_param: String,
    }
}
