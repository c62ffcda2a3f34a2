//! A bench's rungs under the device's roofline (Williams, Waterman and Patterson 2009).

use super::ladder::caption;
use super::scale::Scale;
use super::{NARROW, Svg, text_width};
use crate::bench::{Measured, Row};
use crate::report::format::{measured as figure, printable};
use std::collections::HashSet;

const LEFT: f64 = 44.0;
const PLOT: f64 = 290.0;
/// Half of a line of text, and of the space that a dot takes.
const HALF: f64 = 7.0;

/// A rung's place: operations per byte of the problem, and operations per second.
fn place(row: &Row) -> Option<[f64; 2]> {
    let (gflops, gbs) = (row.gflops?, row.gbs?);
    let there = gflops.is_finite() && gflops > 0.0 && gbs.is_finite() && gbs > 0.0;
    there.then(|| [gflops / gbs, gflops])
}

/// Left, top, right and bottom.
type Area = [f64; 4];

fn overlap(a: &Area, b: &Area) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Names beside dots, each where it covers no dot and no other name.
struct Names {
    taken: Vec<Area>,
    within: Area,
}

impl Names {
    /// Where `area` covers nothing and lies inside.
    fn free(&self, area: &Area) -> bool {
        let [left, top, right, bottom] = self.within;
        let inside = area[0] >= left && area[1] >= top && area[2] <= right && area[3] <= bottom;
        inside && !self.taken.iter().any(|t| overlap(t, area))
    }

    /// Write the name of the dot at `x`, `y` beside it, or as little below as there is room, with a line to it then; nowhere where all is
    /// full. Called from the highest dot to the lowest, it keeps names in the order of their dots. `widest`: where this one and its
    /// neighbours fit to the right, they stand there.
    fn write(&mut self, svg: &mut Svg, [x, y]: [f64; 2], name: &str, widest: f64) {
        let width = text_width(name);
        let sides = match x + 16.0 + widest <= self.within[2] {
            true => [1.0, -1.0],
            false => [-1.0, 1.0],
        };
        let steps = (0..=48).flat_map(|i| sides.map(|side| (side, 2.0 * f64::from(i))));
        let mut places = steps.map(|(side, down)| {
            let gap = if down < 3.0 { 8.0 } else { 16.0 };
            let near = x + side * gap;
            let far = near + side * width;
            let area = [
                near.min(far),
                y + down - HALF,
                near.max(far),
                y + down + HALF,
            ];
            (side, near, area)
        });
        let Some((side, near, area)) = places.find(|(_, _, area)| self.free(area)) else {
            return;
        };
        let middle = area[1] + HALF;
        if middle - y >= 3.0 {
            svg.line("axis", [x + side * 5.0, y], [near - side * 2.0, middle]);
        }
        let class = match side > 0.0 {
            true => "label halo",
            false => "label end halo",
        };
        svg.text(class, [near, middle + 4.0], name);
        self.taken.push(area);
    }
}

