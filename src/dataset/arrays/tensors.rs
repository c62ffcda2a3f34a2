//! `.safetensors` files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::{Arrays, KEY, Origin};
use crate::dataset::{ContentId, Dataset};
use crate::error::{Error, Result};
use crate::tensor_bytes::{self, TensorBytes};

/// What the metadata says, as JSON.
#[derive(Serialize, Deserialize)]
struct About {
    genres: Vec<String>,
    /// The name of each track number.
    tracks: Vec<String>,
    /// What each track number is known by; none where only its features tell.
    #[serde(default)]
    contents: Vec<ContentId>,
    #[serde(flatten)]
    origin: Origin,
}

pub(super) fn read(path: &Path) -> Result<Arrays> {
    let bytes = fs::read(path).map_err(|e| Error::file(path, e))?;
    let broken = |e| Error::file(path, format!("not a readable safetensors file ({e})"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let about = header.metadata().as_ref().and_then(|m| m.get(KEY));
    let about: Option<About> = match about {
        Some(json) => Some(serde_json::from_str(json).map_err(|e| {
            Error::file(path, format!("its metadata {KEY} is not understood ({e})"))
        })?),
        None => None,
    };

    let (x_shape, x) = floats(&tensors, path)?;
    let (y_shape, y) =
        integers(&tensors, "y", path)?.ok_or_else(|| Error::file(path, "has no array named y"))?;
    let track = integers(&tensors, "track", path)?.map(|(_, v)| v);
    let segment = integers(&tensors, "segment", path)?.map(|(_, v)| v);
    let mut arrays = Arrays {
        x,
        x_shape,
        y,
        y_shape,
        track,
        segment,
        ..Arrays::default()
    };
    let labels = header.metadata().as_ref().and_then(|m| m.get("labels"));
    if let Some(json) = labels {
        arrays.labels = Some(serde_json::from_str(json).map_err(|e| {
            Error::file(
                path,
                format!("its metadata labels is not understood ({e}); a JSON list of the classes' names is"),
            )
        })?);
    }
    if let Some(about) = about {
        if let Some(track) = &arrays.track {
            let name = |&t: &i64| about.tracks.get(usize::try_from(t).ok()?).cloned();
            arrays.names = track.iter().map(name).collect();
        }
        if let Some(track) = &arrays.track {
            let content = |&t: &i64| about.contents.get(usize::try_from(t).ok()?);
            let texts = track.iter().map(|t| content(t).map(ContentId::to_string));
            arrays.content = texts.collect();
        }
        arrays.genres = Some(about.genres);
        arrays.origin = about.origin;
    }
    Ok(arrays)
}

fn floats(tensors: &SafeTensors, path: &Path) -> Result<(Vec<usize>, Vec<f32>)> {
    let x = tensors
        .tensor("x")
        .map_err(|_| Error::file(path, "has no array named x"))?;
    let values = match x.dtype() {
        Dtype::F32 => x
            .data()
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect(),
        Dtype::F64 => x
            .data()
            .as_chunks()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b) as f32)
            .collect(),
        other => {
            return Err(Error::file(
                path,
                format!("x is {other:?}, but must be F32 or F64"),
            ));
        }
    };
    Ok((x.shape().to_vec(), values))
}

/// `None` if there is no such array.
fn integers(
    tensors: &SafeTensors,
    name: &str,
    path: &Path,
) -> Result<Option<(Vec<usize>, Vec<i64>)>> {
    let Ok(tensor) = tensors.tensor(name) else {
        return Ok(None);
    };
    let data = tensor.data();
    macro_rules! read_as {
        ($t:ty) => {
            data.as_chunks()
                .0
                .iter()
                .map(|b| i64::try_from(<$t>::from_le_bytes(*b)).unwrap_or(i64::MAX))
                .collect()
        };
    }
    let values = match tensor.dtype() {
        Dtype::I64 => read_as!(i64),
        Dtype::I32 => read_as!(i32),
        Dtype::I16 => read_as!(i16),
        Dtype::I8 => read_as!(i8),
        Dtype::U64 => read_as!(u64),
        Dtype::U32 => read_as!(u32),
        Dtype::U16 => read_as!(u16),
        Dtype::U8 => read_as!(u8),
        other => {
            return Err(Error::file(
                path,
                format!("{name} is {other:?}, but must be an integer type"),
            ));
        }
    };
    Ok(Some((tensor.shape().to_vec(), values)))
}

pub(super) fn write(dataset: &Dataset, path: &Path) -> Result<()> {
    let n = dataset.len();
    let integers = |name, value: &dyn Fn(usize) -> usize| TensorBytes {
        name,
        dtype: Dtype::I64,
        shape: vec![n],
        bytes: (0..n)
            .flat_map(|i| (value(i) as i64).to_le_bytes())
            .collect(),
    };
    let arrays = [
        TensorBytes {
            name: "x",
            dtype: Dtype::F32,
            shape: vec![n, dataset.rows, dataset.frames],
            bytes: tensor_bytes::of_f32(dataset.x()),
        },
        integers("y", &|i| dataset.label(i)),
        integers("track", &|i| dataset.samples[i].track),
        integers("segment", &|i| dataset.samples[i].segment),
    ];
    let about = About {
        genres: dataset.genres.clone(),
        tracks: dataset.tracks.iter().map(|t| t.name.clone()).collect(),
        contents: if dataset.anonymous {
            Vec::new()
        } else {
            dataset.contents.clone()
        },
        origin: Origin::of(dataset),
    };
    let about = serde_json::to_string(&about).map_err(|e| Error::file(path, e))?;
    tensor_bytes::write(path, &arrays, &BTreeMap::from([(KEY.to_owned(), about)]))
}
