//! `report.html`: one file that needs nothing from the network, from the template beside this file.
//!
//! The template only places text: every number is formatted here, and minijinja escapes whatever is not a plot.

use minijinja::{Environment, Value, context};

use super::format::{bytes, count, number, percent, printable, seconds, tuned};
use super::plot::{self, CHART_CSS, NARROW, Svg, WIDE};
use super::spectrogram;
use super::{
    AugmentedSample, ConfusionMatrix, EpochRow, FoldRow, Intervals, MemoryTimeline, RunReport,
    Scored, Spread,
};
use crate::error::{Error, Result};

const TEMPLATE: &str = include_str!("report.html");
const CSS: &str = include_str!("report.css");
/// A confusion matrix of more genres than this gets a row of its own instead of standing beside the table.
const SIDE_BY_SIDE: usize = 12;

/// The whole document.
///
/// # Errors
/// None is expected: the template is part of the program and covered by tests. A failure would be
/// [`ErrorKind::Data`](crate::ErrorKind::Data).
pub fn render(report: &RunReport) -> Result<String> {
    let mut environment = Environment::new();
    // The name's ending switches HTML escaping on.
    environment
        .add_template("report.html", TEMPLATE)
        .and_then(|()| {
            environment
                .get_template("report.html")?
                .render(view(report))
        })
        .map_err(|e| {
            Error::data(format!(
                "report.html: the template can't be rendered ({e:#})"
            ))
        })
}

fn view(report: &RunReport) -> Value {
    let curves: Vec<Value> = (report.plots().iter())
        .filter(|(name, _)| matches!(*name, "loss.svg" | "accuracy.svg" | "learning_rate.svg"))
        .map(|(_, svg)| figure(svg))
        .collect();
    context! {
        css => Value::from_safe_string(format!("{CSS}{CHART_CSS}")),
        run => printable(&report.run),
        model => printable(&report.model),
        parameters => (report.parameters > 0).then(|| count(report.parameters)),
        data => printable(&report.data),
        notes => report.notes.iter().map(|n| printable(n)).collect::<Vec<_>>(),
        synthetic => report.synthetic,
        device => printable(&report.device),
        version => printable(&report.version),
        ending => report.ending.as_deref().map(printable),
        tiles => tiles(report),
        curves => curves,
        epochs => report.history.rows.iter().map(epoch_row).collect::<Vec<_>>(),
        sides => [("Validation", &report.evaluation), ("Test", &report.test)]
            .into_iter()
            .filter_map(|(title, matrix)| Some(side(title, matrix.as_ref()?)))
            .collect::<Vec<_>>(),
        memory => report.timeline().map(memory),
        kernels => report.kernel_times().map(|k| context! {
            figure => figure(&plot::kernels(k)),
            timestamps => k.timing == "timestamps",
        }),
        compiled => report.compiled.as_ref().filter(|c| !c.kernels.is_empty()).map(|c| context! {
            target => printable(&c.target),
            driver => printable(&c.driver),
            rows => (c.rows().iter())
                .map(|row| row.iter().map(|cell| printable(cell)).collect::<Vec<_>>())
                .collect::<Vec<_>>(),
        }),
        augmented => report.augmented.iter().map(augmented).collect::<Vec<_>>(),
        folds => report.folds.iter().map(fold_row).collect::<Vec<_>>(),
        fold_means => fold_means(report),
        settings => (report.settings.iter())
            .map(|s| (printable(&s.name), printable(&s.value)))
            .collect::<Vec<_>>(),
    }
}

/// A side of the split: the matrix, the scores of every class, what is mistaken for what.
fn side(title: &str, matrix: &ConfusionMatrix) -> Value {
    let scores = matrix.report();
    let name = |i: usize| printable(&matrix.genres()[i]);
    context! {
        title,
        confusion => figure(&plot::confusion(matrix)),
        side_by_side => matrix.genres().len() <= SIDE_BY_SIDE,
        classes => class_rows(&scores),
        averages => context! {
            accuracy => fixed(scores.accuracy),
            support => count(scores.classes.iter().map(|c| c.support).sum()),
            rows => [
                ("macro avg", scores.macro_precision, scores.macro_recall, scores.macro_f1),
                ("weighted avg", scores.weighted_precision, scores.weighted_recall, scores.weighted_f1),
            ]
            .map(|(name, p, r, f1)| (name, fixed(p), fixed(r), fixed(f1)))
            .to_vec(),
        },
        mistakes => (matrix.top_mistakes(5).into_iter())
            .map(|(t, p, n)| (name(t), name(p), n))
            .collect::<Vec<_>>(),
    }
}

