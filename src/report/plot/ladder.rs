//! A bench's rungs as bars, problem by problem.

use super::{NARROW, Svg, fit, text_width};
use crate::bench::{Peaks, Row};
use crate::report::format::{number, percent, printable};

const ROW: f64 = 30.0;
const HEADING: f64 = 30.0;

/// A bar per rung, as long as its rate beside the device's peak; what was skipped says so. `caption`: where it was measured.
pub fn ladder(rows: &[Row], peaks: &Peaks, caption: &str) -> Svg {
    let mut problems: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        match problems.last_mut() {
            Some(last) if (last[0].op, &last[0].shape) == (row.op, &row.shape) => last.push(row),
            _ => problems.push(vec![row]),
        }
    }
    let height = 40.0 + HEADING * problems.len() as f64 + ROW * rows.len() as f64;
    let mut svg = Svg::new(NARROW, height, "Every rung's rate beside the device's peak");
    svg.text("title", [0.0, 15.0], "The ladder");
    let peak = format!("whole width: {} GFLOP/s", number(peaks.gflops));
    svg.text("label end", [NARROW, 15.0], &peak);
    svg.text("tick", [0.0, 32.0], &fit(&printable(caption), NARROW));
    // Winograd's rate counts multiplications that it does not do, and may pass the peak.
    let fastest = rows
        .iter()
        .filter_map(|r| r.gflops)
        .filter(|g| g.is_finite());
    let longest = fastest.fold(peaks.gflops, f64::max);
    let mut y = 40.0;
    for problem in &problems {
        let name = format!("{} {}", problem[0].op, problem[0].shape);
        svg.text(
            "label strong",
            [0.0, y + 19.0],
            &fit(&printable(&name), NARROW),
        );
        y += HEADING;
        for row in problem {
            let value = match (row.ms, row.gflops, &row.skipped) {
                (Some(ms), Some(gflops), _) => format!(
                    "{} ms · {} GFLOP/s · {}",
                    number(ms),
                    number(gflops),
                    percent(gflops / peaks.gflops)
                ),
                (_, _, Some(why)) => format!("skipped: {}", printable(why)),
                _ => "not timed".to_owned(),
            };
            let name = format!(
                "{}{}",
                row.rung,
                if row.default { " (default)" } else { "" }
            );
            let value = fit(&value, NARROW - text_width(&name) - 16.0);
            svg.text("label", [0.0, y + 11.0], &name);
            svg.text("tick end", [NARROW, y + 11.0], &value);
            svg.rect("track", "", [0.0, y + 16.0, NARROW, 7.0], "");
            if let Some(gflops) = row.gflops.filter(|g| g.is_finite() && longest > 0.0) {
                let length = gflops / longest * NARROW;
                let class = if row.default { "bar s2" } else { "bar s1" };
                let tip = format!("{name}: {value}");
                svg.rect(class, "", [0.0, y + 16.0, length, 7.0], &tip);
            }
            y += ROW;
        }
    }
    svg
}
