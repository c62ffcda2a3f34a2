//! A bench's rungs as bars, problem by problem.

use super::{LINE, NARROW, Svg, fit, text_width, wrap};
use crate::bench::{Measured, Row};
use crate::report::format::{measured as figure, percent, printable};

const ROW: f64 = 30.0;
const BAR: f64 = 7.0;

/// Where and how it was measured, in lines as wide as a drawing.
pub fn caption(m: &Measured) -> Vec<String> {
    // A CPU driver has its name in both.
    let device = match m.driver.split(' ').next() {
        Some(name) if !name.is_empty() && m.adapter.starts_with(name) => m.driver.clone(),
        _ => format!("{}, {}", m.adapter, m.driver),
    };
    let line = |text: &str| wrap(&printable(text), NARROW);
    let peaks = format!(
        "At best {} GFLOP/s of multiply-adds, {} GB/s of copying",
        figure(m.peak_gflops),
        figure(m.copy_gbs)
    );
    let when = match m.date.as_str() {
        "" => m.command.clone(),
        date => format!("{date}: {}", m.command),
    };
    [line(&device), line(&peaks), line(&when)].concat()
}

/// The rows in pieces that agree in `key`, which neighbours do.
fn pieces<'a, K: PartialEq>(rows: &[&'a Row], key: impl Fn(&'a Row) -> K) -> Vec<Vec<&'a Row>> {
    let equal = rows.chunk_by(|a, b| key(a) == key(b));
    equal.map(<[_]>::to_vec).collect()
}

/// The measured figures of a rung, or why there are none.
fn figures(row: &Row, m: &Measured) -> String {
    let (Some(ms), Some(gflops), Some(gbs)) = (row.ms, row.gflops, row.gbs) else {
        return match &row.skipped {
            Some(why) => format!("skipped: {}", printable(why)),
            None => "not timed".to_owned(),
        };
    };
    // In the unit of the roof that the problem lies under.
    let rate = match gflops / m.peak_gflops >= gbs / m.copy_gbs {
        true => format!("{} GFLOP/s", figure(gflops)),
        false => format!("{} GB/s", figure(gbs)),
    };
    let share = row.fraction_of_peak.map_or("-".to_owned(), percent);
    format!("{} ms · {rate} · {share}", figure(ms))
}

/// A bar per rung, as long as its share of what the device's peaks allow; what was skipped says so.
pub fn ladder(m: &Measured) -> Svg {
    let share = |r: &Row| r.fraction_of_peak.filter(|f| f.is_finite() && *f >= 0.0);
    // Winograd's rate counts multiplications that it does not do, and may pass the peak.
    let longest = m.results.iter().filter_map(share).fold(1.0, f64::max);
    let width = |share: f64| share / longest * NARROW;
    let mut svg = Svg::new(NARROW, 0.0, "Every rung's share of what the device allows");
    svg.text("title", [0.0, 15.0], "The ladder");
    let mut y = svg.lines("tick", [0.0, 35.0], &caption(m));
    let bars = match longest > 1.0 {
        true => "Bars: share of what these peaks allow; the line is all of it",
        false => "Bars: share of what these peaks allow",
    };
    y = svg.lines("tick", [0.0, y], &wrap(bars, NARROW));
    let rows: Vec<&Row> = m.results.iter().collect();
    for problem in pieces(&rows, |r| (&r.op, &r.shape)) {
        y += 8.0;
        let op = fit(&printable(&problem[0].op), NARROW);
        svg.text("label strong", [0.0, y], &op);
        y += LINE;
        let sizes = wrap(&printable(&problem[0].shape), NARROW);
        y = svg.lines("tick", [0.0, y], &sizes);
        for ladder in pieces(&problem, |r| r.made_for) {
            let whom = format!("For {}", ladder[0].made_for.whom());
            svg.text("tick", [0.0, y + 4.0], &whom);
            y += 8.0;
            for row in ladder {
                let default = if row.default { " (default)" } else { "" };
                let name = format!("{}{default}", printable(&row.rung));
                let name = fit(&name, NARROW);
                let value = fit(&figures(row, m), NARROW - text_width(&name) - 12.0);
                svg.text("label", [0.0, y + 15.0], &name);
                svg.text("tick end", [NARROW, y + 15.0], &value);
                svg.rect("track", "", [0.0, y + 20.0, width(1.0), BAR], "");
                if let Some(share) = share(row) {
                    let class = if row.default { "bar s2" } else { "bar s1" };
                    let tip = format!("{name}: {}", figures(row, m));
                    svg.rect(class, "", [0.0, y + 20.0, width(share), BAR], &tip);
                }
                if longest > 1.0 {
                    svg.line("limit", [width(1.0), y + 18.0], [width(1.0), y + ROW]);
                }
                y += ROW;
            }
            y += LINE;
        }
    }
    svg.height = y - LINE;
    svg
}