fn tiles(report: &RunReport) -> Vec<Value> {
    let tile = |label: &str, value: String, notes: &[String]| context! { label, value, notes => notes.to_vec() };
    let history = &report.history;
    let mut tiles = Vec::new();
    if let Some(best) = history.best() {
        let (label, value) = match best.val_accuracy {
            Some(accuracy) => ("Best val. accuracy", accuracy),
            None => ("Best training accuracy", best.accuracy),
        };
        let note = format!("over samples, epoch {}", best.epoch);
        tiles.push(tile(label, percent(value), &[note]));
    }
    if let Some(matrix) = &report.evaluation {
        let of = format!("saved weights, {} tracks", count(matrix.total()));
        for (label, value, interval) in scores(matrix) {
            let notes: Vec<_> = interval.into_iter().chain([of.clone()]).collect();
            tiles.push(tile(label, value, &notes));
        }
    }
    // Where the last epoch's weights are the saved ones, its scores are those above.
    let last = (report.last.as_ref()).filter(|last| Some(*last) != report.evaluation.as_ref());
    if let Some([(_, value, interval), (_, f1, _)]) = last.map(scores) {
        let notes: Vec<_> = (interval.into_iter())
            .chain([format!("macro F1 {f1}")])
            .collect();
        tiles.push(tile("Accuracy, last epoch", value, &notes));
    }
    if let Some([(_, value, interval), (_, f1, _)]) = report.test.as_ref().map(scores) {
        let of = report.test.as_ref().map_or(0, ConfusionMatrix::total);
        let notes: Vec<_> = (interval.into_iter())
            .chain([format!("macro F1 {f1}, {} tracks, scored once", count(of))])
            .collect();
        tiles.push(tile("Accuracy, test side", value, &notes));
    }
    if let Some(last) = history.rows.last() {
        let epochs = history.rows.len();
        let step = format!("{} ms per step", number(last.ms_per_step));
        tiles.push(tile("Epochs", epochs.to_string(), &[step]));
        let time = history.seconds();
        let each = format!("{} per epoch", seconds(time / epochs as f64));
        tiles.push(tile("Training time", seconds(time), &[each]));
    }
    let folds = report.fold_histories.iter();
    let epochs: usize = folds.clone().map(|h| h.rows.len()).sum();
    if epochs > 0 {
        let time: f64 = folds.map(|h| h.seconds()).sum();
        let notes = [
            format!("all folds, {} epochs", count(epochs as u64)),
            format!("{} per epoch", seconds(time / epochs as f64)),
        ];
        tiles.push(tile("Training time", seconds(time), &notes));
    }
    if let Some(peak) = report.peak_vram {
        let note = report
            .timeline()
            .map(|m| format!("one step’s lower bound {}", bytes(m.lower_bound)));
        tiles.push(tile("Peak VRAM", bytes(peak), note.as_slice()));
    }
    tiles
}

