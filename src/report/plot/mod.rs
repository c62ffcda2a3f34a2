//! The report's plots as SVG, written by hand.
//!
//! A plotting library draws finished colours and fixed text; these plots must follow the reader's light or dark theme,
//! carry tooltips, and stay legible on a phone. With CSS classes instead of colours (`chart.css` holds both themes)
//! one drawing serves inside the HTML report and as a file, and the few marks needed here (lines, bars, text) are
//! less code than post-processing a library's output would be.
//!
//! Coordinates are CSS pixels. A plot is drawn for the width it is shown at, so text is 12 to 14 px on every screen;
//! wide plots come in a second, narrow drawing for phones.

mod confusion;
mod curves;
mod kernels;
mod ladder;
mod memory;
mod roofline;
mod scale;

pub use confusion::confusion;
pub use curves::{MAX_LR_MARKS, accuracy, fold_accuracy, fold_loss, learning_rate, loss};
pub use kernels::kernels;
pub use ladder::ladder;
pub use memory::memory;
pub use roofline::roofline;

use std::fmt::Write as _;

/// Colours and text styles of all plots, for both themes; the HTML report contains it once.
pub const CHART_CSS: &str = include_str!("chart.css");

/// Width of the plots that fit a phone, and two of which fit side by side on a desktop.
pub const NARROW: f64 = 420.0;

/// Width of the plots that take a whole desktop page.
pub const WIDE: f64 = 960.0;

/// From one line of text to the next.
const LINE: f64 = 16.0;

/// Space around a plot in a file of its own.
const MARGIN: f64 = 16.0;

/// A finished plot.
#[derive(Debug, Clone)]
pub struct Svg {
    /// Size in CSS pixels.
    pub width: f64,
    pub height: f64,
    label: String,
    body: String,
}

impl Svg {
    /// An empty drawing; `label` says what it shows, for screen readers.
    fn new(width: f64, height: f64, label: impl Into<String>) -> Self {
        Self {
            width,
            height,
            label: label.into(),
            body: String::new(),
        }
    }

    /// The `<svg>` element to put into HTML that contains [`CHART_CSS`]. It shrinks with its container.
    pub fn inline(&self) -> String {
        self.element(0.0, "")
    }

    /// A whole `.svg` file, with the style inside and a margin around.
    pub fn standalone(&self) -> String {
        let [x, y, w, h] = [
            -MARGIN,
            -MARGIN,
            self.width + 2.0 * MARGIN,
            self.height + 2.0 * MARGIN,
        ]
        .map(px);
        let head = format!(
            "\n<style>\n{CHART_CSS}</style>\n<rect class=\"surface\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>"
        );
        let element = self.element(MARGIN, &head);
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{element}\n")
    }

    fn element(&self, margin: f64, head: &str) -> String {
        let [origin, w, h] = [
            -margin,
            self.width + 2.0 * margin,
            self.height + 2.0 * margin,
        ]
        .map(px);
        let (label, body) = (escape(&self.label), &self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"{origin} {origin} {w} {h}\" \
             width=\"{w}\" height=\"{h}\" role=\"img\" aria-label=\"{label}\">{head}{body}\n</svg>"
        )
    }

    fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        let (x1, y1, x2, y2) = (px(x1), px(y1), px(x2), px(y2));
        self.push(format_args!(
            "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        ));
    }

    /// A rectangle with a tooltip; `style` is inline CSS for what the data decides (an opacity), or empty.
    fn rect(&mut self, class: &str, style: &str, [x, y, w, h]: [f64; 4], tooltip: &str) {
        let (x, y, w, h) = (px(x), px(y), px(w.max(0.0)), px(h.max(0.0)));
        let style = if style.is_empty() {
            String::new()
        } else {
            format!(" style=\"{style}\"")
        };
        let title = title(tooltip);
        self.push(format_args!(
            "<rect class=\"{class}\"{style} x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\">{title}</rect>"
        ));
    }

    fn circle(&mut self, class: &str, [x, y]: [f64; 2], radius: f64, tooltip: &str) {
        let (x, y, r, title) = (px(x), px(y), px(radius), title(tooltip));
        self.push(format_args!(
            "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\">{title}</circle>"
        ));
    }

    fn text(&mut self, class: &str, [x, y]: [f64; 2], text: &str) {
        let (x, y, text) = (px(x), px(y), escape(text));
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"
        ));
    }

    /// Text along the line from its place to another.
    fn text_along(&mut self, class: &str, from: [f64; 2], to: [f64; 2], text: &str) {
        let angle = px((to[1] - from[1]).atan2(to[0] - from[0]).to_degrees());
        let (x, y, text) = (px(from[0]), px(from[1]), escape(text));
        self.push(format_args!(
            "<text class=\"{class}\" transform=\"translate({x} {y}) rotate({angle})\">{text}</text>"
        ));
    }

    /// Lines of text below each other, the first with its foot at `y`; where the next would stand.
    fn lines(&mut self, class: &str, [x, y]: [f64; 2], lines: &[String]) -> f64 {
        for (i, line) in lines.iter().enumerate() {
            self.text(class, [x, y + LINE * i as f64], line);
        }
        y + LINE * lines.len() as f64
    }

    /// Text that goes up to the right at 45 degrees from its start, with a tooltip.
    fn slanted_text(&mut self, class: &str, [x, y]: [f64; 2], text: &str, tooltip: &str) {
        let (x, y, text, title) = (px(x), px(y), escape(text), title(tooltip));
        self.push(format_args!(
            "<text class=\"{class}\" transform=\"translate({x} {y}) rotate(-45)\">{title}{text}</text>"
        ));
    }

    fn path(&mut self, class: &str, d: &str) {
        self.push(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    fn push(&mut self, element: std::fmt::Arguments) {
        let _ = write!(self.body, "\n{element}");
    }
}

fn title(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("<title>{}</title>", escape(text))
    }
}

/// A coordinate with at most two decimals. Non-finite ones have no place in a drawing and become 0.
fn px(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{value:.2}");
    match super::format::trim_zeros(&text) {
        "-0" => "0".into(),
        trimmed => trimmed.into(),
    }
}

/// Text for XML: markup escaped, characters that XML forbids replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Width of `text` at 12.5 px in the system's sans-serif, estimated: a full-width character counts as 13 px, others
/// as 6.9.
fn text_width(text: &str) -> f64 {
    text.chars()
        .map(|c| if c >= '\u{1100}' { 13.0 } else { 6.9 })
        .sum()
}

/// `text`, cut with an ellipsis where it would be wider than `limit` pixels.
fn fit(text: &str, limit: f64) -> String {
    if text_width(text) <= limit {
        return text.to_string();
    }
    let mut cut = String::new();
    for c in text.chars() {
        cut.push(c);
        if text_width(&cut) + 6.9 > limit {
            cut.pop();
            break;
        }
    }
    cut.push('…');
    cut
}

/// `text` in lines that are no wider than `limit` pixels, broken at blanks; a longer word is cut.
fn wrap(text: &str, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line) + text_width(word) + 6.9 <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fit(word, limit)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_cut_and_never_breaks_the_xml() {
        assert_eq!(
            escape("<script>&\"\u{1}\n"),
            "&lt;script&gt;&amp;&quot;\u{fffd}\u{fffd}"
        );
        assert_eq!(fit("blues", 100.0), "blues");
        assert_eq!(fit("progressive metal", 70.0), "progressi…");
        assert_eq!(
            wrap("n=1 c=32  h=46 w=33", 60.0),
            ["n=1 c=32", "h=46", "w=33"]
        );
        assert_eq!(wrap("a verylongword", 40.0), ["a", "very…"]);
        assert_eq!(wrap(" ", 40.0), Vec::<String>::new());
        assert_eq!(px(-0.001), "0");
        assert_eq!(px(f64::NAN), "0");
        assert_eq!(px(12.50), "12.5");
    }
}
