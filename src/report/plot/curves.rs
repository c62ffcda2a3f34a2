//! Learning curves: loss, accuracy and learning rate over the epochs.

use std::fmt::Write as _;

use super::scale::Scale;
use super::{NARROW, Svg, px, text_width};
use crate::report::format::{number, percent, trim_zeros, tuned};
use crate::report::history::{EpochRow, History};

const HEIGHT: f64 = 270.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = NARROW - 12.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = HEIGHT - 40.0;
/// More steps of the learning rate than this would clutter the curves; it then has a plot of its own.
pub const MAX_LR_MARKS: usize = 6;

struct Series {
    name: String,
    class: &'static str,
    points: Vec<(u32, f64)>,
}

/// All of a plot but its curves.
struct Frame<'a> {
    name: &'a str,
    /// What is written at the top right: names and the classes of their lines.
    legend: Vec<(&'a str, &'a str)>,
    /// Epochs that begin with another learning rate.
    marks: Vec<(u32, f64)>,
    x: Scale,
    y: Scale,
    format: fn(f64) -> String,
}

impl<'a> Frame<'a> {
    /// For the curves of one run.
    fn of(
        history: &History,
        series: &'a [Series],
        (y, name): (Scale, &'a str),
        format: fn(f64) -> String,
    ) -> Self {
        let named = |s: &'a Series| (&*s.name, s.class);
        let drawn = series.iter().filter(|s| !s.points.is_empty());
        Self {
            name,
            legend: match series {
                [_] => Vec::new(),
                _ => drawn.map(named).collect(),
            },
            marks: history.lr_changes(),
            x: epochs(std::slice::from_ref(history)),
            y,
            format,
        }
    }

    /// For the curves of all folds and their mean.
    fn of_folds(
        histories: &[History],
        (y, name): (Scale, &'a str),
        format: fn(f64) -> String,
    ) -> Self {
        Self {
            name,
            legend: vec![("a fold", FOLD), ("mean", MEAN)],
            // Every fold may have its own.
            marks: Vec::new(),
            x: epochs(histories),
            y,
            format,
        }
    }
}

/// Classes of the lines of a cross-validation.
const FOLD: &str = "fold s1";
const MEAN: &str = "s2";

/// Training and validation loss. The axis is logarithmic where the values span more than a factor of 20.
pub fn loss(history: &History) -> Svg {
    let series = [
        series(history, "training", "s1", |r| Some(r.loss)),
        series(history, "validation", "s2", |r| r.val_loss),
    ];
    let scale = loss_scale(&series, ["Loss", "Loss (log scale)"]);
    curves(Frame::of(history, &series, scale, number), &series)
}

/// Training and validation accuracy, 0 to 100 %, with the best epoch marked.
pub fn accuracy(history: &History) -> Svg {
    let series = [
        series(history, "training", "s1", |r| Some(r.accuracy)),
        series(history, "validation", "s2", |r| r.val_accuracy),
    ];
    let scale = accuracy_scale();
    let frame = Frame::of(history, &series, (scale, "Accuracy"), percent);
    let x = frame.x;
    let mut svg = curves(frame, &series);
    if let Some(best) = history.best() {
        let value = best.val_accuracy.unwrap_or(best.accuracy);
        let at = [x.at(f64::from(best.epoch)), scale.at(value)];
        let class = if best.val_accuracy.is_some() {
            "ring s2"
        } else {
            "ring s1"
        };
        let label = format!("best {}, epoch {}", percent(value), best.epoch);
        svg.circle(class, at, 5.0, &label);
        // Bold text is a good tenth wider.
        let half = 1.12 * text_width(&label) / 2.0;
        let x = at[0].clamp(LEFT + half + 4.0, RIGHT - half);
        // On the side where the other curve is not.
        let y = if best.accuracy > value && value > 0.2 {
            at[1] + 24.0
        } else {
            at[1] - 14.0
        };
        svg.text("strong halo mid", [x, y], &label);
    }
    svg
}

/// The learning rate, for schedules that change it often.
pub fn learning_rate(history: &History) -> Svg {
    let series = [series(history, "learning rate", "s3", |r| Some(r.lr))];
    let (mut lo, mut hi) = (f64::INFINITY, 0.0f64);
    for lr in finite(&series) {
        (lo, hi) = (lo.min(lr), hi.max(lr));
    }
    let range = [BOTTOM, TOP];
    let scale = if lo > 0.0 && hi / lo > 20.0 && hi.is_finite() {
        Scale::log([lo, hi], range)
    } else {
        Scale::linear([0.0, if hi > 0.0 { hi } else { 1.0 }], range)
    };
    let frame = Frame::of(history, &series, (scale, "Learning rate"), tuned);
    curves(frame, &series)
}

/// Validation loss of every fold of a cross-validation and, while all of them were trained, the mean.
pub fn fold_loss(histories: &[History]) -> Svg {
    let series = folds(histories, |r| r.val_loss);
    let scale = loss_scale(&series, ["Validation loss", "Validation loss (log scale)"]);
    curves(Frame::of_folds(histories, scale, number), &series)
}

/// Validation accuracy of every fold, over samples, and the mean.
pub fn fold_accuracy(histories: &[History]) -> Svg {
    let series = folds(histories, |r| r.val_accuracy);
    let scale = (accuracy_scale(), "Validation accuracy");
    curves(Frame::of_folds(histories, scale, percent), &series)
}

fn loss_scale<'a>(series: &[Series], [plain, log]: [&'a str; 2]) -> (Scale, &'a str) {
    let mut values: Vec<f64> = finite(series).collect();
    values.sort_by(f64::total_cmp);
    let (lo, hi) = match values[..] {
        [] => (0.0, 1.0),
        [lo, .., hi] => (lo, hi),
        [only] => (only, only),
    };
    let range = [BOTTOM, TOP];
    if lo > 0.0 && hi / lo > 20.0 {
        (Scale::log([lo / 1.1, hi * 1.1], range), log)
    } else {
        let pad = 0.06 * (hi - lo);
        (Scale::linear([lo - pad, hi + pad], range), plain)
    }
}

