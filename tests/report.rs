//! The classification report against scikit-learn's own output, and the HTML report with its plots on awkward runs.
//!
//! `GTZAN_GPU_REPORT_DIR=folder cargo test --release --test report` leaves the rendered reports in `folder`, to look at.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gtzan_gpu::report::{
    Arena, ConfusionMatrix, EpochRow, History, KernelRow, KernelTimes, MemoryTimeline,
    PlannedBuffer, RunReport, Setting, plot,
};
use serde::Deserialize;

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
        let matrix = ConfusionMatrix {
            genres: case.genres,
            counts: case.confusion,
        };
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
        let matrix = ConfusionMatrix {
            genres: case.genres,
            counts: case.confusion,
        };
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

// Fixtures of the HTML report.

const GTZAN: [&str; 10] = [
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
];

fn genres(n: usize) -> Vec<String> {
    (0..n)
        .map(|i| {
            GTZAN
                .get(i)
                .map_or(format!("genre number {i}"), |g| g.to_string())
        })
        .collect()
}

fn fixture_matrix(n: usize) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::new(genres(n));
    for (t, row) in matrix.counts.iter_mut().enumerate() {
        for (p, count) in row.iter_mut().enumerate() {
            let near = (t * 7 + p * 13) % 11;
            *count = if t == p {
                12 + (t as u64 * 5) % 9
            } else {
                (near == 3) as u64 * (1 + (p as u64 % 4))
            };
        }
    }
    matrix
}

fn fixture_history(epochs: u32) -> History {
    let rows = (1..=epochs)
        .map(|epoch| {
            let e = f64::from(epoch);
            let wobble = ((epoch * 37) % 11) as f64 / 11.0 - 0.5;
            EpochRow {
                epoch,
                loss: 0.35 + 2.2 * (-e / 7.0).exp() + 0.03 * wobble,
                accuracy: 1.0 - 0.85 * (-e / 6.0).exp(),
                val_loss: Some(0.9 + 1.7 * (-e / 5.0).exp() + 0.2 * wobble + 0.006 * e),
                val_accuracy: Some(0.8 - 0.65 * (-e / 5.0).exp() + 0.06 * wobble),
                lr: 1e-3 * 0.2f64.powi((epoch > 17) as i32 + (epoch > 26) as i32),
                seconds: 7.9 + wobble,
                ms_per_step: 71.3 + wobble,
                vram_bytes: 201_326_592,
            }
        })
        .collect();
    History { rows }
}

/// A timeline as of a small network: activations live until their backward, gradients follow one another.
fn fixture_memory(layers: usize) -> MemoryTimeline {
    let steps = 2 * layers + 3;
    let mib = 1u64 << 20;
    let mut buffers = Vec::new();
    let mut tops = [0u64; 3];
    for layer in 0..layers {
        let bytes = (48 >> (layer / 3)).max(1) as u64 * mib + 4096 * layer as u64;
        let arena = layer % 2;
        let name = format!("layer{layer}.y");
        buffers.push(PlannedBuffer {
            name,
            arena,
            offset: tops[arena],
            bytes,
            first: layer,
            last: steps - 2 - layer,
        });
        tops[arena] += bytes;
        let (name, first) = (format!("d(layer{layer}.y)"), steps - 3 - layer);
        buffers.push(PlannedBuffer {
            name,
            arena: 2,
            offset: (layer % 2) as u64 * 49 * mib,
            bytes,
            first,
            last: first + 1,
        });
        tops[2] = tops[2].max((layer % 2) as u64 * 49 * mib + bytes);
    }
    let live: Vec<u64> = (0..steps)
        .map(|s| {
            buffers
                .iter()
                .filter(|b| (b.first..=b.last).contains(&s))
                .map(|b| b.bytes)
                .sum()
        })
        .collect();
    let lower_bound = live.iter().copied().max().unwrap_or(0);
    let arena = |(name, bytes): (&str, u64)| Arena {
        name: name.into(),
        bytes,
    };
    let dispatches = (0..steps)
        .map(|s| format!("dispatch_{s}.forward"))
        .collect();
    let arenas = vec![
        arena(("activations a", tops[0])),
        arena(("activations b", tops[1])),
        arena(("gradients", tops[2])),
    ];
    MemoryTimeline {
        arenas,
        buffers,
        live,
        lower_bound,
        dispatches,
    }
}

