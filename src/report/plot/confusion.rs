//! The confusion matrix as a heat map: truth downwards, predictions across.

use super::{NARROW, Svg, fit, text_width};
use crate::report::format::{percent, printable};
use crate::report::metrics::ConfusionMatrix;

/// A cell's colour is the share of its row, so that genres of different size compare; the number is the count.
///
/// Up to about a dozen genres the plot is [`NARROW`] wide; beyond that it grows by 22 px per genre.
pub fn confusion(matrix: &ConfusionMatrix) -> Svg {
    let n = matrix.genres().len();
    let names: Vec<String> = matrix.genres().iter().map(|g| printable(g)).collect();
    let longest = names.iter().map(|s| text_width(s)).fold(30.0, f64::max);
    let label = longest.min(120.0);
    let left = label + 12.0;
    // Slanted column labels stick out to the right of the last column and above the first row.
    let slant = label * std::f64::consts::FRAC_1_SQRT_2;
    let top = slant + 40.0;
    let cell = ((NARROW - left - slant) / n.max(1) as f64).clamp(22.0, 44.0);
    let width = (left + cell * n as f64 + slant).max(NARROW);
    let height = top + cell * n as f64 + 8.0;
    let mut svg = Svg::new(width, height, "Confusion matrix");
    svg.text("title", [0.0, 15.0], "Confusion matrix");
    svg.text("tick end", [NARROW, 15.0], "rows: true, columns: predicted");
    for (i, name) in names.iter().enumerate() {
        let middle = top + (i as f64 + 0.5) * cell;
        let short = fit(name, label);
        svg.text("label end", [left - 8.0, middle + 4.0], &short);
        let column = left + (i as f64 + 0.5) * cell + 4.0;
        svg.slanted_text("label", [column, top - 6.0], &short, name);
        let support: u64 = matrix.counts()[i].iter().sum();
        for (j, &count) in matrix.counts()[i].iter().enumerate() {
            let share = count as f64 / support.max(1) as f64;
            let at = [left + j as f64 * cell, top + i as f64 * cell];
            let tooltip = format!(
                "{name} predicted as {}: {count} of {support} ({})",
                names[j],
                percent(share)
            );
            draw_cell(&mut svg, at, cell, count, share, i == j, &tooltip);
        }
    }
    svg
}

fn draw_cell(
    svg: &mut Svg,
    [x, y]: [f64; 2],
    cell: f64,
    count: u64,
    share: f64,
    diagonal: bool,
    tooltip: &str,
) {
    let class = if diagonal { "cell diagonal" } else { "cell" };
    svg.rect(
        "cell empty",
        "",
        [x + 1.0, y + 1.0, cell - 2.0, cell - 2.0],
        "",
    );
    if count == 0 && !diagonal {
        return;
    }
    // One mistake in a hundred must still be seen, hence the floor.
    let opacity = if count == 0 { 0.0 } else { 0.08 + 0.92 * share };
    let style = format!("fill-opacity:{opacity:.2}");
    svg.rect(
        class,
        &style,
        [x + 1.0, y + 1.0, cell - 2.0, cell - 2.0],
        tooltip,
    );
    if count > 0 {
        let text = count.to_string();
        let size = if text_width(&text) + 4.0 > cell {
            " small"
        } else {
            ""
        };
        let ink = if share > 0.6 { " on" } else { "" };
        svg.text(
            &format!("count mid{size}{ink}"),
            [x + cell / 2.0, y + cell / 2.0 + 4.0],
            &text,
        );
    }
}
