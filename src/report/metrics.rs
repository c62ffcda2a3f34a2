//! From a confusion matrix to precision, recall and F1, as scikit-learn's `classification_report` computes and prints
//! them (with `zero_division=0`: a ratio without a denominator counts as 0).

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::format::printable;
use crate::error::{Error, Result};

/// Counts of (true class, predicted class) pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct ConfusionMatrix {
    genres: Vec<String>,
    counts: Vec<Vec<u64>>,
}

/// A matrix as it comes from a file, perhaps not square.
#[derive(Deserialize)]
struct Unchecked {
    genres: Vec<String>,
    counts: Vec<Vec<u64>>,
}

impl TryFrom<Unchecked> for ConfusionMatrix {
    type Error = Error;

    fn try_from(matrix: Unchecked) -> Result<Self> {
        Self::from_counts(matrix.genres, matrix.counts)
    }
}

/// One class's row of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    pub genre: String,
    /// Of the samples predicted as this genre, the fraction that is.
    pub precision: f64,
    /// Of the samples of this genre, the fraction that was found.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Samples of this genre.
    pub support: u64,
}

/// What `evaluate --json` prints; `macro_*` weighs every genre the same, `weighted_*` by its support.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassificationReport {
    pub accuracy: f64,
    pub macro_f1: f64,
    pub weighted_f1: f64,
    pub macro_precision: f64,
    pub macro_recall: f64,
    pub weighted_precision: f64,
    pub weighted_recall: f64,
    pub classes: Vec<ClassScore>,
    /// `confusion[truth][predicted]`.
    pub confusion: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    /// A matrix of zeros.
    pub fn new(genres: Vec<String>) -> Self {
        let n = genres.len();
        Self {
            genres,
            counts: vec![vec![0; n]; n],
        }
    }

    /// From `counts[truth][predicted]`, one row and one column per genre.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) when the counts are not square or not as many as the genres.
    pub fn from_counts(genres: Vec<String>, counts: Vec<Vec<u64>>) -> Result<Self> {
        let n = genres.len();
        if counts.len() != n || counts.iter().any(|row| row.len() != n) {
            return Err(Error::data(format!(
                "confusion matrix: {n} genres need {n} rows of {n} counts, but there are rows of {:?}",
                counts.iter().map(Vec::len).collect::<Vec<_>>()
            )));
        }
        Ok(Self { genres, counts })
    }

    /// Counts `truth` against `predicted`, two equally long lists of class indices.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) when the lengths differ or an index names no genre.
    pub fn from_labels(genres: Vec<String>, truth: &[usize], predicted: &[usize]) -> Result<Self> {
        if truth.len() != predicted.len() {
            return Err(Error::data(format!(
                "confusion matrix: {} true labels but {} predictions; there must be one each per sample",
                truth.len(),
                predicted.len()
            )));
        }
        let mut matrix = Self::new(genres);
        for (&t, &p) in truth.iter().zip(predicted) {
            matrix.add(t, p)?;
        }
        Ok(matrix)
    }

    /// Counts one sample.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) when an index names no genre.
    pub fn add(&mut self, truth: usize, predicted: usize) -> Result<()> {
        let n = self.genres.len();
        match self
            .counts
            .get_mut(truth)
            .and_then(|row| row.get_mut(predicted))
        {
            Some(count) => *count += 1,
            None => {
                return Err(Error::data(format!(
                    "confusion matrix: label {} is outside the {n} genres",
                    truth.max(predicted)
                )));
            }
        }
        Ok(())
    }

    /// Counts everything that another matrix has counted.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) when the other is of other genres.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.genres != other.genres {
            return Err(Error::data(format!(
                "confusion matrix: of {:?} and of {:?}; only one of the same genres can be added",
                self.genres, other.genres
            )));
        }
        for (row, more) in self.counts.iter_mut().zip(&other.counts) {
            for (count, more) in row.iter_mut().zip(more) {
                *count += more;
            }
        }
        Ok(())
    }

    /// The name of each class, in label order.
    pub fn genres(&self) -> &[String] {
        &self.genres
    }

    /// `counts[truth][predicted]`, square, one row and column per genre.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// Number of samples.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// The `limit` most frequent mistakes as (truth, predicted, count), most frequent first.
    pub fn top_mistakes(&self, limit: usize) -> Vec<(usize, usize, u64)> {
        let mut mistakes: Vec<_> = (self.counts.iter().enumerate())
            .flat_map(|(t, row)| row.iter().enumerate().map(move |(p, &count)| (t, p, count)))
            .filter(|&(t, p, count)| t != p && count > 0)
            .collect();
        mistakes.sort_by_key(|&(t, p, count)| (std::cmp::Reverse(count), t, p));
        mistakes.truncate(limit);
        mistakes
    }

    /// Precision, recall and F1 per genre, and their averages.
    pub fn report(&self) -> ClassificationReport {
        let correct = |i: usize| self.counts[i][i];
        let total = self.total();
        let classes: Vec<ClassScore> = (self.genres.iter().enumerate())
            .map(|(i, genre)| {
                let support: u64 = self.counts[i].iter().sum();
                let predicted: u64 = self.counts.iter().map(|row| row[i]).sum();
                ClassScore {
                    genre: genre.clone(),
                    precision: ratio(correct(i), predicted),
                    recall: ratio(correct(i), support),
                    f1: ratio(2 * correct(i), support + predicted),
                    support,
                }
            })
            .collect();
        let unweighted = |score: fn(&ClassScore) -> f64| {
            classes.iter().map(score).sum::<f64>() / classes.len().max(1) as f64
        };
        let weighted = |score: fn(&ClassScore) -> f64| {
            let sum: f64 = classes.iter().map(|c| score(c) * c.support as f64).sum();
            sum / total.max(1) as f64
        };
        ClassificationReport {
            accuracy: ratio((0..classes.len()).map(correct).sum(), total),
            macro_f1: unweighted(|c| c.f1),
            weighted_f1: weighted(|c| c.f1),
            macro_precision: unweighted(|c| c.precision),
            macro_recall: unweighted(|c| c.recall),
            weighted_precision: weighted(|c| c.precision),
            weighted_recall: weighted(|c| c.recall),
            confusion: self.counts.clone(),
            classes,
        }
    }

    /// The matrix as aligned text, truth downwards, predictions across; zeros are dots so that the mistakes stand out.
    ///
    /// Column heads are the genres' names, cut to fit `columns` characters in all; where the cut names would be too
    /// short or ambiguous, rows and columns are numbered instead.
    pub fn to_text(&self, columns: usize) -> String {
        let n = self.genres.len();
        let mut rows: Vec<String> = self.genres.iter().map(|g| cut(&printable(g), 20)).collect();
        let digits = self
            .counts
            .iter()
            .flatten()
            .max()
            .map_or(1, |m| m.to_string().len());
        let name = longest(&rows);
        let room = columns.saturating_sub(name.max(4) + 2) / n.max(1);
        let mut width = name.min(room.saturating_sub(1)).max(digits);
        let mut heads: Vec<String> = rows
            .iter()
            .map(|r| r.chars().take(width).collect())
            .collect();
        let mut distinct = heads.clone();
        distinct.sort();
        distinct.dedup();
        if width < name && (width < 3 || distinct.len() < n) {
            width = digits.max(n.to_string().len());
            heads = (1..=n).map(|i| i.to_string()).collect();
            let number = n.to_string().len();
            for (i, row) in rows.iter_mut().enumerate() {
                *row = format!("{:>number$} {row}", i + 1);
            }
        }
        let margin = longest(&rows).max("true".len());
        let mut text = format!("{:margin$}  predicted\n{:<margin$} ", "", "true");
        for head in &heads {
            let _ = write!(text, " {head:>width$}");
        }
        for (row, counts) in rows.iter().zip(&self.counts) {
            let _ = write!(text, "\n{row:<margin$} ");
            for &count in counts {
                let count = if count == 0 {
                    ".".into()
                } else {
                    count.to_string()
                };
                let _ = write!(text, " {count:>width$}");
            }
        }
        text.push('\n');
        text
    }
}

