//! How sure accuracy and macro-F1 are: bootstrap intervals.

use std::fmt;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::metrics::{ClassificationReport, ConfusionMatrix};

/// Percentile-bootstrap intervals (Efron 1979): the 2.5th and the 97.5th percentile of a score over resamples of the evaluated
/// tracks, drawn with replacement. They say how far the score would move with other tracks of the same kind, not with another
/// training run.
///
/// A genre of which a resample has no track, neither true nor predicted, has no F1 there; like scikit-learn's `f1_score`, the
/// resample's macro-F1 is the mean over the others. (As a zero it would pull the interval of a few tracks below their score.)
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Lower and upper end for the accuracy.
    pub accuracy: [f64; 2],
    /// Lower and upper end for the macro-F1.
    pub macro_f1: [f64; 2],
}

impl fmt::Display for Intervals {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [[a, b], [c, d]] = [self.accuracy, self.macro_f1];
        write!(
            f,
            "95 % intervals over resampled tracks: accuracy {a:.2} to {b:.2}, macro-F1 {c:.2} to {d:.2}"
        )
    }
}

/// Scores and how sure they are, as `evaluate --json` and `metrics.json` say them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    #[serde(flatten)]
    pub report: ClassificationReport,
    /// 95 % intervals of the scores over resampled tracks; null where nothing was evaluated.
    pub intervals: Option<Intervals>,
}

/// Resamples of the tracks; the ends of the interval then move by less than a tenth of its width.
const RESAMPLES: usize = 2000;

impl ConfusionMatrix {
    /// The report with its intervals.
    pub fn scored(&self) -> Scored {
        Scored {
            report: self.report(),
            intervals: self.intervals(),
        }
    }

    /// 95 % intervals of accuracy and macro-F1; none for an empty matrix. Both scores are functions of the matrix alone, so
    /// drawing pairs of (truth, prediction) from it is drawing tracks. The same matrix gives the same numbers.
    pub fn intervals(&self) -> Option<Intervals> {
        let n = self.genres().len();
        let pairs: Vec<(usize, usize)> = (0..n * n)
            .flat_map(|i| {
                let count = self.counts()[i / n][i % n] as usize;
                std::iter::repeat_n((i / n, i % n), count)
            })
            .collect();
        if pairs.is_empty() {
            return None;
        }
        let absent = n - Scores::of(self.counts()).present;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let (mut accuracies, mut f1s) = (Vec::new(), Vec::new());
        for _ in 0..RESAMPLES {
            let mut counts = vec![vec![0; n]; n];
            for _ in 0..pairs.len() {
                let (truth, predicted) = pairs[rng.random_range(0..pairs.len())];
                counts[truth][predicted] += 1;
            }
            let scores = Scores::of(&counts);
            accuracies.push(scores.accuracy);
            f1s.push(scores.macro_f1(absent));
        }
        Some(Intervals {
            accuracy: middle(accuracies),
            macro_f1: middle(f1s),
        })
    }
}

/// Of the tracks themselves or of a resample.
struct Scores {
    accuracy: f64,
    /// Sum over the genres.
    f1: f64,
    /// Genres that a track has or was taken for; the others have no F1.
    present: usize,
}

impl Scores {
    fn of(counts: &[Vec<u64>]) -> Self {
        let (mut correct, mut total, mut f1, mut present) = (0, 0, 0.0, 0);
        for i in 0..counts.len() {
            let support: u64 = counts[i].iter().sum();
            let predicted: u64 = counts.iter().map(|row| row[i]).sum();
            correct += counts[i][i];
            total += support;
            if support + predicted > 0 {
                f1 += 2.0 * counts[i][i] as f64 / (support + predicted) as f64;
                present += 1;
            }
        }
        Self {
            accuracy: correct as f64 / total.max(1) as f64,
            f1,
            present,
        }
    }

