//! Numbers and names as people read them.

/// Bytes in binary units: `512 B`, `1.5 KiB`, `412.3 MiB`.
pub fn bytes(bytes: u64) -> String {
    let (unit, divisor) = byte_unit(bytes);
    if divisor == 1.0 {
        format!("{bytes} {unit}")
    } else {
        format!("{:.1} {unit}", bytes as f64 / divisor)
    }
}

/// The largest binary unit that `bytes` fills at least once, and its size in bytes.
pub fn byte_unit(bytes: u64) -> (&'static str, f64) {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let exponent = (bytes.max(1).ilog2() / 10).min(4);
    (UNITS[exponent as usize], f64::from(exponent * 10).exp2())
}

/// A duration: `0.8 s`, `12.3 s`, `4 min 05 s`, `1 h 02 min`.
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".into();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A fraction as a percentage with one digit, `86.2 %`.
pub fn percent(fraction: f64) -> String {
    if fraction.is_finite() {
        format!("{:.1} %", 100.0 * fraction)
    } else {
        number(fraction)
    }
}

/// About four significant digits, whatever the size; `NaN` and `∞` by name.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "∞" } else { "−∞" }.into()
    } else if value == 0.0 {
        "0".into()
    } else if !(1e-3..1e6).contains(&size) {
        short_exponent(value)
    } else {
        let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
        format!("{value:.decimals$}")
    }
}

/// A measured rate or time, three significant digits and no zeros behind them: `0.0953`, `7.46`, `587`, `1360`, `50`.
pub fn measured(value: f64) -> String {
    let size = value.abs();
    if !(1e-3..1e6).contains(&size) {
        return number(value);
    }
    let digits = 2 - size.log10().floor() as i32;
    let unit = 10f64.powi(digits);
    let decimals = digits.max(0) as usize;
    let rounded = (value * unit).round() / unit;
    trim_zeros(&format!("{rounded:.decimals$}")).to_string()
}

/// A learning rate or another tuned value, without noise in the last digits: `0.001`, `2e-4`, `1.6e-6`.
pub fn tuned(value: f64) -> String {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && size < 1e-3 {
        short_exponent(value)
    } else if value.is_finite() {
        trim_zeros(&format!("{value:.6}")).to_string()
    } else {
        number(value)
    }
}

/// Thousands in groups: `1 234 567`, with narrow no-break spaces.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

pub use crate::text::printable;

pub(super) fn trim_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

fn short_exponent(value: f64) -> String {
    let text = format!("{value:.3e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{}e{exponent}", trim_zeros(mantissa)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well_at_every_size() {
        let cases: [(String, &str); 25] = [
            (bytes(0), "0 B"),
            (bytes(1023), "1023 B"),
            (bytes(1 << 20), "1.0 MiB"),
            (bytes(u64::MAX), "16777216.0 TiB"),
            (seconds(0.84), "0.8 s"),
            (seconds(245.0), "4 min 05 s"),
            (seconds(3725.0), "1 h 02 min"),
            (seconds(f64::NAN), "unknown"),
            (percent(0.8625), "86.2 %"),
            (percent(f64::NAN), "NaN"),
            (number(2.345678), "2.346"),
            (number(123.456), "123.5"),
            (number(1.5e-7), "1.5e-7"),
            (number(f64::NEG_INFINITY), "−∞"),
            (measured(0.095_256), "0.0953"),
            (measured(587.46), "587"),
            (measured(1364.61), "1360"),
            (measured(50.0), "50"),
            (measured(999.6), "1000"),
            (measured(0.0), "0"),
            (tuned(0.001), "0.001"),
            (tuned(0.0002), "2e-4"),
            (tuned(1e-3 * 0.2 * 0.2), "4e-5"),
            (count(1_234_567), "1\u{202f}234\u{202f}567"),
            (printable("a\x1b[31m\nb"), "a\u{fffd}[31m\u{fffd}b"),
        ];
        for (got, want) in cases {
            assert_eq!(got, want);
        }
    }
}
