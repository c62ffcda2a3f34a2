//! Fixtures for the audio and feature tests; `tests/scripts/features_librosa.py` writes them.

#![allow(dead_code)] // Each test program uses its own part.

use std::path::PathBuf;

use npyz::NpyFile;
use zip::ZipArchive;

/// An opened `tests/fixtures/features/*.npz`.
pub struct Fixture(ZipArchive<std::io::BufReader<std::fs::File>>);

impl Fixture {
    pub fn open(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/features")
            .join(name);
        let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let archive = ZipArchive::new(std::io::BufReader::new(file));
        Self(archive.unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    pub fn names(&self) -> Vec<String> {
        let names = self.0.file_names().map(|name| name.unwrap());
        let arrays = names.map(|name| name.strip_suffix(".npy").unwrap().to_owned());
        arrays.collect()
    }

    pub fn get<T: npyz::Deserialize>(&mut self, name: &str) -> Vec<T> {
        let entry = self.0.by_name(&format!("{name}.npy"));
        let entry = entry.unwrap_or_else(|e| panic!("{name} in the fixture: {e}"));
        let array = NpyFile::new(entry).unwrap();
        assert_eq!(array.order(), npyz::Order::C, "{name}");
        array.into_vec().unwrap()
    }
}

/// Largest absolute difference of two slices of one length.
pub fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    let differences = a.iter().zip(b).map(|(x, y)| (x - y).abs());
    // A NaN must not pass as "no difference".
    differences.fold(0.0, |m, d| if d.is_nan() || d > m { d } else { m })
}
