//! Safetensors files of named f32 tensors and metadata, with a checksum: the format itself would not notice a flipped bit.

use super::engine::Weights;
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use crate::tensor::Shape;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Metadata key of the blake3 hash over all other metadata and every tensor. Optional, so that files of other tools can be read.
const CHECKSUM: &str = "checksum";

/// Write tensors and metadata to `path`: whole or not at all.
///
/// # Errors
/// A full disk, a read-only folder.
pub(super) fn write(
    path: &Path,
    tensors: &[(&str, &Shape, &[f32])],
    mut metadata: HashMap<String, String>,
) -> Result<()> {
    let checksum = checksum(tensors.iter().copied(), &metadata);
    metadata.insert(CHECKSUM.to_owned(), checksum);
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape, data) in tensors {
        let view = TensorView::new(
            Dtype::F32,
            shape.dims().to_vec(),
            bytemuck::cast_slice(data),
        )
        .map_err(|e| Error::file(path, format!("{name}: {e}")))?;
        views.push((*name, view));
    }
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| Error::file(path, e))?;
    atomic_write(path, &bytes)
}

/// The tensors and the metadata of the file at `path`, which is expected to be `what` ("a model").
///
/// # Errors
/// When the file is missing, damaged, or holds other types.
pub(super) fn read(path: &Path, what: &str) -> Result<(Weights, HashMap<String, String>)> {
    let bytes = std::fs::read(path)
        .map_err(|e| Error::file(path, format!("can't be read as {what}: {e}")))?;
    let damaged = |e: safetensors::SafeTensorError| {
        Error::file(
            path,
            format!("not a safetensors file, or damaged ({e}); use an undamaged copy"),
        )
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let mut metadata = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let mut weights = Vec::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(Error::file(
                path,
                format!("{name} is {:?}, expected F32", view.dtype()),
            ));
        }
        let shape = Shape::new(view.shape().to_vec());
        weights.push((name, shape, bytemuck::pod_collect_to_vec(view.data())));
    }
    if let Some(stated) = metadata.remove(CHECKSUM) {
        let tensors = weights
            .iter()
            .map(|(n, s, d)| (n.as_str(), s, d.as_slice()));
        if stated != checksum(tensors, &metadata) {
            return Err(Error::file(
                path,
                "damaged: its content does not have the checksum in its metadata; use an undamaged copy (a tool that changes tensors on purpose must drop the key 'checksum')",
            ));
        }
    }
    Ok((weights, metadata))
}

/// Independent of the order of tensors and keys.
fn checksum<'a>(
    tensors: impl Iterator<Item = (&'a str, &'a Shape, &'a [f32])>,
    metadata: &HashMap<String, String>,
) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for (key, value) in metadata.iter().collect::<BTreeMap<_, _>>() {
        part(key.as_bytes());
        part(value.as_bytes());
    }
    let sorted: BTreeMap<_, _> = tensors.map(|(n, s, d)| (n, (s, d))).collect();
    for (name, (shape, data)) in sorted {
        part(name.as_bytes());
        part(format!("{shape}").as_bytes());
        part(bytemuck::cast_slice(data));
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        let shape = Shape::from([2, 3]);
        let data = [1.0f32, -2.0, 3.5, 0.0, 7.25, 1e-9];
        let metadata = HashMap::from([("format".to_owned(), "test".to_owned())]);
        write(
            &path,
            &[("a", &shape, &data), ("b", &shape, &data)],
            metadata,
        )
        .unwrap();
        let whole = std::fs::read(&path).unwrap();
        let sorted = || {
            read(&path, "a test").map(|(mut tensors, metadata)| {
                tensors.sort_by(|a, b| a.0.cmp(&b.0));
                (tensors, metadata)
            })
        };
        let (tensors, metadata) = sorted().unwrap();
        assert_eq!((tensors.len(), metadata.len()), (2, 1));
        for at in 0..whole.len() {
            for bit in [0, 5] {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                std::fs::write(&path, &bytes).unwrap();
                // What passes has lost the checksum's own name and nothing that is read.
                if let Ok((found, about)) = sorted() {
                    assert_eq!(found, tensors, "byte {at}, bit {bit}");
                    assert_eq!(about.get("format"), metadata.get("format"), "byte {at}");
                }
            }
        }
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read(&path, "a test").unwrap_err().to_string();
            assert!(error.contains("damaged"), "{error}");
        }
    }
}
