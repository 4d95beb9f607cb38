//! Accuracy and loss of an experiment over its runs: one meaning of "mean accuracy" for figures, reports and findings.

use std::collections::BTreeMap;

use crate::store::tables::{MetricsRow, TableError};
use crate::train::spec::Split;

/// What the runs of an experiment reach on one split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverRuns {
    /// By epoch, over the runs that have it: early stopping ends runs at different epochs.
    pub epochs: Vec<EpochMeans>,
    /// Mean over all runs of the accuracy at the last recorded epoch of each.
    pub final_accuracy: f64,
}

/// Means over runs at one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochMeans {
    /// The epoch.
    pub epoch: i64,
    /// Mean accuracy.
    pub accuracy: f64,
    /// Mean loss.
    pub loss: f64,
}

/// What is summed up of one experiment and split.
#[derive(Default)]
struct Sums {
    /// Accuracy, loss, and the number of runs, by epoch.
    epochs: BTreeMap<i64, (f64, f64, f64)>,
    /// The last epoch of each run with its accuracy.
    ends: BTreeMap<i64, (i64, f64)>,
}

/// Takes the means of the experiments that are `wanted` by their label, on each split.
///
/// # Errors
/// The first of `rows`.
pub fn metrics_over_runs(
    rows: impl IntoIterator<Item = Result<MetricsRow, TableError>>,
    wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<(String, Split), OverRuns>, TableError> {
    let mut sums: BTreeMap<(String, Split), Sums> = BTreeMap::new();
    for row in rows {
        let row = row?;
        if !wanted(&row.experiment) {
            continue;
        }
        let of = sums.entry((row.experiment, row.split)).or_default();
        let (accuracy, loss, runs) = of.epochs.entry(row.epoch).or_default();
        (*accuracy, *loss, *runs) = (*accuracy + row.accuracy, *loss + row.loss, *runs + 1.0);
        let end = of.ends.entry(row.run).or_insert((row.epoch, row.accuracy));
        if row.epoch >= end.0 {
            *end = (row.epoch, row.accuracy);
        }
    }
    Ok(sums.into_iter().map(|(key, sums)| (key, sums.means())).collect())
}

impl Sums {
    fn means(self) -> OverRuns {
        let means = |(epoch, (accuracy, loss, runs)): (i64, (f64, f64, f64))| EpochMeans {
            epoch,
            accuracy: accuracy / runs,
            loss: loss / runs,
        };
        // At least the row that began these sums.
        let final_accuracy = self.ends.values().map(|(_, accuracy)| accuracy).sum::<f64>() / self.ends.len() as f64;
        OverRuns { epochs: self.epochs.into_iter().map(means).collect(), final_accuracy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_different_length_each_count_with_their_last_epoch() {
        let row = |run, epoch, accuracy| MetricsRow {
            experiment: if run == 9 { "other" } else { "tanh" }.to_owned(),
            run,
            seed: 1,
            epoch,
            split: Split::Test,
            loss: 1.0 - accuracy,
            accuracy,
        };
        // The first run stops early since it is good; the second goes on. Rows in no order.
        let rows = [row(1, 5, 0.5), row(0, 1, 1.0), row(0, 0, 0.5), row(1, 0, 0.0), row(1, 1, 0.25), row(9, 7, 0.1)];
        let found = metrics_over_runs(rows.map(Ok), |label| label == "tanh").unwrap();
        assert_eq!(found.len(), 1);
        let tanh = &found[&("tanh".to_owned(), Split::Test)];
        let epochs: Vec<_> = tanh.epochs.iter().map(|e| (e.epoch, e.accuracy, e.loss)).collect();
        assert_eq!(epochs, [(0, 0.25, 0.75), (1, 0.625, 0.375), (5, 0.5, 0.5)]);
        assert_eq!(tanh.final_accuracy, 0.75);
        let broken = TableError::Foreign { path: "t".into(), expected: "e".into() };
        assert!(metrics_over_runs([Err(broken)], |_| true).is_err());
    }
}
