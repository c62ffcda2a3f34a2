//! A bench's rungs under the device's roofline (Williams, Waterman and Patterson 2009).

use super::scale::Scale;
use super::{NARROW, Svg, fit};
use crate::bench::{Peaks, Row};
use crate::report::format::{number, printable};

const LEFT: f64 = 52.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 330.0;
const HEIGHT: f64 = 372.0;

/// A rung's place: operations per byte of the problem, and operations per second.
fn place(row: &Row) -> Option<[f64; 2]> {
    let (gflops, gbs) = (row.gflops?, row.gbs?);
    let there = gflops.is_finite() && gflops > 0.0 && gbs.is_finite() && gbs > 0.0;
    there.then(|| [gflops / gbs, gflops])
}

/// Rates over operations per byte, both logarithmic: the roof is the lesser of the peak and what copying feeds. Rungs of one problem stand
/// above each other; defaults are named. Problems are counted with the least traffic, so no cache lifts a rung over the roof: Winograd does,
/// whose rate counts multiplications that it does not do. `caption`: where it was measured.
pub fn roofline(rows: &[Row], peaks: &Peaks, caption: &str) -> Svg {
    let mut svg = Svg::new(NARROW, HEIGHT, "Rungs under the device's roofline");
    svg.text("title", [0.0, 15.0], "Roofline");
    svg.text("tick", [0.0, 32.0], &fit(&printable(caption), NARROW));
    let usable = |v: f64| v.is_finite() && v > 0.0;
    if !usable(peaks.gflops) || !usable(peaks.copy_gbs) {
        svg.text(
            "label",
            [0.0, 60.0],
            "The device's peaks were not measured.",
        );
        return svg;
    }
    let ridge = peaks.gflops / peaks.copy_gbs;
    let places: Vec<(&Row, [f64; 2])> = rows.iter().filter_map(|r| Some((r, place(r)?))).collect();
    let span = |axis: usize, lo: f64, hi: f64| {
        let values = places.iter().map(|(_, p)| p[axis]);
        let (lo, hi) = values.fold((lo, hi), |(lo, hi), v| (lo.min(v), hi.max(v)));
        [lo / 2.0, hi * 2.0]
    };
    let x = Scale::log(span(0, ridge / 4.0, ridge * 4.0), [LEFT, NARROW]);
    let y = Scale::log(span(1, peaks.gflops / 8.0, peaks.gflops), [BOTTOM, TOP]);
    for tick in x.ticks(6) {
        svg.line("grid", [x.at(tick), TOP], [x.at(tick), BOTTOM]);
        svg.text("tick mid", [x.at(tick), BOTTOM + 17.0], &number(tick));
    }
    for tick in y.ticks(6) {
        svg.line("grid", [LEFT, y.at(tick)], [NARROW, y.at(tick)]);
        svg.text("tick end", [LEFT - 7.0, y.at(tick) + 4.0], &number(tick));
    }
    svg.text(
        "tick mid",
        [(LEFT + NARROW) / 2.0, HEIGHT - 6.0],
        "operations per byte (least traffic)",
    );
    svg.text("tick", [0.0, TOP - 2.0], "GFLOP/s");
    // Where copying feeds less than the axis shows, the roof begins at the axis.
    let lowest = 10f64.powf(y.low_log());
    let first = (lowest / peaks.copy_gbs)
        .max(10f64.powf(x.low_log()))
        .min(ridge);
    let corner = [x.at(ridge), y.at(peaks.gflops)];
    svg.line("limit", [x.at(first), y.at(first * peaks.copy_gbs)], corner);
    svg.line("limit", corner, [NARROW, corner[1]]);
    let roof = format!("{} GFLOP/s", number(peaks.gflops));
    svg.text("label end halo", [NARROW, corner[1] - 6.0], &roof);
    let feed = format!("{} GB/s", number(peaks.copy_gbs));
    svg.text(
        "label halo",
        [x.at(first) + 6.0, y.at(first * peaks.copy_gbs) - 8.0],
        &feed,
    );
    for (row, [at_x, at_y]) in places {
        let tip = format!(
            "{} {}, {}: {} GFLOP/s",
            row.op,
            row.rung,
            row.shape,
            number(at_y)
        );
        let (px, py) = (x.at(at_x), y.at(at_y));
        let class = if row.default { "dot s2" } else { "dot s1" };
        svg.circle(class, [px, py], 4.5, &printable(&tip));
        if row.default || rows.len() <= 12 {
            // To the left where there is no room to the right.
            let (class, at) = match px > NARROW - 110.0 {
                true => ("small end halo", px - 8.0),
                false => ("small halo", px + 8.0),
            };
            svg.text(class, [at, py + 3.5], row.rung);
        }
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::MadeFor;
    use crate::report::plot::ladder;

    fn row(rung: &'static str, gflops: Option<f64>, default: bool) -> Row {
        Row {
            op: "conv2d.forward",
            rung,
            made_for: MadeFor::Any,
            shape: "n=1 <c=2>".to_owned(),
            ms: gflops.map(|g| 1.0 / g),
            gflops,
            gbs: gflops.map(|g| g / 20.0),
            fraction_of_peak: None,
            max_error: None,
            skipped: gflops.is_none().then(|| "no \"room\"".to_owned()),
            default,
        }
    }

    #[test]
    fn faster_rungs_stand_higher_and_have_longer_bars() {
        let peaks = Peaks {
            gflops: 100.0,
            copy_gbs: 10.0,
        };
        let rows = [
            row("slow", Some(2.0), false),
            row("fast", Some(80.0), true),
            row("out", None, false),
        ];
        let drawn = roofline(&rows, &peaks, "here & now").standalone();
        let heights: Vec<f64> = drawn
            .split("cy=\"")
            .skip(1)
            .filter_map(|t| t.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(heights.len(), 2, "{drawn}");
        assert!(heights[1] < heights[0], "{heights:?}");
        assert!(drawn.contains("here &amp; now") && drawn.contains("n=1 &lt;c=2&gt;"));
        let bars = ladder(&rows, &peaks, "here").standalone();
        let lengths: Vec<f64> = bars
            .split("class=\"bar")
            .skip(1)
            .filter_map(|t| t.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(lengths.len(), 2, "{bars}");
        assert!((lengths[1] / lengths[0] - 40.0).abs() < 0.1, "{lengths:?}");
        assert!(bars.contains("skipped: no &quot;room&quot;"), "{bars}");
        let nothing = Peaks {
            gflops: f64::NAN,
            copy_gbs: 0.0,
        };
        assert!(
            roofline(&rows, &nothing, "")
                .standalone()
                .contains("not measured")
        );
        assert!(!ladder(&[], &peaks, "").standalone().contains("bar s"));
    }
}
