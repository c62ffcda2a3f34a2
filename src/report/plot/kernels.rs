//! Time per kernel in one training step, as bars.

use super::{NARROW, Svg, fit, text_width};
use crate::report::KernelTimes;
use crate::report::format::{number, percent, printable};

const ROW: f64 = 34.0;
const MAX_ROWS: usize = 14;

/// The slowest kernels, the rest joined in one bar. The label stands above its bar, so that long names fit a phone.
pub fn kernels(times: &KernelTimes) -> Svg {
    let mut rows: Vec<(String, f64, f64)> = (times.rows.iter())
        .map(|r| {
            let (op, kernel) = (printable(&r.op), printable(&r.kernel));
            let name = if op == kernel {
                kernel
            } else {
                format!("{op} · {kernel}")
            };
            (name, r.ms, r.share)
        })
        .collect();
    // Times that aren't numbers go last.
    rows.sort_by(|a, b| key(b.1).total_cmp(&key(a.1)));
    if rows.len() > MAX_ROWS + 1 {
        let rest = rows.split_off(MAX_ROWS);
        let ms = rest.iter().map(|r| r.1).sum();
        let share = rest.iter().map(|r| r.2).sum();
        rows.push((format!("{} others", rest.len()), ms, share));
    }
    let longest = rows.iter().map(|r| key(r.1)).fold(0.0, f64::max);
    let height = 44.0 + ROW * rows.len() as f64;
    let mut svg = Svg::new(NARROW, height, "Time per kernel in one training step");
    svg.text("title", [0.0, 15.0], "Time per kernel");
    let total = format!("one step: {} ms", number(times.step_ms));
    svg.text("label end", [NARROW, 15.0], &total);
    for (i, (name, ms, share)) in rows.iter().enumerate() {
        let y = 34.0 + ROW * i as f64;
        let value = format!("{} ms · {}", number(*ms), percent(*share));
        let label = fit(name, NARROW - text_width(&value) - 16.0);
        svg.text("label", [0.0, y + 11.0], &label);
        svg.text("tick end", [NARROW, y + 11.0], &value);
        let length = if longest > 0.0 {
            key(*ms) / longest * NARROW
        } else {
            0.0
        };
        svg.rect("track", "", [0.0, y + 17.0, NARROW, 8.0], "");
        svg.rect(
            "bar s1",
            "",
            [0.0, y + 17.0, length, 8.0],
            &format!("{name}: {value}"),
        );
    }
    svg
}

fn key(ms: f64) -> f64 {
    if ms.is_finite() { ms.max(0.0) } else { 0.0 }
}
