//! When an experiment has repeats enough: the smallest prefix of its repeats over which what is watched is known precisely.
//!
//! The decision looks at repeats in their order and at nothing else, so that it does not depend on which ended first, on how many workers
//! there were or on how often the study was interrupted. What was run beyond the prefix stays in the store and out of the tables.

use rayon::prelude::*;

use super::statistics::{statistics, t_975};
use crate::cohort::stop::{Quantity, StopWhen, Watched};
use crate::grid::Grid;
use crate::grid::ids::{Id, MeasurementIds, TrainingIds};
use crate::store::records::{AttemptStatus, Measurement, Training};
use crate::store::{Index, StoreError};

/// What is known of one repeat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It ended, with this value.
    Value(f64),
    /// It ended and has no value: it failed for good, or stopped before the epoch.
    Nothing,
    /// It has not ended.
    Open,
}

/// How many repeats are enough, as they become known one after the other.
#[derive(Clone, Debug, Default)]
pub struct Prefix {
    values: Vec<f64>,
    /// Repeats looked at.
    seen: u32,
    enough: Option<u32>,
    /// Mean and sum of squared deviations so far, to tell cheaply where looking closely is worth it.
    mean: f64,
    squares: f64,
}

impl Prefix {
    /// The number of repeats that are enough, once it is known.
    #[must_use]
    pub const fn enough(&self) -> Option<u32> {
        self.enough
    }

    /// The repeat that decides next.
    #[must_use]
    pub const fn next(&self) -> u32 {
        self.seen
    }

    /// Takes in the next repeat, which has ended.
    fn take(&mut self, value: Option<f64>, rule: &StopWhen) {
        self.seen += 1;
        if let Some(value) = value {
            self.values.push(value);
            let before = value - self.mean;
            self.mean += before / self.values.len() as f64;
            self.squares += before * (value - self.mean);
        }
        if self.seen >= rule.min_runs && self.is_near(rule.ci95) {
            // As the table `aggregate` has it.
            let exact = statistics(&self.values).ci95;
            self.enough = exact.is_some_and(|half| half < rule.ci95).then_some(self.seen);
        }
    }

    /// Whether the interval may be narrow enough, rounding apart.
    fn is_near(&self, bound: f64) -> bool {
        let n = self.values.len();
        let Some(freedom) = n.checked_sub(1).filter(|freedom| *freedom > 0) else { return false };
        let sem = (self.squares / freedom as f64 / n as f64).sqrt();
        // The quantile falls towards 1.96 and is worth computing only where that would do.
        let quick = 1.959 * sem < bound * (1.0 + 1e-6);
        quick && t_975(u32::try_from(freedom).unwrap_or(u32::MAX)) * sem < bound * (1.0 + 1e-6)
    }
}

/// The repeats of every experiment that are enough, followed while they end.
#[derive(Debug)]
pub struct Enough<'a> {
    grid: &'a Grid,
    rule: &'a StopWhen,
    /// Of each experiment.
    prefixes: Vec<Prefix>,
}

impl<'a> Enough<'a> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(grid: &'a Grid, rule: &'a StopWhen) -> Self {
        Self { grid, rule, prefixes: vec![Prefix::default(); grid.experiments.len()] }
    }

    /// Looks at all experiments, as far as their repeats are committed.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn look(&mut self, index: &Index) -> Result<(), StoreError> {
        let mut prefixes = std::mem::take(&mut self.prefixes);
        let looked = prefixes.par_iter_mut().enumerate().try_for_each(|(place, prefix)| self.advance(place, prefix, index));
        self.prefixes = prefixes;
        looked
    }

    /// Looks at one experiment.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn look_at(&mut self, experiment: usize, index: &Index) -> Result<(), StoreError> {
        let mut prefix = std::mem::take(&mut self.prefixes[experiment]);
        let looked = self.advance(experiment, &mut prefix, index);
        self.prefixes[experiment] = prefix;
        looked
    }

    /// Whether this repeat of an experiment is not needed.
    #[must_use]
    pub fn is_enough(&self, experiment: usize, repeat: u32) -> bool {
        self.prefixes[experiment].enough().is_some_and(|enough| repeat >= enough)
    }

    /// For [`Grid::enough`].
    #[must_use]
    pub fn numbers(&self) -> Vec<u32> {
        self.prefixes.iter().map(|prefix| prefix.enough().unwrap_or(self.grid.n_runs)).collect()
    }

    fn advance(&self, place: usize, prefix: &mut Prefix, index: &Index) -> Result<(), StoreError> {
        let settings = &self.grid.experiments[place].settings;
        // The cohort was checked: every experiment has what is watched.
        let Ok(watched) = self.rule.on(settings) else { return Ok(()) };
        let ids = TrainingIds::new(&settings.training);
        let measurement = watched.measure.as_ref().map(|(estimator, _)| MeasurementIds::new(estimator, watched.split));
        while prefix.enough().is_none() && prefix.next() < self.grid.n_runs {
            let training = ids.of(self.grid.run_seed(settings, prefix.next()));
            match outcome(index, &watched, training, measurement.as_ref().map(|ids| ids.of(training)))? {
                Outcome::Open => break,
                Outcome::Value(value) => prefix.take(Some(value), self.rule),
                Outcome::Nothing => prefix.take(None, self.rule),
            }
        }
        Ok(())
    }
}

