//! Writing NumPy's `.npz` archives, and sets of `.npy` files.

use std::collections::HashSet;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use npyz::{AutoSerialize, DType, Serialize, WriteOptions, WriterBuilder};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::npy::{ENDING, companion, unpaired};
use super::{KEY, Origin};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::fsutil::{Prepared, atomic_write_file, prepare};

/// Refuses a name of which the companions' names can't be made so that a reader would expect them.
pub(super) fn check_name(path: &Path) -> Result<()> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let prefix = stem.strip_suffix(['x', 'X']).unwrap_or("a");
    match prefix.ends_with(char::is_alphanumeric) {
        true => Err(unpaired(path)),
        false => Ok(()),
    }
}

pub(super) fn write_npz(dataset: &Dataset, path: &Path) -> Result<()> {
    let of_tracks = |text: &dyn Fn(usize) -> String| -> Vec<String> {
        dataset.samples.iter().map(|s| text(s.track)).collect()
    };
    let origin = serde_json::to_string(&Origin::of(dataset)).map_err(|e| Error::file(path, e))?;
    let mut texts = vec![
        ("genres", dataset.genres.clone()),
        ("names", of_tracks(&|t| dataset.tracks[t].name.clone())),
        (KEY, vec![origin]),
    ];
    if !dataset.anonymous {
        texts.push((
            "content_id",
            of_tracks(&|t| dataset.contents[t].to_string()),
        ));
    }
    atomic_write_file(path, |file| {
        let mut zip = ZipWriter::new(BufWriter::new(file));
        let n = dataset.len() as u64;
        let shape = [n, dataset.rows as u64, dataset.frames as u64];
        let x = dataset.x().iter().copied();
        add(&mut zip, "x", f32::default_dtype(), &shape, x)?;
        for (name, values) in integer_arrays(dataset) {
            add(&mut zip, name, i64::default_dtype(), &[n], values)?;
        }
        for (name, values) in texts {
            let count = values.len() as u64;
            add(&mut zip, name, text_of(&values)?, &[count], values)?;
        }
        zip.finish()?.flush()
    })
}

/// NumPy's type of strings, with room for the longest.
fn text_of(values: &[String]) -> io::Result<DType> {
    let longest = values.iter().map(|v| v.chars().count()).max();
    DType::parse(&format!("'<U{}'", longest.unwrap_or(0).max(1)))
}

/// Adds an array to an archive, as `numpy.savez_compressed` does.
fn add<W: Write + Seek, T: Serialize>(
    zip: &mut ZipWriter<W>,
    name: &str,
    dtype: DType,
    shape: &[u64],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    // As NumPy: room for more than 4 GiB, whatever comes.
    zip.start_file(
        format!("{name}{ENDING}"),
        SimpleFileOptions::default().large_file(true),
    )?;
    write_array(zip, dtype, shape, values)
}

/// One array, as `numpy.save` writes it.
fn write_array<T: Serialize>(
    to: impl Write,
    dtype: DType,
    shape: &[u64],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    let mut buffered = BufWriter::new(to);
    let mut array = WriteOptions::new()
        .dtype(dtype)
        .shape(shape)
        .writer(&mut buffered)
        .begin_nd()?;
    array.extend(values)?;
    array.finish()?;
    buffered.flush()
}

/// x and what goes beside it: all of it is written before the first takes its place.
pub(super) fn write_pair(dataset: &Dataset, path: &Path) -> Result<()> {
    let y = dataset.labels();
    let each_once = y.iter().collect::<HashSet<_>>().len() == y.len();
    if y.len() == dataset.genres.len() && each_once && !y.is_sorted() {
        return Err(Error::file(
            path,
            "with one sample of each class a list of names can be the classes' or the samples'; write .npz or .safetensors",
        ));
    }
    let n = dataset.len() as u64;
    let shape = [n, dataset.rows as u64, dataset.frames as u64];
    let mut companions = Vec::new();
    for (name, values) in integer_arrays(dataset) {
        companions.push((companion(path, name)?, values));
    }
    let labels = companion(path, "labels")?;
    let names = dataset.genres.iter().cloned();
    let text = text_of(&dataset.genres).map_err(|e| Error::file(&labels, e))?;
    let mut ready = Vec::new();
    for (path, values) in &companions {
        let values = values.iter().copied();
        ready.push(prepare_npy(path, i64::default_dtype(), &[n], values)?);
    }
    let count = dataset.genres.len() as u64;
    ready.push(prepare_npy(&labels, text, &[count], names)?);
    // The companions first: whoever waits for x finds everything.
    let x = dataset.x().iter().copied();
    ready.push(prepare_npy(path, f32::default_dtype(), &shape, x)?);
    ready.into_iter().try_for_each(Prepared::put)
}

fn prepare_npy<'a, T: Serialize>(
    path: &'a Path,
    dtype: DType,
    shape: &[u64],
    values: impl IntoIterator<Item = T>,
) -> Result<Prepared<'a>> {
    prepare(path, |file| write_array(file, dtype, shape, values))
}

fn integer_arrays(dataset: &Dataset) -> [(&'static str, Vec<i64>); 3] {
    let of = |value: &dyn Fn(usize) -> usize| (0..dataset.len()).map(|i| value(i) as i64).collect();
    [
        ("y", of(&|i| dataset.label(i))),
        ("track", of(&|i| dataset.samples[i].track)),
        ("segment", of(&|i| dataset.samples[i].segment)),
    ]
}
