//! One row per epoch, and `history.csv`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// First line of `history.csv`.
pub const HEADER: &str =
    "epoch,loss,accuracy,val_loss,val_accuracy,lr,seconds,ms_per_step,vram_bytes";

/// One epoch's results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: u32,
    /// Mean training loss over the epoch, regularisation included.
    pub loss: f64,
    /// Fraction of training samples that were classified correctly, 0 to 1.
    pub accuracy: f64,
    /// On the validation set after the epoch; `None` without one.
    pub val_loss: Option<f64>,
    pub val_accuracy: Option<f64>,
    /// Learning rate at the end of the epoch.
    pub lr: f64,
    /// Wall-clock time of the epoch, validation included.
    pub seconds: f64,
    /// Mean wall-clock time of one training step.
    pub ms_per_step: f64,
    /// Bytes allocated on the GPU.
    pub vram_bytes: u64,
}

/// All epochs so far, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    pub rows: Vec<EpochRow>,
}

impl History {
    /// `history.csv`: the header and one line per epoch. Losses and accuracies are written with as many digits as it
    /// takes to read the same bits back; times have three decimals. A missing validation value is an empty cell,
    /// other odd ones are `NaN`, `inf` and `-inf`, which pandas and NumPy read.
    pub fn to_csv(&self) -> String {
        let mut csv = format!("{HEADER}\n");
        for r in &self.rows {
            let optional = |v: Option<f64>| v.map_or(String::new(), |v| v.to_string());
            let (val_loss, val_accuracy) = (optional(r.val_loss), optional(r.val_accuracy));
            let _ = writeln!(
                csv,
                "{},{},{},{val_loss},{val_accuracy},{},{:.3},{:.3},{}",
                r.epoch, r.loss, r.accuracy, r.lr, r.seconds, r.ms_per_step, r.vram_bytes
            );
        }
        csv
    }

    /// Reads what [`to_csv`](Self::to_csv) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) that names the line and the cell.
    pub fn from_csv(csv: &str) -> Result<Self> {
        let mut lines = csv.lines();
        if lines.next().map(str::trim_end) != Some(HEADER) {
            return Err(Error::data(format!(
                "the first line is not `{HEADER}`, so this is not a training history"
            )));
        }
        let mut rows = Vec::new();
        for (i, line) in lines.enumerate() {
            if !line.trim().is_empty() {
                rows.push(parse_row(line).map_err(|e| e.context(format!("line {}", i + 2)))?);
            }
        }
        Ok(Self { rows })
    }

    /// Reads the file at `path`; the error names it.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let csv = fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        Self::from_csv(&csv).map_err(|e| Error::file(path, e))
    }

    /// The row with the best validation accuracy (the first of equals), or training accuracy without validation.
    pub fn best(&self) -> Option<&EpochRow> {
        let score = |r: &EpochRow| r.val_accuracy.unwrap_or(r.accuracy);
        let mut best: Option<&EpochRow> = None;
        for row in self.rows.iter().filter(|r| score(r).is_finite()) {
            if best.is_none_or(|b| score(row) > score(b)) {
                best = Some(row);
            }
        }
        best
    }

    /// Wall-clock time of all epochs.
    pub fn seconds(&self) -> f64 {
        self.rows.iter().map(|r| r.seconds).sum()
    }

    /// The epochs that began with another learning rate than the one before, with the new rate.
    pub fn lr_changes(&self) -> Vec<(u32, f64)> {
        (self.rows.windows(2))
            .filter(|pair| pair[0].lr != pair[1].lr)
            .map(|pair| (pair[1].epoch, pair[1].lr))
            .collect()
    }
}

fn parse_row(line: &str) -> Result<EpochRow> {
    let cells: Vec<&str> = line.trim_end().split(',').collect();
    let &[
        epoch,
        loss,
        accuracy,
        val_loss,
        val_accuracy,
        lr,
        seconds,
        ms_per_step,
        vram,
    ] = &cells[..]
    else {
        return Err(Error::data(format!("{} cells instead of 9", cells.len())));
    };
    fn cell<T: std::str::FromStr>(name: &str, text: &str) -> Result<T> {
        (text.trim().parse()).map_err(|_| Error::data(format!("{name} is `{text}`, not a number")))
    }
    let optional = |name: &str, text: &str| match text.trim() {
        "" => Ok(None),
        text => cell(name, text).map(Some),
    };
    Ok(EpochRow {
        epoch: cell("epoch", epoch)?,
        loss: cell("loss", loss)?,
        accuracy: cell("accuracy", accuracy)?,
        val_loss: optional("val_loss", val_loss)?,
        val_accuracy: optional("val_accuracy", val_accuracy)?,
        lr: cell("lr", lr)?,
        seconds: cell("seconds", seconds)?,
        ms_per_step: cell("ms_per_step", ms_per_step)?,
        vram_bytes: cell("vram_bytes", vram)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: u32, val: Option<f64>) -> EpochRow {
        EpochRow {
            epoch,
            loss: 0.1 + 0.2,
            accuracy: 1.0 / 3.0,
            val_loss: val,
            val_accuracy: val,
            lr: if epoch < 3 { 1e-3 } else { 1e-3 * 0.2 },
            seconds: 1.25,
            ms_per_step: 30.125,
            vram_bytes: 1 << 40,
        }
    }

    #[test]
    fn csv_has_the_documented_header_and_reads_back_to_the_same_bits() {
        let rows = vec![
            row(1, None),
            row(2, Some(f64::INFINITY)),
            row(3, Some(5e-324)),
        ];
        let history = History { rows };
        let csv = history.to_csv();
        assert!(csv.starts_with(
            "epoch,loss,accuracy,val_loss,val_accuracy,lr,seconds,ms_per_step,vram_bytes\n1,0.30000000000000004,"
        ));
        assert_eq!(History::from_csv(&csv).unwrap(), history);
        assert_eq!(
            History::from_csv(&csv.replace('\n', "\r\n")).unwrap(),
            history
        );
        let nan = History {
            rows: vec![row(1, Some(f64::NAN))],
        };
        let back = History::from_csv(&nan.to_csv()).unwrap();
        assert!(back.rows[0].val_loss.unwrap().is_nan());
    }

    #[test]
    fn a_damaged_history_is_described() {
        let csv = History {
            rows: vec![row(1, None)],
        }
        .to_csv();
        for (damaged, message) in [
            (String::new(), "the first line is not"),
            (csv[..csv.len() - 20].to_string(), "line 2: 8 cells"),
            (
                csv.replace("30.125", "30..125"),
                "line 2: ms_per_step is `30..125`",
            ),
        ] {
            let error = History::from_csv(&damaged).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn best_is_the_first_highest_validation_accuracy_and_never_a_nan() {
        let mut history = History {
            rows: (1..=4).map(|e| row(e, Some(0.5))).collect(),
        };
        history.rows[1].val_accuracy = Some(0.75);
        history.rows[2].val_accuracy = Some(0.75);
        history.rows[0].val_accuracy = Some(f64::NAN);
        assert_eq!(history.best().unwrap().epoch, 2);
        assert_eq!(history.lr_changes(), [(3, 1e-3 * 0.2)]);
        assert_eq!(History::default().best(), None);
    }
}
