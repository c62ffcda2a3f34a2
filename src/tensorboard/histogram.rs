//! Histograms in TensorFlow's buckets.

use super::proto::HistogramProto;
use std::sync::LazyLock;

/// Right edges of the buckets: those of TensorFlow's `Histogram`, 1e-12 and from there by a tenth more each, to 1e20; the same
/// below zero, mirrored; the last one holds whatever is greater.
static LIMITS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let growing: Vec<f64> = std::iter::successors(Some(1e-12), |v| Some(v * 1.1))
        .take_while(|&v| v < 1e20)
        .chain([f64::MAX])
        .collect();
    let below = growing.iter().rev().map(|v| -v);
    below.chain([0.0]).chain(growing.iter().copied()).collect()
});

/// How the finite ones of `values` are distributed; `None` when there are none. Buckets that nothing falls in are left out at
/// both ends.
pub fn histogram(values: &[f32]) -> Option<HistogramProto> {
    let limits = &*LIMITS;
    let mut counts = vec![0u64; limits.len()];
    let [mut low, mut high, mut sum, mut squares] = [f64::MAX, f64::MIN, 0.0, 0.0];
    for value in values.iter().filter(|v| v.is_finite()) {
        let value = f64::from(*value);
        // A bucket holds what is below its edge and not below the one before.
        counts[limits.partition_point(|&limit| limit <= value)] += 1;
        low = low.min(value);
        high = high.max(value);
        sum += value;
        squares += value * value;
    }
    let first = counts.iter().position(|&n| n > 0)?;
    let last = counts.iter().rposition(|&n| n > 0)?;
    // One empty bucket in front, whose edge is where the first one begins.
    let range = first.saturating_sub(1)..=last;
    Some(HistogramProto {
        min: Some(low),
        max: Some(high),
        num: Some(counts.iter().sum::<u64>() as f64),
        sum: Some(sum),
        sum_squares: Some(squares),
        bucket_limit: limits[range.clone()].to_vec(),
        bucket: counts[range].iter().map(|&n| n as f64).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_value_is_in_the_bucket_that_holds_it() {
        let mut values = vec![0.0, -0.0, 1e-12, -1e-12, f32::MAX, f32::MIN, 1.0, -1.0];
        values.extend((0..500).map(|i| (i as f32 * 0.37).sin() * 10f32.powi(i % 17 - 8)));
        let finite = values.len();
        values.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        let h = histogram(&values).unwrap();
        assert_eq!(h.num, Some(finite as f64));
        assert_eq!(h.bucket.iter().sum::<f64>(), finite as f64);
        assert_eq!(h.min, Some(f64::from(f32::MIN)));
        let mut before = f64::NEG_INFINITY;
        for (&limit, &count) in h.bucket_limit.iter().zip(&h.bucket) {
            let inside = |v: &&f32| (before..limit).contains(&f64::from(**v));
            let there = values[..finite].iter().filter(inside).count();
            assert_eq!(there as f64, count, "{before}..{limit}");
            before = limit;
        }
    }

    #[test]
    fn values_that_are_all_alike_have_one_bucket_and_an_edge() {
        let h = histogram(&[0.5; 7]).unwrap();
        assert_eq!(h.bucket, [0.0, 7.0]);
        assert!(h.bucket_limit[0] <= 0.5 && 0.5 < h.bucket_limit[1]);
        assert_eq!((h.min, h.max, h.sum), (Some(0.5), Some(0.5), Some(3.5)));
        assert_eq!(histogram(&[]), None);
        assert_eq!(histogram(&[f32::NAN]), None);
    }
}
