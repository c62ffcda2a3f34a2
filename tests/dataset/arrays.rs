//! Files of arrays go both ways.

use std::fs;
use std::path::{Path, PathBuf};

use gtzan_gpu::dataset::{Dataset, Options, Sample, Segments, Source};
use gtzan_gpu::features::Definition;
use tempfile::TempDir;

use crate::{folder, open};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/dataset")
        .join(name)
}

#[test]
fn files_that_numpy_and_safetensors_wrote_are_read() {
    let expected: Vec<f32> = (0..72).map(|i| (i as f32 - 30.0) / 8.0).collect();
    for name in [
        "good.npz",
        "good_nchw_f64.npz",
        "good_big_endian.npz",
        "x.npy",
        "good.safetensors",
    ] {
        let set = open(&fixture(name), &Options::default());
        assert_eq!((set.len(), set.rows, set.frames), (6, 3, 4), "{name}");
        assert!(set.x() == expected, "{name}");
        assert_eq!(set.labels(), [0, 0, 1, 1, 2, 2], "{name}");
        assert_eq!(set.definition, None, "{name}");
        assert_eq!(set.source, Source::File(fixture(name)));
        let (tracks, genres) = match name {
            "good.npz" => (5, ["a", "b", "c"]),
            "good_nchw_f64.npz" => (4, ["0", "1", "2"]),
            _ => (6, ["0", "1", "2"]),
        };
        assert_eq!(set.tracks.len(), tracks, "{name}");
        assert_eq!(set.genres, genres, "{name}");
    }
    let named = open(&fixture("good.npz"), &Options::default());
    assert_eq!(named.tracks[3].name, "c/fünf");
    assert_eq!(
        named.samples[1],
        Sample {
            track: 0,
            segment: 1
        }
    );
    let limited = open(
        &fixture("good.npz"),
        &Options {
            limit: Some(3),
            ..Options::default()
        },
    );
    assert_eq!(limited.labels(), [0, 0, 1, 2]);
    assert!(limited.sample(2) == named.sample(2));
}

#[test]
fn a_saved_set_comes_back() {
    let dir = folder();
    let out = TempDir::new().unwrap();
    let options = Options {
        segments: Segments::All,
        ..Options::default()
    };
    let set = open(dir.path(), &options);
    for name in ["set.safetensors", "set.npz", "train_x.npy"] {
        let path = out.path().join(name);
        set.save(&path).unwrap();
        let back = open(&path, &Options::default());
        assert!(back.x() == set.x(), "{name}");
        assert_eq!(back.labels(), set.labels(), "{name}");
        assert_eq!(back.samples, set.samples, "{name}");
        assert_eq!(back.genres, set.genres, "{name}");
        assert_eq!(back.anonymous, name.ends_with("npy"), "{name}");
        if !back.anonymous {
            assert_eq!(back.contents(), set.contents(), "{name}");
            assert_eq!(back.definition, Some(Definition::Segment), "{name}");
            let names = |d: &Dataset| d.tracks.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&back), names(&set), "{name}");
        }
    }
    // What a file does not say, no copy of it says either.
    let nameless = open(&out.path().join("train_x.npy"), &Options::default());
    assert_eq!(nameless.definition, None);
    for name in ["copy.safetensors", "copy.npz"] {
        let path = out.path().join(name);
        nameless.save(&path).unwrap();
        let copy = open(&path, &Options::default());
        assert_eq!((copy.anonymous, copy.definition), (true, None), "{name}");
        assert_eq!(copy.genres, set.genres, "{name}");
    }
    // The same set gives the same bytes.
    let again = out.path().join("again.safetensors");
    set.save(&again).unwrap();
    assert_eq!(
        fs::read(again).unwrap(),
        fs::read(out.path().join("set.safetensors")).unwrap()
    );
    assert!(
        set.save(&out.path().join("set.csv"))
            .unwrap_err()
            .to_string()
            .contains(".safetensors, .npz or .npy")
    );
}

/// Where it can't be written is said before there is anything to write, and again when there is.
#[test]
fn a_place_that_will_not_do_is_refused() {
    let out = TempDir::new().unwrap();
    let set = crate::numbers(&[2, 2], 1);
    for (name, said) in [
        ("set.csv", ".safetensors, .npz or .npy"),
        ("matrix.npy", "NAME_x.npy"),
        ("y.npy", "NAME_x.npy"),
        ("no/folder/set.npz", "no/folder does not exist"),
        ("", "ends in .safetensors"),
    ] {
        let path = out.path().join(name);
        let early = Dataset::check_writable(&path).unwrap_err().to_string();
        assert!(early.contains(said), "{name}: {early}");
        assert_eq!(set.save(&path).unwrap_err().to_string(), early, "{name}");
    }
    std::fs::create_dir(out.path().join("folder.npz")).unwrap();
    let error = Dataset::check_writable(&out.path().join("folder.npz")).unwrap_err();
    assert!(error.to_string().contains("is a folder"), "{error}");
    for name in ["x.npy", "a_x.npy", "X.npy", "a.npz"] {
        Dataset::check_writable(&out.path().join(name)).unwrap();
    }
    // One sample of each class, not in the classes' order.
    let path = out.path().join("z.safetensors");
    write_arrays_with_labels(&path, &[1, 0]);
    let error = open(&path, &Options::default())
        .save(&out.path().join("x.npy"))
        .unwrap_err();
    assert!(
        error.to_string().contains("the classes' or the samples'"),
        "{error}"
    );
    assert!(!out.path().join("x.npy").exists());
}

