//! `librosa.power_to_db` (ref 1.0, amin 1e-10, top_db 80).

/// Everything is clamped to this far under the maximum.
pub(super) const TOP_DB: f64 = 80.0;

/// Power below this counts as this.
const AMIN: f64 = 1e-10;

/// Decibels relative to 1, without the clamp at the top.
pub(super) fn db(power: f64) -> f64 {
    10.0 * power.max(AMIN).log10()
}

/// `librosa.power_to_db(power)` with its defaults: no value is more than 80 dB under the largest.
pub(super) fn power_to_db(power: &[f64]) -> Vec<f64> {
    let mut out: Vec<f64> = power.iter().map(|&p| db(p)).collect();
    let floor = out.iter().copied().fold(f64::NEG_INFINITY, f64::max) - TOP_DB;
    out.iter_mut().for_each(|v| *v = v.max(floor));
    out
}
