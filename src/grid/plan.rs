//! Grid − what is committed → tasks, in the order in which they should start.
//!
//! One repeat of every experiment comes before the second of any, so that a first picture of the whole cohort exists early;
//! within a repeat the longest task comes first, so that no long one is left for the end.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::ids::Id;
use super::{Grid, cost};
use crate::estimate::spec::EstimatorSpec;
use crate::train::schedule::Schedule;
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

/// Plans a grid: `data` is the fingerprint of the data's content, `is_committed` says whether a record of that id exists.
#[must_use]
pub fn plan(grid: &Grid, data: &str, is_committed: impl Fn(&Id) -> bool) -> Plan {
    let mut counts = Counts { experiments: grid.experiments.len(), ..Counts::default() };
    let mut tasks = Vec::new();
    let mut recorded = Recorded::default();
    for repeat in 0..grid.n_runs {
        let mut round = Round::default();
        for experiment in 0..grid.experiments.len() {
            counts.runs += 1;
            counts.done += usize::from(round.add(grid, (experiment, repeat), data, &mut recorded, &is_committed));
        }
        counts.trainings += round.tasks.len();
        counts.measurements += round.measurements.len();
        tasks.extend(round.finish());
    }
    counts.missing = counts.runs - counts.done;
    Plan { tasks, counts }
}

/// Numbers of recorded epochs, counted once for each schedule and length: counting walks through all epochs.
#[derive(Default)]
struct Recorded(BTreeMap<u32, Vec<(Schedule, usize)>>);

impl Recorded {
    fn count(&mut self, spec: &TrainingSpec) -> usize {
        let counts = self.0.entry(spec.epochs).or_default();
        if let Some((_, count)) = counts.iter().find(|(schedule, _)| *schedule == spec.schedule) {
            return *count;
        }
        let count = spec.schedule.recorded(spec.epochs).len();
        counts.push((spec.schedule.clone(), count));
        count
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
    /// Adds a run, (experiment, repeat); says whether it is done.
    fn add(
        &mut self,
        grid: &Grid,
        (experiment, repeat): (usize, u32),
        data: &str,
        recorded: &mut Recorded,
        is_committed: impl Fn(&Id) -> bool,
    ) -> bool {
        let settings = &grid.experiments[experiment].settings;
        let spec = &settings.training;
        let run = grid.run(experiment, repeat, data);
        let index = *self.by_training.entry(run.training).or_insert_with(|| {
            let train = !is_committed(&run.training);
            let task = Task { training: run.training, spec: spec.clone(), seed: run.seed, train, measure: Vec::new() };
            self.tasks.push((if train { cost::training(spec) } else { 0.0 }, task));
            self.tasks.len() - 1
        });
        let (cost, task) = &mut self.tasks[index];
        let mut done = !task.train;
        let recorded = recorded.count(spec);
        for estimator in &settings.estimators {
            for split in &settings.splits {
                let id = Id::measurement(run.training, estimator, *split);
                if is_committed(&id) {
                    self.measurements.insert(id);
                    continue;
                }
                done = false;
                if self.measurements.insert(id) {
                    task.measure.push(Measure { id, estimator: *estimator, split: *split });
                    *cost += cost::measurement(spec, recorded, estimator, *split);
                }
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
