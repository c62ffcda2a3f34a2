//! Cross-validation: a run per fold, and what they say together.

use super::super::console;
use super::files::create_run;
use super::{Context, Folder, single};
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use crate::report::{ClassificationReport, ConfusionMatrix, FoldRow, RunReport, Spread};
use crate::train::{Ranks, Settings, Validation};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a fold's `metrics.json` says of its scores.
#[derive(Deserialize)]
struct Saved {
    #[serde(flatten)]
    kept: ClassificationReport,
    last: ClassificationReport,
}

/// `metrics.json` of the whole: what `evaluate --json` prints of all folds' kept weights together, and each fold.
#[derive(Serialize)]
struct Metrics<'a> {
    #[serde(flatten)]
    report: ClassificationReport,
    seed: u64,
    settings: &'a Settings,
    accuracy_over_folds: Spread,
    macro_f1_over_folds: Spread,
    last_accuracy_over_folds: Spread,
    last_macro_f1_over_folds: Spread,
    folds: &'a [FoldRow],
}

/// Train every fold that is not done yet, each in a folder of its own below the run's; then report on all.
///
/// # Errors
/// What went wrong in a fold; whatever was saved stays, and the run goes on with `--resume`.
pub fn run(context: &Context, settings: &Settings, mut folder: Folder, k: usize) -> Result<()> {
    let (ranks, run) = (context.ranks, folder.path().to_owned());
    let mut folds = Vec::new();
    for i in 0..k {
        let path = run.join(format!("fold-{i}"));
        console::line(&format!("fold {i} of {k}"));
        if is_file(ranks, &path.join("metrics.json"))? {
            console::line("done already");
            ranks.on_first(|| {
                folds.push(read(&path)?);
                Ok(())
            })?;
            continue;
        }
        let resumed = is_file(ranks, &path.join("config.toml"))?;
        let held = match resumed {
            true => Folder::hold(ranks, &path)?,
            false => Folder::claim(ranks, Some(&path), "")?,
        };
        let settings = Settings {
            fold: Some(i),
            ..settings.clone()
        };
        let begin = || {
            if !run.join("config.toml").is_file() {
                create_run(
                    &run,
                    &Settings {
                        fold: None,
                        ..settings.clone()
                    },
                )?;
            }
            folder.begin();
            Ok(())
        };
        let scores = single(context, &settings, held, resumed, &run, begin)?;
        folds.extend(scores.and_then(|s| s.validation));
    }
    ranks.wait_for_first(match ranks.is_first() {
        true => report(settings, &run, &folds),
        false => Ok(()),
    })
}

/// Whether the first rank finds this file.
fn is_file(ranks: &Ranks, path: &Path) -> Result<bool> {
    let found = ranks.of_first(|| Ok(vec![u8::from(path.is_file())]))?;
    Ok(found[..] == [1])
}

fn read(path: &Path) -> Result<Validation> {
    let path = path.join("metrics.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
    let saved: Saved = serde_json::from_str(&text).map_err(|e| {
        Error::file(
            &path,
            format!("not the scores of a fold ({e}); remove it and the fold is scored again"),
        )
    })?;
    let matrix = |report: ClassificationReport| {
        let genres = report.classes.into_iter().map(|c| c.genre).collect();
        ConfusionMatrix::from_counts(genres, report.confusion)
            .map_err(|e| e.context(path.display()))
    };
    Ok(Validation {
        kept: matrix(saved.kept)?,
        last: matrix(saved.last)?,
    })
}

fn report(settings: &Settings, run: &Path, folds: &[Validation]) -> Result<()> {
    let Some(first) = folds.first() else {
        return Err(Error::usage("there are no folds"));
    };
    let mut all = ConfusionMatrix::new(first.kept.genres().to_vec());
    for fold in folds {
        all.merge(&fold.kept)?;
    }
    let rows: Vec<FoldRow> = (folds.iter().enumerate())
        .map(|(fold, f)| {
            let (kept, last) = (f.kept.report(), f.last.report());
            FoldRow {
                fold,
                tracks: f.kept.total(),
                accuracy: kept.accuracy,
                macro_f1: kept.macro_f1,
                last_accuracy: last.accuracy,
                last_macro_f1: last.macro_f1,
            }
        })
        .collect();
    let spread = |of: fn(&FoldRow) -> f64| Spread::of(&rows.iter().map(of).collect::<Vec<_>>());
    let (accuracy, macro_f1) = (spread(|r| r.accuracy), spread(|r| r.macro_f1));
    let (last, last_f1) = (spread(|r| r.last_accuracy), spread(|r| r.last_macro_f1));
    console::line("all folds together:");
    super::print_matrix(&all);
    console::line(&format!(
        "{:>6}{:>8}{:>16}{:>10}{:>16}{:>10}",
        "fold", "tracks", "kept: accuracy", "macro-F1", "last: accuracy", "macro-F1"
    ));
    for r in &rows {
        console::line(&format!(
            "{:>6}{:>8}{:>16.3}{:>10.3}{:>16.3}{:>10.3}",
            r.fold, r.tracks, r.accuracy, r.macro_f1, r.last_accuracy, r.last_macro_f1
        ));
    }
    for (name, [a, b, c, d]) in [
        ("mean", [accuracy, macro_f1, last, last_f1].map(|s| s.mean)),
        (
            "std",
            [accuracy, macro_f1, last, last_f1].map(|s| s.deviation),
        ),
    ] {
        console::line(&format!("{name:>6}{a:>24.3}{b:>10.3}{c:>16.3}{d:>10.3}"));
    }
    let metrics = Metrics {
        report: all.report(),
        seed: settings.seed,
        settings,
        accuracy_over_folds: accuracy,
        macro_f1_over_folds: macro_f1,
        last_accuracy_over_folds: last,
        last_macro_f1_over_folds: last_f1,
        folds: &rows,
    };
    let path = run.join("metrics.json");
    let json = serde_json::to_string_pretty(&metrics).map_err(|e| Error::file(&path, e))?;
    atomic_write(&path, json.as_bytes())?;
    let name = run.file_name().map(|n| n.to_string_lossy().into_owned());
    let data = settings.data.as_ref().map_or_else(
        || "the built-in SYNTHETIC set".to_owned(),
        |d| d.display().to_string(),
    );
    let report = RunReport {
        run: name.unwrap_or_else(|| run.display().to_string()),
        model: settings.model.clone(),
        data: format!("{data}: {} tracks in {} folds", all.total(), rows.len()),
        synthetic: settings.data.is_none(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        evaluation: Some(all),
        folds: rows,
        settings: super::show::list(settings),
        ..RunReport::default()
    };
    let html = report.write(run)?;
    console::line(&format!(
        "saved in {}: a run per fold, metrics.json and {}",
        run.display(),
        html.display()
    ));
    Ok(())
}