/// What is known of a repeat.
fn outcome(index: &Index, watched: &Watched, training: Id, measurement: Option<Id>) -> Result<Outcome, StoreError> {
    let found = match measurement {
        Some(id) => index.measurement(id)?.map(|record| measured(&record, watched)),
        None => index.training(training)?.map(|record| recorded(&record, watched)),
    };
    Ok(match found {
        Some(Some(value)) => Outcome::Value(value),
        Some(None) => Outcome::Nothing,
        // What failed would fail again.
        None => match index.attempts(training)?.last().map(|attempt| attempt.status) {
            Some(AttemptStatus::Failed) => Outcome::Nothing,
            _ => Outcome::Open,
        },
    })
}

/// What is watched, in a measurement.
fn measured(record: &Measurement, watched: &Watched) -> Option<f64> {
    let layer = watched.measure.as_ref()?.1;
    let epoch = watched.epoch.or_else(|| record.rows.iter().map(|row| row.epoch).max())?;
    let row = record.rows.iter().find(|row| row.epoch == epoch && row.layer == layer)?;
    if watched.quantity == Quantity::Ixt { row.i_xt } else { row.i_ty }
}

/// What is watched, in a training.
fn recorded(record: &Training, watched: &Watched) -> Option<f64> {
    let rows = || record.metrics.iter().filter(|row| row.split == watched.split);
    let epoch = watched.epoch.or_else(|| rows().map(|row| row.epoch).max())?;
    let row = rows().find(|row| row.epoch == epoch)?;
    Some(if watched.quantity == Quantity::Loss { row.loss } else { row.accuracy })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cohort::stop::Which;

    fn rule(ci95: f64, min_runs: u32) -> StopWhen {
        let (split, epoch, layer) = (None, None, None);
        StopWhen { quantity: Quantity::Ity, ci95, min_runs, split, epoch, layer, estimator: Which::First }
    }

    /// Every prefix from the shortest, each from its beginning, with textbook formulas.
    fn naive(outcomes: &[Outcome], rule: &StopWhen) -> Option<u32> {
        (rule.min_runs as usize..=outcomes.len()).find_map(|n| {
            if outcomes[..n].contains(&Outcome::Open) {
                return None;
            }
            let values: Vec<f64> =
                outcomes[..n].iter().filter_map(|o| if let Outcome::Value(v) = o { Some(*v) } else { None }).collect();
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0);
            let half = t_975(values.len().saturating_sub(1) as u32) * (variance.sqrt() / count.sqrt());
            (values.len() > 1 && half < rule.ci95).then_some(n as u32)
        })
    }

    fn followed(outcomes: &[Outcome], rule: &StopWhen) -> Option<u32> {
        let mut prefix = Prefix::default();
        while prefix.enough().is_none() {
            match outcomes.get(prefix.next() as usize) {
                Some(Outcome::Value(value)) => prefix.take(Some(*value), rule),
                Some(Outcome::Nothing) => prefix.take(None, rule),
                Some(Outcome::Open) | None => break,
            }
        }
        prefix.enough()
    }

    fn outcomes() -> impl Strategy<Value = Vec<Outcome>> {
        let one = prop_oneof![
            20 => (-1.0..1.0_f64).prop_map(Outcome::Value),
            2 => Just(Outcome::Value(0.25)),
            2 => Just(Outcome::Nothing),
            1 => Just(Outcome::Open),
        ];
        prop::collection::vec(one, 0..120)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn the_prefix_is_that_of_a_walk_over_all(outcomes in outcomes(), ci95 in 0.05..1.5_f64, min_runs in 2..9_u32) {
            let rule = rule(ci95, min_runs);
            prop_assert_eq!(followed(&outcomes, &rule), naive(&outcomes, &rule));
        }

        /// What ends later can only make known what was not.
        #[test]
        fn a_decision_stands_whatever_else_ends(outcomes in outcomes(), open in prop::collection::vec(any::<bool>(), 120), ci95 in 0.1..1.5_f64) {
            let rule = rule(ci95, 3);
            let earlier: Vec<_> = outcomes.iter().zip(open).map(|(o, open)| if open { Outcome::Open } else { *o }).collect();
            let (before, after) = (followed(&earlier, &rule), followed(&outcomes, &rule));
            prop_assert!(before.is_none() || before == after);
        }
    }

    #[test]
    fn equal_values_are_enough_at_once_and_one_value_never() {
        let equal = [Outcome::Value(0.5); 4];
        assert_eq!(followed(&equal, &rule(1e-9, 2)), Some(2));
        assert_eq!(followed(&equal, &rule(1e-9, 4)), Some(4));
        let one = [Outcome::Nothing, Outcome::Value(0.5), Outcome::Nothing];
        assert_eq!(followed(&one, &rule(1e9, 2)), None);
        assert_eq!(followed(&[], &rule(1e9, 2)), None);
    }
}
