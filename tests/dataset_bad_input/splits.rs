//! Impossible splits.

use super::*;

#[test]
fn impossible_splits_say_what_is_missing() {
    let dir = folder(&["jazz/a.au", "jazz/b.au", "jazz/c.au", "rock/d.au"]);
    let set = open(dir.path()).unwrap();
    let lists = TempDir::new().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = lists.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let stratified = |fraction| SplitRule::Stratified { fraction, seed: 0 };
    let folds = |k, i| SplitRule::Folds { k, i, seed: 0 };
    let file = |name: &str, text: &str| SplitRule::File(write(name, text));
    for (rule, parts) in [
        (
            stratified(0.2),
            &["genre rock has 1 usable track", "at least two"][..],
        ),
        (
            stratified(0.0),
            &["validation fraction is 0", "between 0 and 1"],
        ),
        (stratified(f64::NAN), &["validation fraction is NaN"]),
        (
            folds(3, 0),
            &[
                "genre rock has 1 usable track",
                "at least 3, one for each fold",
            ],
        ),
        (folds(1, 0), &["at least 2 folds"]),
        (folds(3, 3), &["fold 3 of 3", "count from 0"]),
        (
            SplitRule::FaultFiltered,
            &[
                "none of the 930 tracks of the fault-filtered split",
                "blues/blues.00029.wav",
            ],
        ),
        (
            SplitRule::File(lists.path().join("gone")),
            &["gone", "can't be read as a split"],
        ),
        (
            file("a", "train jazz/a\nvalidation jazz/b\n"),
            &["leaves no training track of rock"],
        ),
        (
            file("b", "train a\ntrain d\n"),
            &["leaves no validation track"],
        ),
        (
            file("c", "train a\ntrain d\nvalidation a.wav\n"),
            &["jazz/a is on two sides", "c:1", "c:3"],
        ),
        (
            file("d", "train a\nteach d\n"),
            &["line 2 is \"teach d\"", "train, validation or test"],
        ),
        (file("e", "train x\ntrain y"), &["none of the 2 tracks"]),
        (
            file("f", "train a\nvalid b\ntrain z\n"),
            &[
                "no training track of rock",
                "1 of the tracks it names are not",
            ],
        ),
        (
            SplitRule::Lists(lists.path().join("nodir")),
            &["nodir", "can't be listed"],
        ),
        (
            SplitRule::Lists(lists.path().to_path_buf()),
            &["no train*.txt"],
        ),
    ] {
        let message = split(&set, &rule).unwrap_err().to_string();
        for part in parts {
            assert!(
                message.contains(part),
                "\"{message}\" does not say \"{part}\""
            );
        }
    }
    write("train_1.txt", "a");
    write("train_2.txt", "a");
    let error = split(&set, &SplitRule::Lists(lists.path().to_path_buf())).unwrap_err();
    assert!(
        error.to_string().contains("both match train*.txt"),
        "{error}"
    );

    // A bare name that two genres have.
    let dir = folder(&["jazz/a.au", "rock/a.au", "rock/b.au"]);
    let set = open(dir.path()).unwrap();
    let error = split(&set, &file("g", "train a\n")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a track of several genres: write genre/a"),
        "{error}"
    );
}

#[test]
fn a_label_from_elsewhere_can_not_begin_a_line_of_its_own() {
    let genres = vec!["a\n\x1b[2Jerror: all is lost".to_owned(), "b".to_owned()];
    let track = |genre: usize| Track {
        name: genre.to_string(),
        genre,
        path: None,
    };
    let samples = (0..2).map(|track| Sample { track, segment: 0 }).collect();
    let tracks = vec![track(0), track(1)];
    let set = Dataset::from_parts(genres, tracks, samples, (1, 1), vec![0.0, 1.0]).unwrap();
    let rule = SplitRule::Stratified {
        fraction: 0.2,
        seed: 0,
    };
    let error = split(&set, &rule).unwrap_err().to_string();
    assert!(error.contains("all is lost has 1 usable track"), "{error}");
    assert!(!error.contains(['\n', '\x1b']), "{error:?}");
}
