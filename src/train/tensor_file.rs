//! Safetensors files of named f32 tensors and metadata, with a checksum: the format itself would not notice a flipped bit.

use super::engine::Weights;
use crate::error::{Error, Result};
use crate::lfs;
use crate::tensor::Shape;
use crate::tensor_bytes::{self, TensorBytes};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use std::collections::BTreeMap;
use std::path::Path;

/// Metadata key of the blake3 hash over all other metadata and every tensor. Optional, so that files of other tools can be read.
const CHECKSUM: &str = "checksum";

/// What a file says of itself, in the order it is written in.
pub(super) type Metadata = BTreeMap<String, String>;

/// Write tensors and metadata to `path`: whole or not at all. The same content always gives the same bytes: keys and
/// tensors are sorted by name.
///
/// # Errors
/// A full disk, a read-only folder, a value that is no finite number.
pub(super) fn write(
    path: &Path,
    tensors: &[(&str, &Shape, &[f32])],
    mut metadata: Metadata,
) -> Result<()> {
    check_finite(path, tensors.iter().map(|(name, _, data)| (*name, *data)))?;
    let checksum = checksum(tensors.iter().copied(), &metadata);
    metadata.insert(CHECKSUM.to_owned(), checksum);
    let mut sorted = tensors.to_vec();
    sorted.sort_by_key(|(name, ..)| *name);
    let tensors: Vec<TensorBytes> = (sorted.into_iter())
        .map(|(name, shape, data)| TensorBytes {
            name,
            dtype: Dtype::F32,
            shape: shape.dims().to_vec(),
            bytes: tensor_bytes::of_f32(data),
        })
        .collect();
    tensor_bytes::write(path, &tensors, &metadata)
}

/// Fails at the first value that is NaN or infinite.
fn check_finite<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (&'a str, &'a [f32])>,
) -> Result<()> {
    for (name, data) in tensors {
        if let Some(at) = data.iter().position(|v| !v.is_finite()) {
            return Err(Error::file(
                path,
                format!(
                    "value {at} of {name} is {}, not a finite number: training went wrong before; use the file of an earlier or another run",
                    data[at]
                ),
            ));
        }
    }
    Ok(())
}

/// The tensors and the metadata of the file at `path`, which is expected to be `what` ("a model").
///
/// # Errors
/// When the file is missing, damaged, or holds other types or values that are no finite numbers.
pub(super) fn read(path: &Path, what: &str) -> Result<(Weights, Metadata)> {
    let bytes = std::fs::read(path)
        .map_err(|e| Error::file(path, format!("can't be read as {what}: {e}")))?;
    parse(path, &bytes)
}

/// [`read`] from the bytes of the file, wherever they came from.
///
/// # Errors
/// As there.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<(Weights, Metadata)> {
    lfs::refuse(path, bytes, "the file")?;
    let damaged = |e: safetensors::SafeTensorError| {
        Error::file(
            path,
            format!("not a safetensors file, or damaged ({e}); use an undamaged copy"),
        )
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let mut metadata: Metadata = header
        .metadata()
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
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
    check_finite(path, weights.iter().map(|(n, _, d)| (n.as_str(), &d[..])))?;
    Ok((weights, metadata))
}

/// Independent of the order of tensors and keys.
fn checksum<'a>(
    tensors: impl Iterator<Item = (&'a str, &'a Shape, &'a [f32])>,
    metadata: &Metadata,
) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for (key, value) in metadata {
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
        let metadata = Metadata::from([("format".to_owned(), "test".to_owned())]);
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

    /// Two tensors out of order, one empty, names and values that JSON must escape: the format's own reader agrees.
    #[test]
    fn the_safetensors_crate_reads_what_is_written_and_equal_content_is_equal_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        let shapes = [Shape::from([2, 1]), Shape::from([0]), Shape::from([3])];
        let values = [vec![1.5f32, -0.0], vec![], vec![f32::MIN, f32::MAX, 1e-45]];
        let names = ["z \"quoted\"", "empty", "a\n\u{e9}"];
        let tensors: Vec<(&str, &Shape, &[f32])> = (0..3)
            .map(|i| (names[i], &shapes[i], values[i].as_slice()))
            .collect();
        let metadata = || -> Metadata {
            (0..20)
                .map(|i| (format!("key \\{i}"), format!("\t{{\"{i}\"}}")))
                .collect()
        };
        let mut files = Vec::new();
        for order in [[0, 1, 2], [2, 0, 1]] {
            write(&path, &order.map(|i| tensors[i]), metadata()).unwrap();
            files.push(std::fs::read(&path).unwrap());
        }
        assert!(files[0] == files[1]);
        let file = SafeTensors::deserialize(&files[0]).unwrap();
        assert_eq!(file.len(), 3);
        for (name, shape, data) in tensors {
            let view = file.tensor(name).unwrap();
            assert_eq!(view.shape(), shape.dims());
            assert_eq!(view.data(), bytemuck::cast_slice::<f32, u8>(data));
        }
        let (begin, header) = SafeTensors::read_metadata(&files[0]).unwrap();
        assert_eq!(begin % 8, 0);
        let mut about: Metadata = header.metadata().clone().unwrap().into_iter().collect();
        assert!(about.remove(CHECKSUM).is_some());
        assert_eq!(about, metadata());
    }

    #[test]
    fn values_that_are_no_numbers_are_neither_written_nor_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        let shape = Shape::from([2]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = write(&path, &[("w", &shape, &[0.0, bad])], Metadata::new()).unwrap_err();
            assert!(error.to_string().contains("value 1 of w is"), "{error}");
            assert!(!path.exists());
            let data = [0.0, bad];
            let view = safetensors::tensor::TensorView::new(
                Dtype::F32,
                vec![2],
                bytemuck::cast_slice(&data),
            );
            let bytes = safetensors::serialize([("w", view.unwrap())], None).unwrap();
            std::fs::write(&path, bytes).unwrap();
            let error = read(&path, "a test").unwrap_err();
            assert!(error.to_string().contains("value 1 of w is"), "{error}");
            std::fs::remove_file(&path).unwrap();
        }
    }
}
