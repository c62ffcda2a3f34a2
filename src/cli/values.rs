//! Numbers on the command line: what is out of range is told what the range is.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A parser of whole numbers within `range`.
pub fn whole<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let value = text.parse().ok().filter(|n| range.contains(n));
        let (low, high) = (range.start(), range.end());
        value.ok_or_else(|| format!("give a whole number from {low} to {high}"))
    }
}

/// Samples per step: kernels are launched on that many samples at most.
pub fn batch_size() -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    whole(1..=65_535)
}

/// CPU threads; more than there are tracks or cores don't help.
pub fn threads() -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    whole(1..=crate::dataset::MOST_THREADS)
}

/// A time to wait: a week at most.
pub fn seconds() -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    whole(1..=604_800)
}

/// Any count from 1.
pub fn count() -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    whole(1..=i64::MAX as usize)
}