fn accuracy_scale() -> Scale {
    Scale::linear([0.0, 1.0], [BOTTOM, TOP])
}

/// A curve per fold, and their mean over the epochs that all of them have.
fn folds(histories: &[History], value: fn(&EpochRow) -> Option<f64>) -> Vec<Series> {
    let mut all: Vec<Series> = (histories.iter().enumerate())
        .map(|(i, h)| series(h, &format!("fold {i}"), FOLD, value))
        .collect();
    let known: Vec<&[_]> = (all.iter().map(|s| &s.points[..]))
        .filter(|points| !points.is_empty())
        .collect();
    let shortest = known.iter().map(|points| points.len()).min().unwrap_or(0);
    let mean = |i: usize| {
        let sum: f64 = known.iter().map(|points| points[i].1).sum();
        (known[0][i].0, sum / known.len() as f64)
    };
    let points = (0..shortest).map(mean).collect();
    all.push(Series {
        name: "mean".to_owned(),
        class: MEAN,
        points,
    });
    all
}

fn series(
    history: &History,
    name: &str,
    class: &'static str,
    value: fn(&EpochRow) -> Option<f64>,
) -> Series {
    let points = (history.rows.iter())
        .filter_map(|r| Some((r.epoch, value(r)?)))
        .collect();
    Series {
        name: name.to_owned(),
        class,
        points,
    }
}

fn finite(series: &[Series]) -> impl Iterator<Item = f64> {
    (series.iter())
        .flat_map(|s| s.points.iter().map(|p| p.1))
        .filter(|v| v.is_finite())
}

/// The horizontal axis: epochs with half an epoch of air, so that a single one is in the middle.
fn epochs(histories: &[History]) -> Scale {
    let all = || histories.iter().flat_map(|h| &h.rows).map(|r| r.epoch);
    let (first, last) = (all().min().unwrap_or(1), all().max().unwrap_or(1));
    let air = if last > first { 0.0 } else { 0.5 };
    Scale::linear(
        [f64::from(first) - air, f64::from(last) + air],
        [LEFT + 8.0, RIGHT - 8.0],
    )
}

