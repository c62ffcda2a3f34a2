//! What the segments of a track say together.

use std::collections::HashMap;

/// What counts as the least probability: the smallest normal number of 32 bits. A device may flush what lies below to 0, whose
/// logarithm would outvote all other segments.
const LEAST: f32 = f32::MIN_POSITIVE;

/// Probabilities of a track, given those of its segments (any number of rows, each of `classes`): the mean of their logarithms,
/// normalised to a sum of 1. One row comes back as it is; no row gives equal probabilities.
///
/// A segment that is sure that it is not reggae counts for more than in the mean of probabilities, to which that segment adds 0 and a
/// doubtful one hardly less. This is the logarithmic opinion pool (Genest and Zidek 1986), the product rule of Kittler et al. 1998.
pub fn vote<'a>(rows: impl IntoIterator<Item = &'a [f32]>, classes: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0.0f64; classes], 0.0);
    let mut only: Option<&[f32]> = None;
    for row in rows {
        for (sum, &p) in sums.iter_mut().zip(row) {
            // Not `max`, which would hide a NaN.
            let p = if p < LEAST { LEAST } else { p };
            *sum += f64::from(p).ln();
        }
        count += 1.0;
        only = (count == 1.0).then_some(row);
    }
    if let Some(row) = only {
        return row.to_vec();
    }
    let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let of = |sum: &f64| ((sum - most) / f64::max(count, 1.0)).exp();
    let total: f64 = sums.iter().map(of).sum();
    sums.iter().map(|sum| (of(sum) / total) as f32).collect()
}

/// Join samples (the numbers in `order`, their `probabilities` row by row) that belong to one track: returns one sample of each
/// track and the track's probabilities by [`vote`], in the order in which tracks first appear.
pub fn per_track(
    order: &[u32],
    track_of: &[usize],
    probabilities: &[f32],
    classes: usize,
) -> Vec<(u32, Vec<f32>)> {
    let mut tracks: Vec<(u32, Vec<&[f32]>)> = Vec::new();
    let mut index = HashMap::new();
    for (&sample, row) in order.iter().zip(probabilities.chunks_exact(classes)) {
        let at = *index.entry(track_of[sample as usize]).or_insert_with(|| {
            tracks.push((sample, Vec::new()));
            tracks.len() - 1
        });
        tracks[at].1.push(row);
    }
    let joined = |(sample, rows): (u32, Vec<&[f32]>)| (sample, vote(rows, classes));
    tracks.into_iter().map(joined).collect()
}

/// Index of the greatest probability; the first of equals.
pub fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, v) in row.iter().enumerate() {
        if *v > row[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn a_vote_is_the_normalised_geometric_mean() {
        let rows = [[0.9f32, 0.1], [0.2, 0.8], [0.3, 0.7]];
        let joined = vote(rows.iter().map(|r| &r[..]), 2);
        let a = (0.9f64 * 0.2 * 0.3).cbrt();
        let b = (0.1f64 * 0.8 * 0.7).cbrt();
        assert_abs_diff_eq!(f64::from(joined[0]), a / (a + b), epsilon = 1e-7);
        assert_abs_diff_eq!(f64::from(joined[1]), b / (a + b), epsilon = 1e-7);
        // The mean of probabilities would name the other class: 1.499 to 1.501 of 3, against products of 0.06 and 0.00056.
        let sure = [[0.999f32, 0.001], [0.2, 0.8], [0.3, 0.7]];
        let sums = [0, 1].map(|k| sure.iter().map(|row| row[k]).sum::<f32>());
        assert_eq!(argmax(&sums), 1);
        assert_eq!(argmax(&vote(sure.iter().map(|r| &r[..]), 2)), 0);
    }

    #[test]
    fn one_segment_keeps_its_bits_and_a_zero_does_not_decide_for_ever() {
        let row = [0.1f32, 0.7, 0.2];
        assert_eq!(vote([&row[..]], 3), row);
        // Sure of the second, though one segment gave it nothing: 87 in logarithms against 20 times 11.5.
        let mut rows = vec![[1.0f32, 0.0]];
        rows.extend([[1e-5, 1.0]; 20]);
        let joined = vote(rows.iter().map(|r| &r[..]), 2);
        assert_eq!(argmax(&joined), 1);
        assert!(joined.iter().all(|p| p.is_finite()));
        assert_eq!(vote([], 4), [0.25; 4]);
    }

    #[test]
    fn what_is_no_number_stays_visible() {
        let rows = [[0.5f32, 0.5], [f32::NAN, 0.5]];
        assert!(vote(rows.iter().map(|r| &r[..]), 2)[0].is_nan());
    }

    #[test]
    fn tracks_come_in_the_order_of_their_first_sample() {
        let track_of = [7, 3, 7, 3, 5];
        let p = [0.6f32, 0.4, 0.5, 0.5, 0.9, 0.1, 0.2, 0.8];
        let joined = per_track(&[4, 3, 0, 1], &track_of, &p, 2);
        let samples: Vec<u32> = joined.iter().map(|(sample, _)| *sample).collect();
        assert_eq!(samples, [4, 3, 0]);
        assert_eq!(joined[0].1, p[..2]);
        assert_eq!(joined[1].1, vote([&p[2..4], &p[6..8]], 2));
        assert_eq!(joined[2].1, p[4..6]);
    }
}
