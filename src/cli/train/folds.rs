//! Cross-validation: a run per fold, and what they say together.

use super::super::console;
use super::files::{remove_report, save_settings};
use super::{Context, Folder, single};
use crate::dataset::Side;
use crate::error::{Error, Result};
use crate::fsutil::atomic_write;
use crate::report::{
    ClassificationReport, ConfusionMatrix, FoldRow, History, RunReport, Scored, Spread,
};
use crate::train::{Keep, Ranks, Settings, Task, Validation, check_epochs};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What a fold's `metrics.json` says of it.
#[derive(Deserialize)]
struct Saved {
    #[serde(flatten)]
    kept: ClassificationReport,
    last: ClassificationReport,
    adapter: String,
    driver: String,
    #[serde(default)]
    synthetic: bool,
    #[serde(default)]
    notes: Vec<String>,
    settings: Asked,
    data_fingerprint: Option<String>,
}

/// Of its settings what may change when a run goes on, and changes what comes out.
#[derive(Deserialize)]
struct Asked {
    epochs: u32,
}

/// A fold that is done.
struct Done {
    scores: Validation,
    /// What it was trained on, and by which driver.
    adapter: String,
    driver: String,
    history: History,
    synthetic: bool,
    notes: Vec<String>,
    /// It was to train at most so many.
    epochs: u32,
    /// Of the data, fold or not; an older version did not save it.
    data_fingerprint: Option<String>,
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
    /// Of all folds, one after the other where they differ.
    adapter: &'a str,
    driver: &'a str,
    version: &'a str,
    synthetic: bool,
    /// What the folds said of the data.
    notes: &'a [String],
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
    // Of all folds, before the first of them goes on.
    ranks.on_first(|| {
        begun(&run, k).try_for_each(|fold| {
            // What can't be read is told or written anew when its turn comes.
            let history = History::read(fold.join("history.csv")).unwrap_or_default();
            check_epochs(settings, &fold, history.rows.last().map_or(0, |r| r.epoch))
        })
    })?;
    for i in 0..k {
        let path = run.join(format!("fold-{i}"));
        console::line(&format!("fold {i} of {k}"));
        if is_done(ranks, &path, settings)? {
            console::line("done already");
            continue;
        }
        let resumed = is_file(ranks, &path.join("config.toml"))?;
        let held = match resumed {
            true => Folder::hold(ranks, &path)?,
            false => Folder::claim(ranks, Some(&path), "")?,
        };
        let of_fold = Settings {
            fold: Some(i),
            ..settings.clone()
        };
        let same = |task: &Task| same_data(&run, k, task);
        let begin = |trains: bool| {
            if trains {
                remove_report(&run)?;
            }
            save_settings(&run, settings)?;
            folder.begin();
            Ok(())
        };
        single(context, &of_fold, held, resumed, &run, same, begin)?;
    }
    ranks.wait_for_first(match ranks.is_first() {
        true => report(settings, &run, k),
        false => Ok(()),
    })
}

/// Whether the first rank finds a fold that has all its files, and all the epochs that are asked for now. One that can't be read is
/// said before the other folds are trained.
fn is_done(ranks: &Ranks, fold: &Path, settings: &Settings) -> Result<bool> {
    let done = ranks.of_first(|| {
        let done = fold.join("metrics.json").is_file()
            && read(fold)?.epochs == settings.epochs
            && fold.join("report.html").is_file();
        Ok(vec![u8::from(done)])
    })?;
    Ok(done[..] == [1])
}

/// The folders of those of `k` folds that were begun.
fn begun(run: &Path, k: usize) -> impl Iterator<Item = PathBuf> {
    let mut folds: Vec<usize> = (std::fs::read_dir(run).into_iter().flatten().flatten())
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_prefix("fold-")?.parse().ok()
        })
        .filter(|&i| i < k)
        .collect();
    folds.sort_unstable();
    let run = run.to_owned();
    folds
        .into_iter()
        .map(move |i| run.join(format!("fold-{i}")))
}

/// Refuse to train a fold on other data than those that are done: they would not be folds of one set.
fn same_data(run: &Path, k: usize, task: &Task) -> Result<()> {
    for fold in begun(run, k) {
        if !fold.join("metrics.json").is_file() {
            continue;
        }
        let saved = read(&fold)?.data_fingerprint;
        if saved.is_some_and(|saved| saved != task.data_fingerprint) {
            return Err(Error::file(
                &fold,
                "was trained on other data (other tracks, genres or segments) than is there now, so that the folds would not be of one set; give it back what it had, or start a new run",
            ));
        }
    }
    Ok(())
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
    let sides = fold.join("split.txt");
    let split = std::fs::read_to_string(&sides).map_err(|e| again(Error::file(&sides, e)))?;
    let side = format!("{} ", Side::Validation.name());
    let tracks = split.lines().filter(|l| l.starts_with(&side)).count() as u64;
    let matrix = |report: ClassificationReport| {
        // Before they are added up: a damaged file may hold any number.
        if (report.confusion.iter().flatten()).any(|&count| count > tracks) {
            return Err(again(Error::file(
                &path,
                format!("counts more than the {tracks} tracks that validate the fold"),
            )));
        }
        let genres = report.classes.into_iter().map(|c| c.genre).collect();
        ConfusionMatrix::from_counts(genres, report.confusion)
            .map_err(|e| again(e.context(path.display())))
    };
    Ok(Done {
        scores: Validation {
            kept: matrix(saved.kept)?,
            last: matrix(saved.last)?,
        },
        adapter: saved.adapter,
        driver: saved.driver,
        history: History::read(fold.join("history.csv")).map_err(again)?,
        synthetic: saved.synthetic,
        notes: saved.notes,
        epochs: saved.settings.epochs,
        data_fingerprint: saved.data_fingerprint,
    })
}

/// Each of them once, in the order in which they first come.
fn distinct<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let first = texts.into_iter().filter(|text| seen.insert(*text));
    first.cloned().collect()
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
    // Folds of earlier versions don't say it.
    let known = |f: &&Done| f.data_fingerprint.is_some();
    let mut data = folds.iter().filter(known).map(|f| &f.data_fingerprint);
    if let Some(first) = data.next()
        && data.any(|other| other != first)
    {
        return Err(Error::file(
            run,
            "its folds were trained on different data (tracks, genres or segments), so that they say nothing together; start a new run",
        ));
    }
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
    let synthetic = folds.iter().any(|f| f.synthetic);
    let notes = distinct(folds.iter().flat_map(|f| &f.notes));
    let adapter = distinct(folds.iter().map(|f| &f.adapter)).join("; ");
    let driver = distinct(folds.iter().map(|f| &f.driver)).join("; ");
    let devices: Vec<String> = (folds.iter())
        .map(|f| format!("{} ({})", f.adapter, f.driver))
        .collect();
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
        adapter: &adapter,
        driver: &driver,
        version: env!("CARGO_PKG_VERSION"),
        synthetic,
        notes: &notes,
        accuracy_over_folds: accuracy,
        macro_f1_over_folds: macro_f1,
        last_accuracy_over_folds: last,
        last_macro_f1_over_folds: last_f1,
        folds: &rows,
    };
    save_settings(run, settings)?;
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
        synthetic,
        notes,
        device: distinct(&devices).join("; "),
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