impl ClassificationReport {
    /// The table as scikit-learn prints it, two digits, with a line break at the end.
    pub fn to_text(&self) -> String {
        let names: Vec<String> = self.classes.iter().map(|c| printable(&c.genre)).collect();
        let width = longest(&names).max("weighted avg".len());
        let total: u64 = self.classes.iter().map(|c| c.support).sum();
        let mut text = format!(
            "{:>width$}  {:>9} {:>9} {:>9} {:>9}\n\n",
            "", "precision", "recall", "f1-score", "support"
        );
        let row = |name: &str, [precision, recall, f1]: [f64; 3], support: u64| {
            format!("{name:>width$}  {precision:>9.2} {recall:>9.2} {f1:>9.2} {support:>9}\n")
        };
        for (name, c) in names.iter().zip(&self.classes) {
            text += &row(name, [c.precision, c.recall, c.f1], c.support);
        }
        let _ = writeln!(
            text,
            "\n{:>width$}  {:>9} {:>9} {:>9.2} {total:>9}",
            "accuracy", "", "", self.accuracy
        );
        let unweighted = [self.macro_precision, self.macro_recall, self.macro_f1];
        let weighted = [
            self.weighted_precision,
            self.weighted_recall,
            self.weighted_f1,
        ];
        text += &row("macro avg", unweighted, total);
        text += &row("weighted avg", weighted, total);
        text
    }
}

/// Characters of the longest name.
fn longest(names: &[String]) -> usize {
    names.iter().map(|n| n.chars().count()).max().unwrap_or(0)
}

fn ratio(numerator: u64, denominator: u64) -> f64 {
    if denominator == 0 {
        0.0
    } else {
        numerator as f64 / denominator as f64
    }
}

fn cut(name: &str, limit: usize) -> String {
    if name.chars().count() <= limit {
        name.to_string()
    } else {
        name.chars().take(limit - 1).chain(['…']).collect()
    }
}
