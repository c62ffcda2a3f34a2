//! The classification report against scikit-learn's own output, and the confusion matrix as text.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gtzan_gpu::report::ConfusionMatrix;
use serde::Deserialize;

use crate::fixtures::fixture_matrix;

#[derive(Deserialize)]
struct SklearnCase {
    name: String,
    genres: Vec<String>,
    confusion: Vec<Vec<u64>>,
    text: String,
    values: BTreeMap<String, serde_json::Value>,
}

fn sklearn_cases() -> Vec<SklearnCase> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/report/classification.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn scores_equal_scikit_learn() {
    for case in sklearn_cases() {
        let matrix = ConfusionMatrix::from_counts(case.genres, case.confusion).unwrap();
        let report = matrix.report();
        // The sums are added in another order, so the last bits may differ.
        let check = |row: &str, key: &str, got: f64| {
            let want = case.values[row][key].as_f64().unwrap();
            assert!(
                (got - want).abs() < 1e-14,
                "{}: {row} {key}: {got} != {want}",
                case.name
            );
        };
        for c in &report.classes {
            check(&c.genre, "precision", c.precision);
            check(&c.genre, "recall", c.recall);
            check(&c.genre, "f1-score", c.f1);
            check(&c.genre, "support", c.support as f64);
        }
        check("macro avg", "precision", report.macro_precision);
        check("macro avg", "recall", report.macro_recall);
        check("macro avg", "f1-score", report.macro_f1);
        check("weighted avg", "precision", report.weighted_precision);
        check("weighted avg", "recall", report.weighted_recall);
        check("weighted avg", "f1-score", report.weighted_f1);
        let accuracy = case.values["accuracy"].as_f64().unwrap();
        assert!((report.accuracy - accuracy).abs() < 1e-14, "{}", case.name);
    }
}

#[test]
fn the_text_equals_scikit_learn_to_the_character() {
    for case in sklearn_cases() {
        let matrix = ConfusionMatrix::from_counts(case.genres, case.confusion).unwrap();
        // Where not one sample is right, scikit-learn 1.9 prints the supports as 1.0 instead of 1.
        let want = if case.name == "nothing right" {
            case.text
                .replace("  1.0\n", "    1\n")
                .replace("  2.0\n", "    2\n")
        } else {
            case.text
        };
        assert_eq!(matrix.report().to_text(), want, "{}", case.name);
    }
}

#[test]
fn json_has_the_documented_keys() {
    let genres = vec!["a".to_string(), "b".to_string()];
    let matrix = ConfusionMatrix::from_labels(genres, &[0, 0, 1], &[0, 1, 1]).unwrap();
    let json = serde_json::to_value(matrix.report()).unwrap();
    for key in ["accuracy", "macro_f1", "weighted_f1"] {
        assert!(json[key].is_f64(), "{key}");
    }
    let class = serde_json::json!({"genre": "b", "precision": 0.5, "recall": 1.0, "f1": 2.0 / 3.0, "support": 1});
    assert_eq!(json["classes"][1], class);
    assert_eq!(json["confusion"], serde_json::json!([[1, 1], [0, 1]]));
}

#[test]
fn labels_that_do_not_fit_are_described() {
    let genres = || vec!["a".to_string(), "b".to_string()];
    let error = ConfusionMatrix::from_labels(genres(), &[0, 1], &[0])
        .unwrap_err()
        .to_string();
    assert!(error.contains("2 true labels but 1 predictions"), "{error}");
    let error = ConfusionMatrix::from_labels(genres(), &[0], &[2])
        .unwrap_err()
        .to_string();
    assert!(error.contains("label 2 is outside the 2 genres"), "{error}");
}

#[test]
fn counts_that_are_not_square_are_refused_also_from_json() {
    let genres = vec!["a".to_string(), "b".to_string()];
    let error = ConfusionMatrix::from_counts(genres, vec![vec![1, 2], vec![3]]).unwrap_err();
    assert!(error.to_string().contains("rows of [2, 1]"), "{error}");
    let json = r#"{"genres": ["a"], "counts": [[1, 2]]}"#;
    let error = serde_json::from_str::<ConfusionMatrix>(json).unwrap_err();
    assert!(error.to_string().contains("rows of [2]"), "{error}");
}

#[test]
fn an_empty_evaluation_is_all_zeros() {
    let report = ConfusionMatrix::new(vec!["a".into(), "b".into()]).report();
    assert_eq!(
        (report.accuracy, report.macro_f1, report.weighted_f1),
        (0.0, 0.0, 0.0)
    );
    assert!(
        ConfusionMatrix::new(vec![])
            .report()
            .to_text()
            .contains("accuracy")
    );
}

#[test]
fn the_confusion_matrix_is_aligned_text() {
    let genres = vec!["blues".to_string(), "rock".to_string()];
    let matrix = ConfusionMatrix::from_labels(genres, &[0, 0, 0, 1], &[0, 0, 1, 1]).unwrap();
    let want = "       predicted\ntrue   blues  rock\nblues      2     1\nrock       .     1\n";
    assert_eq!(matrix.to_text(100), want);
}

#[test]
fn the_confusion_matrix_fits_the_terminal() {
    for (n, columns, numbered) in [
        (2, 80, false),
        (10, 100, false),
        (10, 40, true),
        (30, 120, true),
        (50, 80, true),
    ] {
        let text = fixture_matrix(n).to_text(columns);
        let widths: Vec<usize> = text.lines().skip(1).map(|l| l.chars().count()).collect();
        assert_eq!(widths.len(), n + 1);
        assert!(
            widths.iter().all(|&w| w == widths[0]),
            "{n} genres are not aligned:\n{text}"
        );
        assert_eq!(
            text.contains(" 1 blues"),
            numbered,
            "{n} genres in {columns} columns:\n{text}"
        );
        if n <= 30 {
            assert!(
                widths[0] <= columns.max(50),
                "{n} genres in {columns} columns:\n{text}"
            );
        }
    }
}