fn fixture_kernels(n: usize, timing: &str) -> KernelTimes {
    let rows: Vec<KernelRow> = (0..n)
        .map(|i| KernelRow {
            op: ["conv2d", "max_pool2d", "batch_norm", "adam"][i % 4].into(),
            kernel: format!("backward_weight_{i}_tiled"),
            ms: 24.0 * 0.7f64.powi(i as i32),
            share: 0.3 * 0.7f64.powi(i as i32),
        })
        .collect();
    KernelTimes {
        timing: timing.into(),
        step_ms: 71.3,
        rows,
    }
}

fn fixture(name: &str) -> RunReport {
    let setting = |name: &str, value: &str| Setting {
        name: name.into(),
        value: value.into(),
    };
    RunReport {
        run: name.into(),
        model: "seed".into(),
        parameters: 439_306,
        data: "genres: 1000 tracks, 10 genres, 7990 training and 2000 validation segments".into(),
        synthetic: false,
        device: "llvmpipe (LLVM 15.0.6, 256 bits), Vulkan, Mesa 22.3.6".into(),
        version: "0.1.0".into(),
        ending: Some("early stopping after epoch 31, weights of epoch 22 restored".into()),
        history: fixture_history(31),
        evaluation: Some(fixture_matrix(10)),
        memory: Some(fixture_memory(12)),
        kernels: Some(fixture_kernels(22, "timestamps")),
        peak_vram: Some(201_326_592),
        settings: vec![
            setting(
                "optimizer",
                "Adam, lr 0.001, beta1 0.9, beta2 0.999, eps 1e-7",
            ),
            setting("batch_size", "8"),
            setting("weight_decay", "L2 1e-3 on kernels"),
            setting("early_stopping", "val_accuracy, patience 15"),
            setting("reduce_lr", "val_loss, factor 0.2, patience 5"),
            setting("seed", "42"),
        ],
    }
}

fn fixtures() -> Vec<RunReport> {
    let mut hostile = fixture("hostile <b>run</b> & co");
    let mut evil = vec![
        "<script>alert(1)</script>".to_string(),
        "a \"quoted\" & 'single' genre {{ run }}".into(),
        "new\nline \u{1b}[31m".into(),
        "progressive-symphonic-post-black-metal-with-a-very-long-name-without-any-space".into(),
        "日本のフォークと演歌の長い名前".into(),
    ];
    evil.extend(genres(6).into_iter().skip(1));
    hostile.evaluation.as_mut().unwrap().genres = evil;
    hostile.evaluation.as_mut().unwrap().counts[3] = vec![0; 10];
    hostile.settings.push(Setting {
        name: "<i>x</i>".into(),
        value: "</table><script>".into(),
    });
    hostile.device = "</dl><script>alert(2)</script>".into();

    let mut one_epoch = fixture("one epoch");
    one_epoch.history = fixture_history(1);
    one_epoch.ending = None;
    one_epoch.evaluation = Some(fixture_matrix(2));
    one_epoch.synthetic = true;
    one_epoch.kernels = Some(fixture_kernels(3, "wall"));

    let mut diverged = fixture("diverged");
    for row in &mut diverged.history.rows[8..] {
        (row.loss, row.val_loss, row.lr) =
            (f64::NAN, Some(f64::INFINITY), 1e-3 / f64::from(row.epoch));
    }
    diverged.history.rows[3].loss = 250.0;
    diverged.kernels.as_mut().unwrap().rows[0].ms = f64::NAN;

    let mut no_numbers = fixture("no finite number");
    for row in &mut no_numbers.history.rows {
        (row.loss, row.accuracy, row.val_loss, row.val_accuracy) = (f64::NAN, f64::NAN, None, None);
    }
    no_numbers.memory = Some(MemoryTimeline::default());
    no_numbers.kernels = Some(KernelTimes::default());

    let mut many = fixture("fifty genres");
    many.evaluation = Some(fixture_matrix(50));
    many.memory = Some(fixture_memory(80));

    let mut bare = RunReport {
        run: "bare".into(),
        ..RunReport::default()
    };
    bare.evaluation = Some(ConfusionMatrix::new(genres(3)));

    vec![
        fixture("full"),
        hostile,
        one_epoch,
        diverged,
        no_numbers,
        many,
        bare,
    ]
}