fn curves(frame: Frame, series: &[Series]) -> Svg {
    let Frame { name, x, y, .. } = frame;
    let mut svg = Svg::new(NARROW, HEIGHT, format!("{name} per epoch"));
    svg.text("title", [0.0, 15.0], name);
    let mut right = RIGHT;
    for (name, class) in frame.legend.into_iter().rev() {
        right -= text_width(name);
        svg.text("label", [right, 15.0], name);
        let class = format!("line {class}");
        svg.line(&class, [right - 22.0, 11.0], [right - 6.0, 11.0]);
        right -= 38.0;
    }
    for tick in y.ticks(5) {
        let at = y.at(tick);
        svg.line("grid", [LEFT, at], [RIGHT, at]);
        let text = (frame.format)(tick);
        let text = match text.strip_suffix(" %") {
            Some(percent) => format!("{} %", trim_zeros(percent)),
            None if text.contains('e') => text,
            None => trim_zeros(&text).to_string(),
        };
        svg.text("tick end", [LEFT - 8.0, at + 4.0], &text);
    }
    svg.line("axis", [LEFT, BOTTOM], [RIGHT, BOTTOM]);
    for tick in x.ticks(8).into_iter().filter(|t| t.fract() == 0.0) {
        svg.text("tick mid", [x.at(tick), BOTTOM + 17.0], &format!("{tick}"));
    }
    svg.text("tick mid", [(LEFT + RIGHT) / 2.0, HEIGHT - 6.0], "epoch");
    mark_lr_changes(&mut svg, &frame.marks, &x);
    for s in series {
        draw_series(&mut svg, s, &x, &y, frame.format);
    }
    if finite(series).next().is_none() {
        let at = [(LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0];
        svg.text("label mid", at, "no finite values to show");
    }
    svg
}

fn mark_lr_changes(svg: &mut Svg, changes: &[(u32, f64)], x: &Scale) {
    if changes.len() > MAX_LR_MARKS {
        return;
    }
    let mut free = LEFT;
    for &(epoch, lr) in changes {
        let at = x.at(f64::from(epoch));
        svg.line("mark", [at, TOP - 8.0], [at, BOTTOM]);
        let label = format!("lr {}", tuned(lr));
        let half = text_width(&label) / 2.0;
        let middle = at.clamp(LEFT + half, RIGHT - half);
        // A label that would run into the one before is left to the tooltips and the table of epochs.
        if middle - half >= free {
            svg.text("tick mid", [middle, TOP - 13.0], &label);
            free = middle + half + 6.0;
        }
    }
}

/// The line is interrupted at values that are not finite; those are crosses at the top.
fn draw_series(svg: &mut Svg, series: &Series, x: &Scale, y: &Scale, format: fn(f64) -> String) {
    let mut path = String::new();
    let mut pen_down = false;
    for &(epoch, value) in &series.points {
        if value.is_finite() {
            let command = if pen_down { 'L' } else { 'M' };
            let _ = write!(
                path,
                "{command}{} {}",
                px(x.at(f64::from(epoch))),
                px(y.at(value))
            );
        }
        pen_down = value.is_finite();
    }
    if !path.is_empty() {
        svg.path(&format!("line {}", series.class), &path);
    }
    let dots = if series.points.len() <= 12 {
        "dot"
    } else {
        "hover"
    };
    for &(epoch, value) in &series.points {
        let at = x.at(f64::from(epoch));
        let tooltip = format!("epoch {epoch}, {}: {}", series.name, format(value));
        if value.is_finite() {
            svg.circle(
                &format!("{dots} {}", series.class),
                [at, y.at(value)],
                3.5,
                &tooltip,
            );
        } else {
            let [left, right, top, bottom] = [at - 4.0, at + 4.0, TOP - 4.0, TOP + 4.0];
            svg.line("bad", [left, top], [right, bottom]);
            svg.line("bad", [left, bottom], [right, top]);
            svg.circle("hover", [at, TOP], 6.0, &tooltip);
        }
    }
}
