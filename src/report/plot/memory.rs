//! Memory over one training step: the bytes that are live, and where every buffer lies in its arena while it lives.

use std::fmt::Write as _;

use super::scale::Scale;
use super::{Svg, fit, px, text_width};
use crate::report::MemoryTimeline;
use crate::report::format::{byte_unit, bytes, printable, trim_zeros};

const LEFT: f64 = 66.0;
const LIVE_TOP: f64 = 54.0;
const LIVE_HEIGHT: f64 = 170.0;
const ARENAS_HEIGHT: f64 = 260.0;
const ARENA_HEAD: f64 = 24.0;

/// `width` is [`super::WIDE`] for desktops or [`super::NARROW`] for phones.
pub fn memory(timeline: &MemoryTimeline, width: f64) -> Svg {
    let steps = timeline.steps();
    let right = width - 6.0;
    let x = Scale::linear([0.0, steps.max(1) as f64], [LEFT, right]);
    let heights = arena_heights(timeline);
    let arenas: f64 = heights.iter().map(|h| h + ARENA_HEAD).sum();
    let first_arena = LIVE_TOP + LIVE_HEIGHT + 14.0;
    let axis = first_arena + arenas + 4.0;
    let mut svg = Svg::new(width, axis + 42.0, "Memory over one training step");
    svg.text("title", [0.0, 15.0], "Memory over one training step");
    draw_live(&mut svg, timeline, &x, right);
    let mut y = first_arena;
    for (i, height) in heights.iter().enumerate() {
        draw_arena(&mut svg, timeline, i, &x, y, *height, right);
        y += height + ARENA_HEAD;
    }
    for tick in x
        .ticks((width / 110.0) as usize)
        .into_iter()
        .filter(|t| t.fract() == 0.0)
    {
        svg.line("axis", [x.at(tick), axis], [x.at(tick), axis + 4.0]);
        svg.text(
            "tick mid",
            [x.at(tick).min(right - 8.0), axis + 18.0],
            &format!("{tick}"),
        );
    }
    svg.line("axis", [LEFT, axis], [right, axis]);
    svg.text("tick mid", [(LEFT + right) / 2.0, axis + 36.0], "dispatch");
    svg
}

/// Live bytes as an area, with what the arenas take together and the bound that no plan can go below.
fn draw_live(svg: &mut Svg, timeline: &MemoryTimeline, x: &Scale, right: f64) {
    let total: u64 = timeline.arenas.iter().map(|a| a.bytes).sum();
    let peak = timeline.live.iter().copied().max().unwrap_or(0);
    let top = total.max(peak).max(timeline.lower_bound).max(1);
    let (unit, divisor) = byte_unit(top);
    let bottom = LIVE_TOP + LIVE_HEIGHT;
    let y = Scale::linear([0.0, 1.05 * top as f64 / divisor], [bottom, LIVE_TOP]);
    svg.text("tick end", [LEFT - 8.0, LIVE_TOP - 18.0], unit);
    for tick in y.ticks(4) {
        svg.line("grid", [LEFT, y.at(tick)], [right, y.at(tick)]);
        let text = format!("{tick:.3}");
        svg.text(
            "tick end",
            [LEFT - 8.0, y.at(tick) + 4.0],
            trim_zeros(&text),
        );
    }
    let mut outline = String::new();
    for (i, &live) in timeline.live.iter().enumerate() {
        let at = px(y.at(live as f64 / divisor));
        let (from, to) = (px(x.at(i as f64)), px(x.at((i + 1) as f64)));
        let command = if i == 0 { 'M' } else { 'L' };
        let _ = write!(outline, "{command}{from} {at}H{to}");
    }
    if !outline.is_empty() {
        let (end, base, start) = (px(x.at(timeline.live.len() as f64)), px(bottom), px(LEFT));
        svg.path("area s1", &format!("{outline}L{end} {base}H{start}Z"));
        svg.path("line s1", &outline);
    }
    for (i, &live) in timeline.live.iter().enumerate() {
        let (from, to) = (x.at(i as f64), x.at((i + 1) as f64));
        let tooltip = format!(
            "dispatch {i}{}: {} live",
            timeline.dispatch_name(i),
            bytes(live)
        );
        svg.rect(
            "hover",
            "",
            [from, LIVE_TOP, to - from, LIVE_HEIGHT],
            &tooltip,
        );
    }
    svg.line("axis", [LEFT, bottom], [right, bottom]);
    let planned = y.at(total as f64 / divisor);
    svg.line("limit", [LEFT, planned], [right, planned]);
    svg.text(
        "label end",
        [right, planned - 6.0],
        &format!("allocated {}", bytes(total)),
    );
    let bound = y.at(timeline.lower_bound as f64 / divisor);
    svg.line("mark", [LEFT, bound], [right, bound]);
    let label = format!("lower bound {}", bytes(timeline.lower_bound));
    // On the left, where a step has little in memory yet.
    svg.text("label halo", [LEFT + 6.0, bound + 16.0], &label);
}

/// One arena: a row of the map, every buffer a rectangle from its first to its last dispatch at its offset.
fn draw_arena(
    svg: &mut Svg,
    timeline: &MemoryTimeline,
    arena: usize,
    x: &Scale,
    y: f64,
    height: f64,
    right: f64,
) {
    let a = &timeline.arenas[arena];
    let head = format!("{} · {}", printable(&a.name), bytes(a.bytes));
    svg.text("label", [LEFT, y + 15.0], &fit(&head, right - LEFT));
    let top = y + ARENA_HEAD - 3.0;
    svg.rect("track", "", [LEFT, top, right - LEFT, height], "");
    let colour = ["s1", "s2", "s3", "s4"][arena % 4];
    let per_byte = height / a.bytes.max(1) as f64;
    let buffers = timeline.buffers.iter().filter(|b| b.arena == arena);
    for (i, b) in buffers.enumerate() {
        let (from, to) = (x.at(b.first as f64), x.at(b.last as f64 + 1.0));
        let (offset, size) = (b.offset as f64 * per_byte, b.bytes as f64 * per_byte);
        let area = [from, top + offset, to - from, size.min(height - offset)];
        let name = printable(&b.name);
        let tooltip = format!(
            "{name}: {} at offset {}, dispatches {} to {}",
            bytes(b.bytes),
            bytes(b.offset),
            b.first,
            b.last
        );
        // Neighbours differ in strength so that they can be told apart within one colour.
        let style = format!("fill-opacity:{}", [0.85, 0.55, 0.7][i % 3]);
        // An outline would swallow a sliver.
        let sliver = if area[2].min(area[3]) < 3.0 {
            " sliver"
        } else {
            ""
        };
        svg.rect(&format!("buffer{sliver} {colour}"), &style, area, &tooltip);
        let label = fit(&name, area[2] - 8.0);
        if area[3] >= 15.0 && area[2] >= 34.0 && text_width(&label) <= area[2] - 6.0 {
            svg.text(
                "inside",
                [from + 4.0, area[1] + area[3].min(20.0) / 2.0 + 4.0],
                &label,
            );
        }
    }
}

/// Heights in proportion to the arenas' bytes, but never too small to see.
fn arena_heights(timeline: &MemoryTimeline) -> Vec<f64> {
    let total: u64 = timeline.arenas.iter().map(|a| a.bytes).sum();
    (timeline.arenas.iter())
        .map(|a| (ARENAS_HEIGHT * a.bytes as f64 / total.max(1) as f64).max(20.0))
        .collect()
}
