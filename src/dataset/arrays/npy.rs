//! Reading NumPy's `.npz` archives, and sets of `.npy` files.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use npyz::{DType, NpyFile, Order, TypeChar};
use zip::ZipArchive;

use super::{Arrays, KEY};
use crate::error::{Error, Result};
use crate::lfs;

/// How the name of an array ends in an archive.
pub(super) const ENDING: &str = ".npy";

/// The longest text that is read from an array of strings.
const MAX_TEXT: u64 = 4096;

/// The longest header that is read, which is version 1's; NumPy itself refuses more than 10,000 bytes.
const MAX_HEADER: u32 = 65_535;

/// The deepest brackets of a header that is read: a dictionary of a list of fields, of which one is a tuple with a shape.
const MAX_DEPTH: usize = 4;

/// A problem with one array, without the file's name.
type Problem = String;

pub(super) fn read_npz(path: &Path) -> Result<Arrays> {
    let broken = |e: io::Error| Error::file(path, format!("not a readable .npz file ({e})"));
    let file = BufReader::new(File::open(path).map_err(|e| Error::file(path, e))?);
    let mut archive = ZipArchive::new(file).map_err(|e| broken(e.into()))?;
    let mut present: Vec<String> = (archive.file_names())
        .filter_map(|name| Some(name.ok()?.strip_suffix(ENDING)?.to_owned()))
        .collect();
    present.sort();

    let mut array = |name: &str, arrays: &mut Arrays| -> Result<bool> {
        if !present.iter().any(|p| p == name) {
            return Ok(false);
        }
        let unreadable = |e: io::Error| Error::file(path, format!("{name} can't be read ({e})"));
        let entry = archive.by_name(&format!("{name}{ENDING}"));
        let array = open(entry.map_err(|e| unreadable(e.into()))?).map_err(unreadable)?;
        arrays
            .take(name, array)
            .map(|()| true)
            .map_err(|problem| Error::file(path, problem))
    };
    let mut arrays = Arrays::default();
    for name in ["x", "y"] {
        if !array(name, &mut arrays)? {
            let message = format!("has no array named {name} (it has: {})", present.join(", "));
            return Err(Error::file(path, message));
        }
    }
    for name in [
        "track",
        "segment",
        "genres",
        "labels",
        "names",
        "content_id",
        KEY,
    ] {
        array(name, &mut arrays)?;
    }
    Ok(arrays)
}

pub(super) fn read_pair(path: &Path) -> Result<Arrays> {
    let mut arrays = Arrays::default();
    let companions = [
        ("x", path.to_path_buf(), true),
        ("y", companion(path, "y")?, true),
        ("track", companion(path, "track")?, false),
        ("segment", companion(path, "segment")?, false),
        ("labels", companion(path, "labels")?, false),
    ];
    for (name, path, needed) in companions {
        if !needed && !path.exists() {
            continue;
        }
        if path.exists() && !path.is_file() {
            return Err(Error::file(
                &path,
                format!("is no file, but must be the array {name}"),
            ));
        }
        let file = File::open(&path)
            .map_err(|e| Error::file(&path, format!("can't be read as the array {name} ({e})")))?;
        lfs::refuse_file(&path, "the array")?;
        let array = open(BufReader::new(file))
            .map_err(|e| Error::file(&path, format!("not a readable .npy file ({e})")))?;
        arrays
            .take(name, array)
            .map_err(|problem| Error::file(&path, problem))?;
    }
    Ok(arrays)
}

pub(super) fn unpaired(path: &Path) -> Error {
    Error::file(
        path,
        "a pair of .npy files is named x.npy and y.npy, or NAME_x.npy and NAME_y.npy; give the path of x",
    )
}

/// An array, its header read. Neither the header's own length is believed, which is made room for before a byte of it is read,
/// nor its depth: the parser takes twice the time for every bracket within a bracket.
fn open<R: Read>(mut file: R) -> io::Result<NpyFile<impl Read>> {
    let mut start = Vec::new();
    file.by_ref().take(12).read_to_end(&mut start)?;
    // Two bytes in version 1, four later (numpy.lib.format).
    if let [0x93, b'N', b'U', b'M', b'P', b'Y', version, _, a, b, c, d] = start[..] {
        let (claimed, before) = match version {
            1 => (u32::from(u16::from_le_bytes([a, b])), 10),
            _ => (u32::from_le_bytes([a, b, c, d]), 12),
        };
        if claimed > MAX_HEADER {
            return Err(io::Error::other(format!(
                "its header claims to be {claimed} bytes long"
            )));
        }
        let end = before + u64::from(claimed);
        let rest = end.saturating_sub(start.len() as u64);
        file.by_ref().take(rest).read_to_end(&mut start)?;
        let header = start.get(before as usize..).unwrap_or_default();
        let depth = depth(header);
        if depth > MAX_DEPTH {
            return Err(io::Error::other(format!(
                "its header has brackets {depth} deep, which no array needs"
            )));
        }
    }
    NpyFile::new(io::Cursor::new(start).chain(file))
}

