//! Whether a set fits into this machine's memory, before hours are spent on computing it.

use super::{FRAMES, ROWS};
use crate::error::{Error, Result};
use crate::report::format::bytes;

/// Features lie in memory twice while a set is put together.
const COPIES: u64 = 2;

/// Bytes that programs can still have, where the system says.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Refuse a set of `tracks`, of each at least so many `samples`, that this machine can't hold.
///
/// # Errors
/// With what it would take, what there is, and how many tracks would fit.
pub(super) fn check(tracks: usize, samples: usize) -> Result<()> {
    match available() {
        Some(available) => check_within(tracks, samples, available),
        None => Ok(()),
    }
}

fn check_within(tracks: usize, samples: usize, available: u64) -> Result<()> {
    let each = COPIES * (samples * ROWS * FRAMES * size_of::<f32>()) as u64;
    let most = available / each;
    if tracks as u64 <= most {
        return Ok(());
    }
    Err(Error::data(format!(
        "{tracks} tracks take {} of memory, and {} are free; at most {most} fit: use --limit {most}",
        bytes((tracks as u64).saturating_mul(each)),
        bytes(available)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_beyond_memory_is_refused_with_what_fits() {
        let each = 2 * 187 * 130 * 4;
        check_within(10, 1, 10 * each).expect("exactly as much as there is");
        let error = check_within(11, 1, 11 * each - 1)
            .expect_err("a byte too many")
            .to_string();
        assert!(error.ends_with("at most 10 fit: use --limit 10"), "{error}");
        let error = check_within(11, 10, 100 * each).expect_err("of ten segments each");
        assert!(error.to_string().contains("--limit 10"), "{error}");
        check_within(usize::MAX, 1, u64::MAX / 2).expect_err("no overflow");
        check_within(0, 1, 0).expect("nothing fits into nothing");
    }
}