    /// Mean over the genres that are present and the `absent` ones that the evaluated tracks lack altogether: these are zero, as
    /// in [`ConfusionMatrix::report`].
    fn macro_f1(&self, absent: usize) -> f64 {
        self.f1 / (self.present + absent).max(1) as f64
    }
}

/// The 2.5th and the 97.5th percentile.
fn middle(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    [at(0.025), at(0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALWAYS_RIGHT: Intervals = Intervals {
        accuracy: [1.0, 1.0],
        macro_f1: [1.0, 1.0],
    };

    fn matrix(counts: Vec<Vec<u64>>) -> ConfusionMatrix {
        let genres = (0..counts.len()).map(|i| format!("genre {i}")).collect();
        ConfusionMatrix::from_counts(genres, counts).unwrap()
    }

    /// Accuracy resampled is a binomial share: its interval must be near the normal one, p ± 1.96 sqrt(p (1 - p) / n).
    #[test]
    fn accuracy_spreads_as_a_binomial_share() {
        let m = matrix(vec![vec![70, 30], vec![40, 60]]);
        let [low, high] = m.intervals().unwrap().accuracy;
        let (p, half) = (0.65, 1.96 * (0.65f64 * 0.35 / 200.0).sqrt());
        assert!((low - (p - half)).abs() < 0.008, "{low}");
        assert!((high - (p + half)).abs() < 0.008, "{high}");
    }

    #[test]
    fn the_scores_are_those_of_the_report_and_lie_inside() {
        let m = matrix(vec![vec![7, 2, 1], vec![0, 5, 5], vec![0, 0, 0]]);
        let report = m.report();
        let s = Scores::of(m.counts());
        assert_eq!(
            (s.accuracy, s.macro_f1(0)),
            (report.accuracy, report.macro_f1)
        );
        let i = m.intervals().unwrap();
        assert!(i.accuracy[0] < report.accuracy && report.accuracy < i.accuracy[1]);
        assert!(i.macro_f1[0] < report.macro_f1 && report.macro_f1 < i.macro_f1[1]);
    }

    #[test]
    fn nothing_evaluated_has_no_interval_and_a_perfect_score_no_width() {
        assert!(matrix(vec![vec![0, 0], vec![0, 0]]).intervals().is_none());
        let i = matrix(vec![vec![5, 0], vec![0, 5]]).intervals().unwrap();
        assert_eq!(i, ALWAYS_RIGHT);
    }

    /// Nearly every resample of two tracks each lacks some of ten genres.
    #[test]
    fn genres_that_a_resample_lacks_pull_nothing_down() {
        let right = |i| (0..10).map(|j| if i == j { 2 } else { 0 }).collect();
        let m = matrix((0..10).map(right).collect());
        assert_eq!(m.intervals(), Some(ALWAYS_RIGHT));
    }

    #[test]
    fn a_genre_that_no_track_has_is_zero_as_in_the_report() {
        let m = matrix(vec![vec![50, 0, 0], vec![0, 50, 0], vec![0, 0, 0]]);
        let always = m.report().macro_f1;
        approx::assert_relative_eq!(always, 2.0 / 3.0);
        assert_eq!(m.intervals().unwrap().macro_f1, [always, always]);
    }

    /// scikit-learn 1.9: `f1_score([0, 0, 1], [0, 1, 1], average="macro")` is 2/3; with `labels=[0, 1, 2]`, a genre that no
    /// track has at all, it is 4/9, and that is what the report says.
    #[test]
    fn macro_f1_is_that_of_scikit_learn() {
        let counts = vec![vec![1, 1, 0], vec![0, 1, 0], vec![0, 0, 0]];
        let s = Scores::of(&counts);
        approx::assert_relative_eq!(s.macro_f1(0), 2.0 / 3.0);
        approx::assert_relative_eq!(s.macro_f1(1), 4.0 / 9.0);
        approx::assert_relative_eq!(matrix(counts).report().macro_f1, 4.0 / 9.0);
    }
}