/// How deep brackets stand within brackets; those that are never closed and those in names count too.
fn depth(header: &[u8]) -> usize {
    let mut deepest = 0;
    let mut open = 0usize;
    for byte in header {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// `train_x.npy` -> `train_y.npy`, `train_track.npy`; `X.npy` -> `Y.npy` or `y.npy`.
pub(super) fn companion(path: &Path, name: &str) -> Result<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let Some(prefix) = stem.strip_suffix(['x', 'X']) else {
        return Err(unpaired(path));
    };
    let upper = path.with_file_name(format!("{prefix}{}.npy", name.to_uppercase()));
    if stem.ends_with('X') && upper.exists() {
        return Ok(upper);
    }
    Ok(path.with_file_name(format!("{prefix}{name}.npy")))
}

impl Arrays {
    /// Puts one array where it belongs.
    fn take<R: Read>(&mut self, name: &str, array: NpyFile<R>) -> Result<(), Problem> {
        let shape = shape_of(name, &array)?;
        match name {
            "x" => {
                self.x = floats(array)?;
                self.x_shape = shape;
            }
            "y" => {
                self.y = integers(name, array)?;
                self.y_shape = shape;
            }
            "track" => self.track = Some(integers(name, array)?),
            "segment" => self.segment = Some(integers(name, array)?),
            "genres" => self.genres = Some(strings(name, array)?),
            "content_id" => self.content = Some(strings(name, array)?),
            // Other tools also call the numbers labels.
            "labels" if kind(&array).is_some_and(|(t, _)| is_number(t)) => {}
            "labels" => self.labels = Some(strings(name, array)?),
            KEY => {
                let text = strings(name, array)?.concat();
                self.origin = serde_json::from_str(&text)
                    .map_err(|e| format!("{name} is not understood ({e})"))?;
            }
            _ => self.names = Some(strings(name, array)?),
        }
        Ok(())
    }
}

/// The shape, if it is sane: a header may claim anything.
fn shape_of<R: Read>(name: &str, array: &NpyFile<R>) -> Result<Vec<usize>, Problem> {
    let shape = array.shape().to_vec();
    if array.order() == Order::Fortran && shape.iter().filter(|&&d| d != 1).count() > 1 {
        return Err(format!(
            "{name} is in Fortran order: save numpy.ascontiguousarray({name})"
        ));
    }
    let elements = shape
        .iter()
        .try_fold(1u64, |product, &d| product.checked_mul(d));
    if elements.is_none_or(|n| n > isize::MAX as u64 / 8) {
        return Err(format!("{name} claims the impossible shape {shape:?}"));
    }
    Ok(shape.iter().map(|&d| d as usize).collect())
}

/// All elements as `T`, converted. Memory grows with what is read, not with what is claimed.
fn all<T: npyz::Deserialize, U, R: Read>(
    name: &str,
    array: NpyFile<R>,
    convert: impl Fn(T) -> U,
) -> Result<Vec<U>, Problem> {
    let header = array.header().clone();
    let claimed = header.len();
    // Elements are read one by one, so the reader must be buffered; in an archive it is not.
    let buffered = NpyFile::with_header(
        header,
        BufReader::with_capacity(1 << 16, array.into_inner()),
    );
    let data = buffered
        .data::<T>()
        .map_err(|e| format!("{name} can't be read ({e})"))?;
    let mut values = Vec::new();
    for value in data {
        let value = value.map_err(|e| {
            format!(
                "{name} ends after {} of {claimed} values ({e})",
                values.len()
            )
        })?;
        values.push(convert(value));
    }
    Ok(values)
}

/// Type character and bytes per element, e.g. (`f`, 4).
fn kind<R: Read>(array: &NpyFile<R>) -> Option<(TypeChar, u64)> {
    match array.dtype() {
        DType::Plain(t) => Some((t.type_char(), t.size_field())),
        _ => None,
    }
}

fn is_number(kind: TypeChar) -> bool {
    matches!(
        kind,
        TypeChar::Int | TypeChar::Uint | TypeChar::Float | TypeChar::Bool
    )
}

fn floats<R: Read>(array: NpyFile<R>) -> Result<Vec<f32>, Problem> {
    match kind(&array) {
        Some((TypeChar::Float, 4)) => all("x", array, |v: f32| v),
        Some((TypeChar::Float, 8)) => all("x", array, |v: f64| v as f32),
        _ => Err(format!(
            "x is {}, but must be float32 or float64",
            array.dtype().descr()
        )),
    }
}

fn integers<R: Read>(name: &str, array: NpyFile<R>) -> Result<Vec<i64>, Problem> {
    match kind(&array) {
        Some((TypeChar::Int, 8)) => all(name, array, |v: i64| v),
        Some((TypeChar::Int, 4)) => all(name, array, |v: i32| v.into()),
        Some((TypeChar::Int, 2)) => all(name, array, |v: i16| v.into()),
        Some((TypeChar::Int, 1)) => all(name, array, |v: i8| v.into()),
        Some((TypeChar::Uint, 8)) => {
            all(name, array, |v: u64| i64::try_from(v).unwrap_or(i64::MAX))
        }
        Some((TypeChar::Uint, 4)) => all(name, array, |v: u32| v.into()),
        Some((TypeChar::Uint, 2)) => all(name, array, |v: u16| v.into()),
        Some((TypeChar::Uint, 1)) => all(name, array, |v: u8| v.into()),
        _ => Err(format!(
            "{name} is {}, but must be an integer type",
            array.dtype().descr()
        )),
    }
}

fn strings<R: Read>(name: &str, array: NpyFile<R>) -> Result<Vec<String>, Problem> {
    match kind(&array) {
        Some((TypeChar::UnicodeStr | TypeChar::ByteStr, size)) if size <= MAX_TEXT => {
            all(name, array, |v: String| v)
        }
        _ => Err(format!(
            "{name} is {}, but must be strings (numpy dtype U or S)",
            array.dtype().descr()
        )),
    }
}
