//! The lower bound lies below the upper bound: row by row, both of the same training, epoch, layer and noise.
//!
//! The bounds differ in one constant (c = 8σ² and 2σ²), so that the inequality holds of every sample; a violation would be an error of the program.

use std::collections::HashMap;

use super::{Cell, Cohort, Experiment, Finding, How, Verdict};

/// Rounding of the two, in bits.
const TOLERANCE: f64 = 1e-6;
/// Columns of the counts.
const COLUMNS: &[&str] = &["noise", "rows", "violated", "largest excess of the lower bound", "mean gap"];

/// Rows of one training in one way of measuring: (run, epoch, layer).
type Place = (i64, i64, i64);
/// What rows must share to be compared: noise, split, training.
type Same = (String, String, usize);

/// Rows of either bound that wait for the other, and what was counted.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Values by place, each with whether it is of the lower bound.
    waiting: HashMap<Same, HashMap<Place, (bool, f64)>>,
    counts: Vec<Count>,
}

/// What was counted for one noise.
#[derive(Clone, Debug, Default)]
struct Count {
    params: String,
    rows: i64,
    violated: i64,
    /// Greatest lower minus upper; below 0 where all is well.
    excess: f64,
    gaps: f64,
}

impl Order {
    /// Takes in a row of an experiment that trains as the experiment at place `training` does.
    pub fn add(&mut self, training: usize, run: i64, how: &How, (epoch, layer): (i64, i64), i_xt: f64) {
        let is_lower = match how.estimator.as_str() {
            "lower" => true,
            "upper" => false,
            _ => return,
        };
        let waiting = self.waiting.entry((how.params.clone(), how.split.clone(), training)).or_default();
        let place = (run, epoch, layer);
        match waiting.get(&place) {
            Some(&(other_is_lower, other)) if other_is_lower != is_lower => {
                waiting.remove(&place);
                let excess = if is_lower { i_xt - other } else { other - i_xt };
                let found = self.counts.iter().position(|count| count.params == how.params);
                let at = found.unwrap_or_else(|| {
                    self.counts.push(Count { params: how.params.clone(), excess: f64::NEG_INFINITY, ..Count::default() });
                    self.counts.len() - 1
                });
                let count = &mut self.counts[at];
                count.rows += 1;
                count.violated += i64::from(excess > TOLERANCE);
                count.excess = count.excess.max(excess);
                count.gaps -= excess;
            }
            _ => {
                waiting.insert(place, (is_lower, i_xt));
            }
        }
    }

    /// Forgets the rows that found no counterpart.
    pub fn settle(&mut self) {
        self.waiting = HashMap::new();
    }
}

/// Places of the first experiments that train the same, for each experiment: rows of these are compared with each other.
#[must_use]
pub fn trainings(experiments: &[Experiment]) -> Vec<usize> {
    let mut first: HashMap<Vec<&str>, usize> = HashMap::new();
    experiments.iter().enumerate().map(|(place, experiment)| *first.entry(experiment.but("")).or_insert(place)).collect()
}

/// What a cohort with both bounds says.
pub(super) fn finding(cohort: &Cohort) -> Option<Finding> {
    let counts = &cohort.order.counts;
    let (rows, violated) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.rows, sum.1 + count.violated));
    let excess = counts.iter().map(|count| count.excess).fold(f64::NEG_INFINITY, f64::max);
    if rows == 0 {
        return None;
    }
    let gap = counts.iter().map(|count| count.gaps).sum::<f64>() / rows as f64;
    let mut sentence = format!(
        "Of {rows} rows that have both bounds on I(X;T), {violated} have the lower above the upper; it lies {gap:.2} bits below on average."
    );
    if violated > 0 {
        sentence.push_str(&format!(" The largest excess is {excess:.6} bits."));
    }
    if let Some(note) = &cohort.rows_left_out {
        sentence.push_str(&format!(" {note}"));
    }
    let row = |count: &Count| {
        let numbers = [count.excess, count.gaps / count.rows as f64].map(Cell::Number);
        [vec![Cell::Text(count.params.clone()), Cell::Count(count.rows), Cell::Count(count.violated)], numbers.to_vec()].concat()
    };
    Some(Finding {
        claim: "The lower bound lies below the upper bound",
        cohort: cohort.name.clone(),
        verdict: if violated == 0 { Verdict::Reproduced } else { Verdict::NotReproduced },
        sentence,
        columns: COLUMNS,
        rows: counts.iter().map(row).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{cohort, experiment, how};
    use super::*;

    #[test]
    fn rows_are_matched_in_any_order_and_violations_counted() {
        let mut order = Order::default();
        let row = |order: &mut Order, estimator, run, epoch, bits| order.add(0, run, &how(estimator), (epoch, 1), bits);
        row(&mut order, "lower", 0, 0, 1.0);
        row(&mut order, "lower", 0, 1, 5.0);
        row(&mut order, "upper", 0, 1, 4.0);
        row(&mut order, "upper", 0, 0, 2.0);
        row(&mut order, "upper", 1, 0, 2.0);
        row(&mut order, "lower", 1, 0, 2.0 + 1e-9);
        // No counterpart: another training, another noise, another estimator.
        order.add(3, 0, &how("lower"), (0, 1), 9.0);
        order.add(0, 0, &How { params: "noise_variance 1".to_owned(), ..how("lower") }, (0, 1), 9.0);
        row(&mut order, "binning", 0, 0, 0.0);
        order.settle();
        let cohort = Cohort { order, ..cohort("a", vec![experiment(&[])], vec![]) };
        let found = finding(&cohort).unwrap();
        assert_eq!(found.verdict, Verdict::NotReproduced);
        assert!(found.sentence.starts_with("Of 3 rows") && found.sentence.contains(", 1 have"), "{}", found.sentence);
        assert_eq!(found.rows[0][1..4], [Cell::Count(3), Cell::Count(1), Cell::Number(1.0)]);
    }

    #[test]
    fn experiments_that_measure_otherwise_train_the_same() {
        let experiments =
            [experiment(&[]), experiment(&[("estimators", "[\"lower\"]")]), experiment(&[("activation_fn", "relu")])];
        assert_eq!(trainings(&experiments), [0, 0, 2]);
        assert_eq!(finding(&cohort("a", experiments.to_vec(), vec![])), None);
    }
}
