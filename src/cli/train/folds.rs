//! Cross-validation: a run per fold, and what they say together.

use super::super::console;
use super::files::create_run;
use super::{Context, Folder, single};
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use crate::report::{
    ClassificationReport, ConfusionMatrix, FoldRow, History, RunReport, Scored, Spread,
};
use crate::train::{Keep, Ranks, Settings, Validation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// What a fold's `metrics.json` says of it.
#[derive(Deserialize)]
struct Saved {
    #[serde(flatten)]
    kept: ClassificationReport,
    last: ClassificationReport,
    adapter: String,
    driver: String,
}

/// A fold that is done.
struct Done {
    scores: Validation,
    /// What it was trained on, and by which driver.
    device: String,
    history: History,
}

/// `metrics.json` of the whole: what `evaluate --json` prints of all folds' kept weights together, and each fold.
#[derive(Serialize)]
struct Metrics<'a> {
    #[serde(flatten)]
    kept: Scored,
    /// Of all folds' last weights together.
    last: Scored,
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
    for i in 0..k {
        let path = run.join(format!("fold-{i}"));
        console::line(&format!("fold {i} of {k}"));
        if is_file(ranks, &path.join("metrics.json"))? {
            console::line("done already");
            // So that what can't be read is said before the other folds are trained.
            ranks.on_first(|| read(&path).map(drop))?;
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
        single(context, &settings, held, resumed, &run, begin)?;
    }
    ranks.wait_for_first(match ranks.is_first() {
        true => report(settings, &run, k),
        false => Ok(()),
    })
}

/// Whether the first rank finds this file.
fn is_file(ranks: &Ranks, path: &Path) -> Result<bool> {
    let found = ranks.of_first(|| Ok(vec![u8::from(path.is_file())]))?;
    Ok(found[..] == [1])
}

fn read(fold: &Path) -> Result<Done> {
    let path = fold.join("metrics.json");
    let again = |e: Error| {
        e.advise(format!(
            "remove {} and the fold's files are written again",
            path.display()
        ))
    };
    let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
    let saved: Saved = serde_json::from_str(&text)
        .map_err(|e| Error::file(&path, format!("not the scores of a fold ({e})")))
        .map_err(again)?;
    let matrix = |report: ClassificationReport| {
        let genres = report.classes.into_iter().map(|c| c.genre).collect();
        ConfusionMatrix::from_counts(genres, report.confusion)
            .map_err(|e| again(e.context(path.display())))
    };
    Ok(Done {
        scores: Validation {
            kept: matrix(saved.kept)?,
            last: matrix(saved.last)?,
        },
        device: format!("{} ({})", saved.adapter, saved.driver),
        history: History::read(fold.join("history.csv")).map_err(again)?,
    })
}

/// All folds' tracks in one matrix: by the kept weights or by the last.
fn together(folds: &[Done], of: fn(&Validation) -> &ConfusionMatrix) -> Result<ConfusionMatrix> {
    let mut matrices = folds.iter().map(|f| of(&f.scores));
    let Some(first) = matrices.next() else {
        return Err(Error::usage("there are no folds"));
    };
    let mut all = first.clone();
    for matrix in matrices {
        all.merge(matrix)?;
    }
    Ok(all)
}

fn report(settings: &Settings, run: &Path, k: usize) -> Result<()> {
    let folds: Vec<Done> = (0..k)
        .map(|i| read(&run.join(format!("fold-{i}"))))
        .collect::<Result<_>>()?;
    let (all, all_last) = (
        together(&folds, |v| &v.kept)?,
        together(&folds, |v| &v.last)?,
    );
    let rows: Vec<FoldRow> = (folds.iter().enumerate())
        .map(|(fold, f)| {
            let (kept, last) = (f.scores.kept.report(), f.scores.last.report());
            let epochs = f.history.rows.last().map_or(0, |r| r.epoch);
            FoldRow {
                fold,
                tracks: f.scores.kept.total(),
                epochs,
                kept_epoch: match settings.keep {
                    Keep::Best => f.history.best().map_or(epochs, |r| r.epoch),
                    Keep::Last => epochs,
                },
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
    let (scored, scored_last) = (all.scored(), all_last.scored());
    if all != all_last {
        console::line(&format!(
            "the last epochs together: accuracy {:.3}, macro-F1 {:.3}{}",
            scored_last.report.accuracy,
            scored_last.report.macro_f1,
            (scored_last.intervals).map_or(String::new(), |i| format!("; {i}"))
        ));
    }
    let metrics = Metrics {
        kept: scored,
        last: scored_last,
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
    let devices: BTreeSet<&str> = folds.iter().map(|f| &*f.device).collect();
    let device = Vec::from_iter(devices).join("; ");
    let report = RunReport {
        run: name.unwrap_or_else(|| run.display().to_string()),
        model: settings.model.clone(),
        data: format!("{data}: {} tracks in {} folds", all.total(), rows.len()),
        synthetic: settings.data.is_none(),
        device,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        evaluation: Some(all),
        last: Some(all_last),
        folds: rows,
        fold_histories: folds.into_iter().map(|f| f.history).collect(),
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