/// Accuracy and macro-F1 with their 95 % intervals, where there are any.
fn scores(matrix: &ConfusionMatrix) -> [(&'static str, String, Option<String>); 2] {
    let Scored { report, intervals } = matrix.scored();
    let interval = |of: fn(&Intervals) -> [f64; 2], format: fn(f64) -> String| {
        let [low, high] = of(intervals.as_ref()?);
        let low = format(low);
        let low = low.trim_end_matches(" %");
        Some(format!("95 % interval {low} to {}", format(high)))
    };
    [
        (
            "Accuracy",
            percent(report.accuracy),
            interval(|i| i.accuracy, percent),
        ),
        (
            "Macro F1",
            fixed(report.macro_f1),
            interval(|i| i.macro_f1, fixed),
        ),
    ]
}

fn epoch_row(row: &EpochRow) -> Vec<String> {
    let optional = |v: Option<f64>, format: fn(f64) -> String| v.map_or("–".into(), format);
    vec![
        row.epoch.to_string(),
        number(row.loss),
        percent(row.accuracy),
        optional(row.val_loss, number),
        optional(row.val_accuracy, percent),
        tuned(row.lr),
        seconds(row.seconds),
        number(row.ms_per_step),
    ]
}

fn augmented(sample: &AugmentedSample) -> Value {
    let mixed = |(genre, share): &(String, f32)| {
        let rest = percent(f64::from(1.0 - share));
        format!("with {rest} {}", printable(genre))
    };
    // Of digits and letters only: escaping would make it longer, and nothing else.
    let picture =
        |values: &[f32]| Value::from_safe_string(spectrogram::picture(values, sample.size));
    context! {
        genre => printable(&sample.genre),
        mixed => sample.mixed.as_ref().map(mixed),
        before => picture(&sample.before),
        after => picture(&sample.after),
    }
}

fn fold_row(row: &FoldRow) -> Value {
    let epoch = |e: u32| match e {
        0 => "–".to_owned(),
        e => e.to_string(),
    };
    let mut cells = vec![count(row.tracks), epoch(row.epochs), epoch(row.kept_epoch)];
    cells.extend(fold_scores(row).map(three));
    context! { fold => row.fold, cells }
}

fn fold_scores(row: &FoldRow) -> [f64; 4] {
    [
        row.accuracy,
        row.macro_f1,
        row.last_accuracy,
        row.last_macro_f1,
    ]
}

/// Mean and standard deviation of each score over the folds.
fn fold_means(report: &RunReport) -> Vec<Vec<String>> {
    let spreads = [0, 1, 2, 3].map(|i| {
        let scores: Vec<f64> = report.folds.iter().map(|r| fold_scores(r)[i]).collect();
        Spread::of(&scores)
    });
    vec![
        spreads.map(|s| three(s.mean)).to_vec(),
        spreads.map(|s| three(s.deviation)).to_vec(),
    ]
}

/// A score with three digits, where folds are compared.
fn three(score: f64) -> String {
    format!("{score:.3}")
}

fn class_rows(scores: &super::ClassificationReport) -> Vec<Value> {
    (scores.classes.iter())
        .map(|c| {
            context! {
                genre => printable(&c.genre),
                precision => fixed(c.precision),
                recall => fixed(c.recall),
                f1 => fixed(c.f1),
                // Width of the bar behind F1.
                percent => format!("{:.0}", 100.0 * c.f1),
                support => count(c.support),
            }
        })
        .collect()
}

fn memory(timeline: &MemoryTimeline) -> Value {
    let mut largest: Vec<_> = timeline.buffers.iter().collect();
    largest.sort_by_key(|b| (std::cmp::Reverse(b.bytes), b.first));
    let rows: Vec<_> = (largest.into_iter().take(10))
        .map(|b| {
            let arena = timeline
                .arenas
                .get(b.arena)
                .map_or("–".into(), |a| printable(&a.name));
            let (first, last) = (b.first, b.last);
            let life = format!(
                "{first}{}",
                if last > first {
                    format!("–{last}")
                } else {
                    String::new()
                }
            );
            (printable(&b.name), bytes(b.bytes), arena, life)
        })
        .collect();
    let total: u64 = timeline.arenas.iter().map(|a| a.bytes).sum();
    let peak =
        (timeline.live.iter().enumerate()).max_by_key(|&(i, &live)| (live, std::cmp::Reverse(i)));
    context! {
        wide => figure(&plot::memory(timeline, WIDE)),
        narrow => figure(&plot::memory(timeline, NARROW)),
        total => bytes(total),
        arenas => timeline.arenas.len(),
        buffers => timeline.buffers.len(),
        sum => bytes(timeline.buffers.iter().map(|b| b.bytes).sum()),
        peak => peak.map(|(i, &live)| (bytes(live), format!("{i}{}", timeline.dispatch_name(i)))),
        largest => rows,
    }
}

/// A plot and the widths between which it may be scaled: text stays legible, and a plot too wide for the screen
/// scrolls inside its figure.
fn figure(svg: &Svg) -> Value {
    let least = if svg.width > NARROW {
        svg.width * 0.85
    } else {
        0.0
    };
    context! {
        svg => Value::from_safe_string(svg.inline()),
        least => format!("{least:.0}"),
        width => format!("{:.0}", svg.width),
    }
}

/// A score with two digits, as in the printed report.
fn fixed(score: f64) -> String {
    if score.is_finite() {
        format!("{score:.2}")
    } else {
        number(score)
    }
}