/// The structure of XML or HTML as written by this crate: tags are closed in order, attributes quoted.
fn check_markup(text: &str, what: &str) {
    const VOID: [&str; 3] = ["meta", "!doctype", "?xml"];
    let mut open = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let before = &rest[..start];
        assert!(
            !before.contains('>') || open.last() == Some(&"style"),
            "{what}: a stray > in {before:?}"
        );
        let end = start
            + rest[start..]
                .find('>')
                .unwrap_or_else(|| panic!("{what}: an open tag"));
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{what}: <{tag}>");
        assert!(
            !tag.contains("NaN") && !tag.contains("inf\""),
            "{what}: <{tag}>"
        );
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/'])
            .next()
            .unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{what}: </{name}>");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{what}: {open:?} never closed");
}

#[test]
fn every_report_is_whole_escaped_and_needs_no_network() {
    let temporary = tempfile::tempdir().unwrap();
    let root =
        std::env::var_os("GTZAN_GPU_REPORT_DIR").map_or(temporary.path().to_path_buf(), Into::into);
    for report in fixtures() {
        let run = root.join(report.run.replace(|c: char| !c.is_alphanumeric(), "_"));
        let path = report.write(&run).unwrap();
        let html = fs::read_to_string(path).unwrap();
        check_markup(&html, &report.run);
        assert!(
            !html.contains("<script") && !html.contains("<b>") && !html.contains("<i>"),
            "{}",
            report.run
        );
        for outside in ["src=", "href=", "@import", "url("] {
            assert!(!html.contains(outside), "{}: {outside}", report.run);
        }
        assert_eq!(html.contains("Synthetic data."), report.synthetic);
        assert_eq!(
            html.matches("<svg").count(),
            report.plots().len() + usize::from(html.contains("<h2>Memory</h2>"))
        );
        for (name, _) in report.plots() {
            let svg = fs::read_to_string(run.join("plots").join(name)).unwrap();
            check_markup(&svg, &format!("{}: {name}", report.run));
        }
    }
}

#[test]
fn the_report_shows_the_run_s_numbers() {
    let report = fixture("full");
    let html = gtzan_gpu::report::html::render(&report).unwrap();
    let best = report.history.best().unwrap();
    let scores = report.evaluation.as_ref().unwrap().report();
    for text in [
        format!("{:.1} %", 100.0 * best.val_accuracy.unwrap()),
        format!("{:.2}", scores.macro_f1),
        "439\u{202f}306 parameters".into(),
        "192.0 MiB".into(),
        "lr 2e-4".into(),
        "early stopping after epoch 31".into(),
    ] {
        assert!(html.contains(&text), "{text}");
    }
    for genre in GTZAN {
        assert!(html.contains(&format!("<bdi>{genre}</bdi>")), "{genre}");
    }
}

#[test]
fn curves_have_a_point_per_finite_value_and_a_cross_per_other() {
    let mut history = fixture_history(10);
    history.rows[4].loss = f64::NAN;
    let svg = plot::loss(&history).standalone();
    assert_eq!(svg.matches("class=\"dot s1\"").count(), 9);
    assert_eq!(svg.matches("class=\"dot s2\"").count(), 10);
    assert_eq!(svg.matches("class=\"bad\"").count(), 2);
    // The line is interrupted at the gap: it starts twice.
    let path = svg
        .lines()
        .find(|l| l.contains("<path class=\"line s1\""))
        .unwrap();
    assert_eq!(path.matches('M').count(), 2);
}