/// Rates over operations per byte, both logarithmic: the roof is the lesser of the peak and what copying feeds. Rungs of one problem stand
/// above each other. Problems are counted with the least traffic, so no cache lifts a rung over the roof: Winograd does, whose rate counts
/// multiplications that it does not do. Every rung is named where there is one problem, else what runs by default.
pub fn roofline(m: &Measured) -> Svg {
    let mut svg = Svg::new(NARROW, 0.0, "Rungs under the device's roofline");
    svg.text("title", [0.0, 15.0], "Roofline");
    let y = svg.lines("tick", [0.0, 35.0], &caption(m));
    let usable = |v: f64| v.is_finite() && v > 0.0;
    if !usable(m.peak_gflops) || !usable(m.copy_gbs) {
        svg.text(
            "label",
            [0.0, y + 8.0],
            "The device's peaks were not measured.",
        );
        svg.height = y + 16.0;
        return svg;
    }
    svg.circle("dot s2", [5.0, y + 4.0], 4.5, "");
    svg.text("label", [14.0, y + 8.0], "runs by default");
    svg.circle("dot s1", [135.0, y + 4.0], 4.5, "");
    svg.text("label", [144.0, y + 8.0], "other rungs");
    svg.text("tick", [0.0, y + 30.0], "GFLOP/s");
    let (top, bottom) = (y + 40.0, y + 40.0 + PLOT);
    svg.height = bottom + 40.0;

    let ridge = m.peak_gflops / m.copy_gbs;
    let places: Vec<(&Row, [f64; 2])> = m
        .results
        .iter()
        .filter_map(|r| Some((r, place(r)?)))
        .collect();
    let span = |axis: usize, lo: f64, hi: f64| {
        let values = places.iter().map(|(_, p)| p[axis]);
        let (lo, hi) = values.fold((lo, hi), |(lo, hi), v| (lo.min(v), hi.max(v)));
        [lo / 2.0, hi * 2.0]
    };
    let x = Scale::log(span(0, ridge / 4.0, ridge * 4.0), [LEFT, NARROW]);
    let y = Scale::log(span(1, m.peak_gflops / 8.0, m.peak_gflops), [bottom, top]);
    for tick in x.ticks(6) {
        svg.line("grid", [x.at(tick), top], [x.at(tick), bottom]);
        svg.text("tick mid", [x.at(tick), bottom + 17.0], &figure(tick));
    }
    for tick in y.ticks(6) {
        svg.line("grid", [LEFT, y.at(tick)], [NARROW, y.at(tick)]);
        svg.text("tick end", [LEFT - 7.0, y.at(tick) + 4.0], &figure(tick));
    }
    let middle = (LEFT + NARROW) / 2.0;
    svg.text(
        "tick mid",
        [middle, bottom + 35.0],
        "operations per byte (least traffic)",
    );

    // Where copying feeds less than the axis shows, the roof begins at the axis.
    let lowest = 10f64.powf(y.low_log());
    let first = (lowest / m.copy_gbs)
        .max(10f64.powf(x.low_log()))
        .min(ridge);
    let start = [x.at(first), y.at(first * m.copy_gbs)];
    let corner = [x.at(ridge), y.at(m.peak_gflops)];
    svg.line("limit", start, corner);
    svg.line("limit", corner, [NARROW, corner[1]]);
    // Above the slope, where no rung is.
    let along = |t: f64| [0, 1].map(|i| start[i] + t * (corner[i] - start[i]) - [4.0, 6.0][i]);
    let feed = format!("{} GB/s", figure(m.copy_gbs));
    let ([x0, y0], end) = (along(0.15), along(1.0));
    svg.text_along("label halo", [x0, y0], end, &feed);
    let share = text_width(&feed) / (end[0] - x0).hypot(end[1] - y0).max(1.0);
    let [dx, dy] = [(end[0] - x0) * share, (end[1] - y0) * share];
    let feed = [x0 - HALF, y0 + dy - HALF, x0 + dx, y0];

    let at = |p: &[f64; 2]| [x.at(p[0]), y.at(p[1])];
    let dot = |[x, y]: [f64; 2]| [x - 5.0, y - 5.0, x + 5.0, y + 5.0];
    let mut names = Names {
        taken: places
            .iter()
            .map(|(_, p)| dot(at(p)))
            .chain([feed])
            .collect(),
        within: [LEFT, top, NARROW, bottom],
    };
    // Above the roof at its end, or below, or at its beginning: where no dot is.
    let peak = format!("{} GFLOP/s", figure(m.peak_gflops));
    let width = text_width(&peak);
    let ends = [
        [NARROW - width, corner[1] - 12.0],
        [NARROW - width, corner[1] + 13.0],
        [corner[0], corner[1] - 12.0],
    ];
    let areas = ends.map(|[x, y]| [x, y - HALF, x + width, y + HALF]);
    let area = areas.iter().find(|a| names.free(a)).unwrap_or(&areas[0]);
    svg.text("label end halo", [area[2], area[3] - 3.0], &peak);
    names.taken.push(*area);

    let distinct = |key: fn(&Row) -> &String| {
        let all: HashSet<_> = places.iter().map(|(r, _)| key(r)).collect();
        all.len()
    };
    let (ops, problems) = (distinct(|r| &r.op), distinct(|r| &r.shape));
    for (row, p) in &places {
        let class = if row.default { "dot s2" } else { "dot s1" };
        let rate = figure(p[1]);
        let tip = format!("{} {}, {}: {rate} GFLOP/s", row.op, row.rung, row.shape);
        svg.circle(class, at(p), 4.5, &printable(&tip));
    }
    let mut named: Vec<([f64; 2], String)> = places
        .iter()
        .filter(|(row, _)| row.default || ops * problems == 1)
        .map(|(row, p)| (at(p), printable(if ops > 1 { &row.op } else { &row.rung })))
        .collect();
    named.sort_by(|a, b| a.0[1].total_cmp(&b.0[1]));
    let widest = named.iter().map(|n| text_width(&n.1)).fold(0.0, f64::max);
    for (place, name) in &named {
        names.write(&mut svg, *place, name, widest);
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::MadeFor;
    use crate::report::plot::ladder;

    fn row(rung: &str, gflops: Option<f64>, default: bool) -> Row {
        Row {
            op: "conv2d.forward".to_owned(),
            rung: rung.to_owned(),
            made_for: MadeFor::Any,
            shape: "n=1 <c=2>".to_owned(),
            ms: gflops.map(|g| 1.0 / g),
            gflops,
            gbs: gflops.map(|g| g / 20.0),
            fraction_of_peak: gflops.map(|g| g / 100.0),
            max_error: None,
            skipped: gflops.is_none().then(|| "no \"room\"".to_owned()),
            default,
        }
    }

    fn bench(results: Vec<Row>) -> Measured {
        Measured {
            adapter: "here & now".to_owned(),
            driver: "a driver".to_owned(),
            date: "2026-01-31".to_owned(),
            command: "gtzan-gpu bench conv2d".to_owned(),
            peak_gflops: 100.0,
            copy_gbs: 10.0,
            results,
        }
    }

    /// Of each element of a class, one of its attributes.
    fn all(svg: &str, element: &str, attribute: &str) -> Vec<f64> {
        let attribute = format!(" {attribute}=\"");
        let of = |t: &str| t.split(&attribute).nth(1)?.split('"').next()?.parse().ok();
        svg.split(element).skip(1).filter_map(of).collect()
    }

    #[test]
    fn faster_rungs_stand_higher_and_have_longer_bars() {
        let m = bench(vec![
            row("slow", Some(2.0), false),
            row("fast", Some(80.0), true),
            row("out", None, false),
        ]);
        let drawn = roofline(&m).standalone();
        let heights = |dots: &str| all(&drawn, dots, "cy");
        // The first of each colour is the key's.
        let (others, defaults) = (heights("dot s1"), heights("dot s2"));
        assert_eq!((others.len(), defaults.len()), (2, 2), "{drawn}");
        assert!(defaults[1] < others[1], "{drawn}");
        for said in [
            "here &amp; now, a driver",
            "n=1 &lt;c=2&gt;",
            "2026-01-31: gtzan-gpu bench conv2d",
            ">100 GFLOP/s<",
            ">10 GB/s<",
        ] {
            assert!(drawn.contains(said), "{said}: {drawn}");
        }
        let bars = ladder(&m).standalone();
        let lengths = all(&bars, "class=\"bar", "width");
        assert_eq!(lengths.len(), 2, "{bars}");
        assert!((lengths[1] / lengths[0] - 40.0).abs() < 0.1, "{lengths:?}");
        assert!(bars.contains("skipped: no &quot;room&quot;"), "{bars}");
        let nothing = Measured {
            peak_gflops: f64::NAN,
            copy_gbs: 0.0,
            ..m
        };
        assert!(roofline(&nothing).standalone().contains("not measured"));
        assert!(!ladder(&bench(vec![])).standalone().contains("bar s"));
    }

    /// A rate over the peak keeps its bar inside, and the peak is marked.
    #[test]
    fn a_bar_may_pass_the_peak() {
        let m = bench(vec![
            row("direct", Some(50.0), false),
            row("winograd", Some(200.0), true),
        ]);
        let bars = ladder(&m).standalone();
        let lengths = all(&bars, "class=\"bar", "width");
        assert_eq!(lengths, [NARROW / 4.0, NARROW], "{bars}");
        assert_eq!(
            all(&bars, "class=\"limit\"", "x1"),
            [NARROW / 2.0; 2],
            "{bars}"
        );
    }

    /// However close they lie: names that would cover each other are left out, the slowest first.
    #[test]
    fn names_do_not_cover_each_other() {
        let rung = |i: u32| {
            row(
                &format!("rung_{i}"),
                Some(1.0 + f64::from(i) / 1e3),
                i == 39,
            )
        };
        let drawn = roofline(&bench((0..40).map(rung).collect())).standalone();
        let start = drawn
            .split("text class=\"label")
            .filter(|t| t.contains(">rung_"));
        let of = |t: &str, a: &str| all(&format!("<{t}"), "<", a)[0];
        let places: Vec<(bool, f64)> = start.map(|t| (t.contains("end"), of(t, "y"))).collect();
        assert!((4..40).contains(&places.len()), "{places:?}");
        assert!(drawn.contains(">rung_39<"), "{drawn}");
        for (i, a) in places.iter().enumerate() {
            for b in &places[i + 1..] {
                assert!(
                    a.0 != b.0 || (a.1 - b.1).abs() >= 2.0 * HALF - 0.01,
                    "{places:?}"
                );
            }
        }
    }
}
