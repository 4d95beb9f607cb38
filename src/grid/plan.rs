//! Grid − what is committed → tasks, in the order in which they should start.
//!
//! One repeat of every experiment comes before the second of any, so that a first picture of the whole cohort exists early;
//! within a repeat the longest task comes first, so that no long one is left for the end.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::ids::{Id, MeasurementIds, TrainingIds, run_seed};
use super::{Grid, cost};
use crate::cohort::settings::Settings;
use crate::estimate::spec::EstimatorSpec;
use crate::train::spec::{Split, TrainingSpec};

/// The unit of dispatch: a training that is still missing, and the measurements still missing on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The training.
    pub training: Id,
    /// Its settings.
    pub spec: TrainingSpec,
    /// Its seed.
    pub seed: u64,
    /// Whether it must be trained: its record is missing.
    pub train: bool,
    /// The missing measurements, each once, in the order of the experiments that ask for them.
    pub measure: Vec<Measure>,
}

impl Task {
    /// Cost of the training, 0 where only measurements are missing.
    #[must_use]
    pub fn training_cost(&self) -> f64 {
        if self.train { cost::training(&self.spec) } else { 0.0 }
    }

    /// Cost of the whole task.
    #[must_use]
    pub fn cost(&self) -> f64 {
        let recorded = self.spec.schedule.count(self.spec.epochs);
        let measures = self.measure.iter().map(|m| cost::measurement(&self.spec, recorded, &m.estimator, m.split));
        self.training_cost() + measures.sum::<f64>()
    }

    /// Multiply-adds of one product of a training step: tells whether a step is worth several threads.
    #[must_use]
    pub fn step_work(&self) -> u64 {
        // Beyond 2^53 the value saturates; nobody can tell.
        (f64::from(self.spec.batch_size) * cost::parameters(&self.spec)) as u64
    }
}

/// A measurement of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Its id.
    pub id: Id,
    /// The estimator.
    pub estimator: EstimatorSpec,
    /// The examples.
    pub split: Split,
}

/// What a plan amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Experiments of the grid.
    pub experiments: usize,
    /// Runs: experiments × repeats.
    pub runs: usize,
    /// Distinct trainings, done or not.
    pub trainings: usize,
    /// Distinct measurements, done or not.
    pub measurements: usize,
    /// Runs of which the training and all measurements are committed.
    pub done: usize,
    /// All other runs.
    pub missing: usize,
}

/// What is to be done for a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// One task for each distinct training of which something is missing, in the order in which they should start.
    pub tasks: Vec<Task>,
    /// The numbers for a summary.
    pub counts: Counts,
}

/// Plans a grid, the data of which is found: `is_committed` says whether a record of that id exists.
#[must_use]
pub fn plan(grid: &Grid, is_committed: impl Fn(&Id) -> bool) -> Plan {
    let mut counts = Counts { experiments: grid.experiments.len(), ..Counts::default() };
    let mut tasks = Vec::new();
    // What the repeats of an experiment share is written once, unless there are so many experiments that it would fill the memory.
    let few = &grid.experiments[..grid.experiments.len().min(MOST_KEPT)];
    let names: Vec<Names> = few.iter().map(|experiment| Names::new(&experiment.settings)).collect();
    for repeat in 0..grid.n_runs {
        let mut round = Round::default();
        for (place, experiment) in grid.experiments.iter().enumerate() {
            let seed = run_seed(grid.seed + experiment.settings.seed_offset, repeat);
            let done = match names.get(place) {
                Some(names) => round.add(&experiment.settings, names, seed, &is_committed),
                None => round.add(&experiment.settings, &Names::new(&experiment.settings), seed, &is_committed),
            };
            counts.runs += 1;
            counts.done += usize::from(done);
        }
        counts.trainings += round.tasks.len();
        counts.measurements += round.measurements.len();
        tasks.extend(round.finish());
    }
    counts.missing = counts.runs - counts.done;
    Plan { tasks, counts }
}

/// Experiments whose names are kept for all their repeats.
const MOST_KEPT: usize = 10_000;

/// What the runs of an experiment are called, and what they cost, but for their seeds.
struct Names {
    training: TrainingIds,
    training_cost: f64,
    /// With the cost of each.
    measures: Vec<(EstimatorSpec, Split, MeasurementIds, f64)>,
}

impl Names {
    fn new(settings: &Settings) -> Self {
        let spec = &settings.training;
        let recorded = spec.schedule.count(spec.epochs);
        let measure = |estimator: &EstimatorSpec, split: Split| {
            let cost = cost::measurement(spec, recorded, estimator, split);
            (*estimator, split, MeasurementIds::new(estimator, split), cost)
        };
        let measures = settings.estimators.iter().flat_map(|e| settings.splits.iter().map(move |split| measure(e, *split)));
        Self { training: TrainingIds::new(spec), training_cost: cost::training(spec), measures: measures.collect() }
    }
}

/// The tasks of one repeat of every experiment. Two repeats share none: their seeds differ.
#[derive(Default)]
struct Round {
    tasks: Vec<(f64, Task)>,
    by_training: HashMap<Id, usize>,
    measurements: HashSet<Id>,
}

impl Round {
    /// Adds a run, told by its experiment and its seed; says whether it is done.
    fn add(&mut self, settings: &Settings, names: &Names, seed: u64, is_committed: impl Fn(&Id) -> bool) -> bool {
        let training = names.training.of(seed);
        let index = *self.by_training.entry(training).or_insert_with(|| {
            let train = !is_committed(&training);
            let task = Task { training, spec: settings.training.clone(), seed, train, measure: Vec::new() };
            self.tasks.push((if train { names.training_cost } else { 0.0 }, task));
            self.tasks.len() - 1
        });
        let (cost, task) = &mut self.tasks[index];
        let mut done = !task.train;
        for (estimator, split, ids, measurement_cost) in &names.measures {
            let id = ids.of(training);
            if is_committed(&id) {
                self.measurements.insert(id);
                continue;
            }
            done = false;
            if self.measurements.insert(id) {
                task.measure.push(Measure { id, estimator: *estimator, split: *split });
                *cost += measurement_cost;
            }
        }
        done
    }

    /// The tasks with something left to do, the longest first; of equal ones the first of the grid first.
    fn finish(self) -> impl Iterator<Item = Task> {
        let mut tasks: Vec<_> = self.tasks.into_iter().filter(|(_, task)| task.train || !task.measure.is_empty()).collect();
        tasks.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        tasks.into_iter().map(|(_, task)| task)
    }
}
