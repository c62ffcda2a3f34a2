//! The classification report and the HTML report with its plots.
//!
//! `GTZAN_GPU_REPORT_DIR=folder cargo test --release --test report` leaves the rendered reports in `folder`, to look at.

mod classification;
mod fixtures;

use std::fs;

use fixtures::{
    GTZAN, fixture, fixture_augmented, fixture_compiled, fixture_folds, fixture_history,
    fixture_matrix, fixtures,
};
use gtzan_gpu::report::{RunReport, plot};

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
    let more = [fixture_folds(), fixture_augmented(), fixture_compiled()];
    for report in fixtures().into_iter().chain(more) {
        let run = root.join(report.run.replace(|c: char| !c.is_alphanumeric(), "_"));
        let path = report.write(&run).unwrap();
        let html = fs::read_to_string(path).unwrap();
        check_markup(&html, &report.run);
        assert!(
            !html.contains("<script") && !html.contains("<b>") && !html.contains("<i>"),
            "{}",
            report.run
        );
        // Pictures are part of the page; links lead to the folds' own reports below it.
        let html = html
            .replace("src=\"data:image/bmp;base64,", "picture=\"")
            .replace("href=\"fold-", "fold=\"");
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

/// 0.70, 0.73, 0.76: mean 0.73, deviation 0.03 with n - 1. The interval of 150 right of 200 is near the binomial one,
/// 0.75 ± 0.06.
#[test]
fn folds_stand_with_their_mean_and_deviation() {
    let report = fixture_folds();
    let html = gtzan_gpu::report::html::render(&report).unwrap();
    let [low, high] = report.last.as_ref().unwrap().intervals().unwrap().accuracy;
    assert!((low - 0.69).abs() < 0.01 && (high - 0.81).abs() < 0.01);
    let interval = format!("95 % interval {:.1} to {:.1} %", 100.0 * low, 100.0 * high);
    for text in [
        "<a href=\"fold-2/report.html\">fold 2</a></th><td>160</td><td>30</td><td>16</td><td>0.760</td><td>0.750</td>",
        "mean</th><td></td><td></td><td></td><td>0.730</td><td>0.720</td><td>0.710</td><td>0.700</td>",
        "std. deviation</th><td></td><td></td><td></td><td>0.030</td><td>0.030</td>",
        "<span>Accuracy, last epoch</span><strong>75.0 %</strong>",
        &interval,
        "all folds, 75 epochs",
    ] {
        assert!(html.contains(text), "{text}");
    }
    let html = gtzan_gpu::report::html::render(&fixture("no folds")).unwrap();
    assert!(!html.contains("<h2>Folds") && !html.contains("<h2>Augmentation"));
}

#[test]
fn the_test_side_stands_by_itself() {
    let html = |report: &RunReport| gtzan_gpu::report::html::render(report).unwrap();
    let mut report = fixture("with a test side");
    assert!(!html(&report).contains("<h2>Test</h2>"));
    let test = fixture_matrix(4);
    report.test = Some(test.clone());
    let text = html(&report);
    check_markup(&text, "with a test side");
    let (_, section) = text.split_once("<h2>Test</h2>").expect("a section");
    let scores = test.report();
    assert!(section.contains(&format!("{:.2}", scores.macro_f1)));
    assert!(text.contains("Accuracy, test side"));
    assert!(text.contains(&format!("{} tracks, scored once", test.total())));
    // The validation's own stays.
    assert!(text.contains("<h2>Validation</h2>"));
}

/// The saved weights may be the last ones: then there is nothing to say beside them.
#[test]
fn the_last_epoch_stands_beside_others_only() {
    let html = |last| {
        let report = RunReport {
            last,
            ..fixture("run")
        };
        gtzan_gpu::report::html::render(&report).unwrap()
    };
    assert!(!html(fixture("run").evaluation).contains("last epoch</span>"));
    assert!(html(fixture_folds().last).contains("last epoch</span>"));
}

#[test]
fn compiled_kernels_stand_in_a_table() {
    let html = gtzan_gpu::report::html::render(&fixture_compiled()).unwrap();
    assert!(html.contains("GPU &lt;3&gt;") && html.contains("driver &amp; version"));
    for figure in ["<td>123</td>", "512 of 603", "<td>–</td>"] {
        assert!(html.contains(figure), "{figure}");
    }
    let html = gtzan_gpu::report::html::render(&fixture("plain")).unwrap();
    assert!(!html.contains("Compiled kernels"));
}

#[test]
fn augmented_samples_stand_above_and_below() {
    let html = gtzan_gpu::report::html::render(&fixture_augmented()).unwrap();
    assert_eq!(html.matches("<img ").count(), 4);
    assert!(html.contains("with 25.0 %"), "the share mixed in");
}

/// Of three folds of 4, 6 and 6 epochs the mean has 4; a fold whose epochs are unknown takes nothing from it.
#[test]
fn folds_have_a_curve_each_and_a_mean_over_their_common_epochs() {
    let mut histories = [4, 6, 6].map(fixture_history).to_vec();
    for (i, history) in histories.iter_mut().enumerate() {
        for row in &mut history.rows {
            row.val_accuracy = Some(0.2 + 0.1 * i as f64);
        }
    }
    for unknown in [0, 2] {
        histories.extend(vec![fixture_history(0); unknown]);
        let svg = plot::fold_accuracy(&histories).standalone();
        assert_eq!(svg.matches("class=\"dot fold s1\"").count(), 16);
        assert_eq!(svg.matches("class=\"dot s2\"").count(), 4);
        assert_eq!(svg.matches("mean: 30.0 %").count(), 4);
        assert!(svg.contains("epoch 6, fold 1: 30.0 %") && svg.contains("epoch 4, fold 0: 20.0 %"));
    }
}

/// A schedule of the step is the same in every fold; plateaus come when they come.
#[test]
fn folds_show_the_schedule_that_they_share() {
    let shows = |report: &RunReport| report.plots().iter().any(|p| p.0 == "learning_rate.svg");
    let mut report = fixture_folds();
    for history in &mut report.fold_histories {
        for row in &mut history.rows {
            row.lr = 1e-3 / f64::from(row.epoch);
        }
    }
    assert!(shows(&report));
    report.fold_histories[1].rows[7].lr = 1e-5;
    assert!(!shows(&report));
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