/// Two samples of 2 x 3.
fn write_arrays_with_labels(path: &std::path::Path, y: &[i64; 2]) {
    use safetensors::tensor::{Dtype, TensorView};
    let x: Vec<u8> = (0..12u8)
        .flat_map(|i| f32::from(i * i).to_le_bytes())
        .collect();
    let y: Vec<u8> = y.iter().flat_map(|y| y.to_le_bytes()).collect();
    let x = TensorView::new(Dtype::F32, vec![2, 2, 3], &x).unwrap();
    let y = TensorView::new(Dtype::I64, vec![2], &y).unwrap();
    let bytes = safetensors::serialize([("x", x), ("y", y)], None).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Our features cut to other sizes are no longer what audio gives.
#[test]
fn features_of_other_sizes_have_no_definition() {
    use safetensors::SafeTensors;
    use safetensors::tensor::TensorView;
    let (dir, out) = (folder(), TempDir::new().unwrap());
    let path = out.path().join("set.safetensors");
    open(dir.path(), &Options::default()).save(&path).unwrap();
    assert!(open(&path, &Options::default()).definition.is_some());
    let bytes = fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let x = file.tensor("x").unwrap();
    let [n, rows, frames] = x.shape()[..] else {
        panic!("{:?}", x.shape())
    };
    // The first half of every row.
    let half: Vec<u8> = x
        .data()
        .chunks(4 * frames)
        .flat_map(|row| &row[..4 * (frames / 2)])
        .copied()
        .collect();
    let cut = TensorView::new(x.dtype(), vec![n, rows, frames / 2], &half).unwrap();
    let others = file.tensors().into_iter().filter(|(name, _)| name != "x");
    let all: Vec<_> = others.chain([("x".to_owned(), cut)]).collect();
    let other = out.path().join("half.safetensors");
    fs::write(
        &other,
        safetensors::serialize(all, header.metadata().clone()).unwrap(),
    )
    .unwrap();
    let set = open(&other, &Options::default());
    assert_eq!(set.definition, None);
    assert!(
        set.notes.iter().any(|n| n.contains("187x65")),
        "{:?}",
        set.notes
    );
}

/// Class names from another tool: a safetensors file says them in its metadata, NumPy files in an array of strings.
#[test]
fn labels_name_the_classes() {
    use npyz::WriterBuilder;
    use safetensors::tensor::{Dtype, TensorView};

    let x: Vec<f32> = (0..24).map(|i| (i * i) as f32).collect();
    let write_as = |y: [i64; 4], labels: &str| {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("set.safetensors");
        let x = TensorView::new(Dtype::F32, vec![4, 2, 3], bytemuck::cast_slice(&x)).unwrap();
        let y = TensorView::new(Dtype::I64, vec![4], bytemuck::cast_slice(&y)).unwrap();
        let metadata = [("labels".to_string(), labels.to_string())].into();
        fs::write(
            &path,
            safetensors::serialize([("x", x), ("y", y)], Some(metadata)).unwrap(),
        )
        .unwrap();
        Dataset::open(&path, &Options::default(), crate::QUIET).map_err(|e| e.to_string())
    };
    let write = |labels: &str| write_as([0, 0, 2, 2], labels);
    for (labels, wanted) in [
        (r#"["jazz", "none", "rock"]"#, ["jazz", "none", "rock"]),
        // One for each sample.
        (r#"["jazz", "jazz", "rock", "rock"]"#, ["jazz", "1", "rock"]),
    ] {
        assert_eq!(write(labels).unwrap().genres, wanted);
    }
    for (labels, part) in [
        (r#"["jazz", "rock"]"#, "label 2, but labels go from 0 to 1"),
        (r#"["jazz", "jazz", "rock"]"#, "two classes have the name"),
        (r#"["jazz", "rock", "rock", "rock"]"#, "sample 1 of class 0"),
        ("jazz, rock", "a JSON list"),
    ] {
        let error = write(labels).unwrap_err();
        assert!(
            error.contains("set.safetensors") && error.contains(part),
            "{error}"
        );
    }

    // As many samples as classes: by class and by sample are the same only in order.
    let four = r#"["blues", "jazz", "pop", "rock"]"#;
    let ordered = write_as([0, 1, 2, 3], four).unwrap();
    assert_eq!(ordered.genres, ["blues", "jazz", "pop", "rock"]);
    let error = write_as([2, 0, 1, 3], four).unwrap_err();
    assert!(
        error.contains("the classes' or the samples'") && error.contains("sort the samples by y"),
        "{error}"
    );
    assert_eq!(write_as([0, 1, 1, 3], four).unwrap().genres, ordered.genres);

    let dir = TempDir::new().unwrap();
    for name in ["x.npy", "y.npy"] {
        fs::copy(fixture(name), dir.path().join(name)).unwrap();
    }
    let mut file = fs::File::create(dir.path().join("labels.npy")).unwrap();
    let mut npy = npyz::WriteOptions::<String>::new()
        .dtype(npyz::DType::parse("'<U9'").unwrap())
        .shape(&[3])
        .writer(&mut file)
        .begin_nd()
        .unwrap();
    npy.extend(["blues", "hip-hop", "fünf"].map(String::from))
        .unwrap();
    npy.finish().unwrap();
    let set = open(&dir.path().join("x.npy"), &Options::default());
    assert_eq!(set.genres, ["blues", "hip-hop", "fünf"]);
    assert!(
        set.notes[0].contains("neither track nor names"),
        "{:?}",
        set.notes
    );
}
