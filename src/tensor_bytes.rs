//! Writing safetensors files, a tensor after the other and always to the same bytes: the crate of that name makes a file of its own beside the
//! one that it is given, which nobody syncs, and writes metadata in the order of a hash map.

use crate::error::Result;
use crate::fsutil::atomic_write_with;
use safetensors::Dtype;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// A tensor as the format has it: row-major, little-endian.
#[derive(Debug, Clone)]
pub(crate) struct TensorBytes<'a> {
    pub name: &'a str,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Cow<'a, [u8]>,
}

/// Write tensors, in this order, and metadata to `path`: whole or not at all.
///
/// # Errors
/// As [`atomic_write_with`].
pub(crate) fn write(
    path: &Path,
    tensors: &[TensorBytes],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let header = header(tensors, metadata);
    atomic_write_with(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        for tensor in tensors {
            file.write_all(&tensor.bytes)?;
        }
        Ok(())
    })
}

/// The format's header: a JSON object of metadata, then type, shape and place of every tensor, padded with spaces so that
/// the tensors begin at a multiple of 8.
fn header(tensors: &[TensorBytes], metadata: &BTreeMap<String, String>) -> String {
    let mut entries = Map::new();
    entries.insert("__metadata__".to_owned(), json!(metadata));
    let mut begin = 0;
    for TensorBytes {
        name,
        dtype,
        shape,
        bytes,
    } in tensors
    {
        let end = begin + bytes.len();
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]});
        entries.insert((*name).to_owned(), entry);
        begin = end;
    }
    let mut text = Value::Object(entries).to_string();
    text.extend(std::iter::repeat_n(
        ' ',
        text.len().next_multiple_of(8) - text.len(),
    ));
    text
}

/// The bytes of f32 values; copied on big-endian machines only.
pub(crate) fn of_f32(values: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(values))
    } else {
        Cow::Owned(values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }
}
