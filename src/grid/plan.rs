//! Grid − what is committed → tasks, in the order in which they should start.
//!
//! One repeat of every experiment comes before the second of any, so that a first picture of the whole cohort exists early;
//! within a repeat the longest task comes first, so that no long one is left for the end.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::groups::{Group, Groups, Member};
use super::ids::{Id, TrainingIds};
use super::{Grid, cost};
use crate::estimate::spec::EstimatorSpec;
use crate::train::spec::{Split, TrainingSpec};

/// The unit of dispatch: a training that is still missing, and the measurements still missing on it. There may be a million of them, so
/// they share what is equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The training.
    pub training: Id,
    /// Its settings.
    pub spec: Arc<TrainingSpec>,
    /// Its seed.
    pub seed: u64,
    /// Whether it must be trained: its record is missing.
    pub train: bool,
    /// The missing measurements, each once, in the order of the experiments that ask for them.
    pub measure: Arc<[Measure]>,
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

/// A measurement, on whatever training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The estimator.
    pub estimator: EstimatorSpec,
    /// The examples.
    pub split: Split,
}

impl Measure {
    /// Its id on a training.
    #[must_use]
    pub fn id(&self, training: Id) -> Id {
        Id::measurement(training, &self.estimator, self.split)
    }
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
    /// Runs done of each experiment.
    pub done: Vec<u32>,
}

/// Plans a grid, the data of which is found: `is_committed` says whether a record of that id exists. Shared out over the
/// threads of the pool that it is called in; the plan does not depend on them.
#[must_use]
pub fn plan(grid: &Grid, is_committed: impl Fn(&Id) -> bool + Sync) -> Plan {
    plan_against(grid, Some(&is_committed))
}

/// As [`plan`], of a grid of which nothing is committed: then measurements need no names.
#[must_use]
pub fn plan_all(grid: &Grid) -> Plan {
    plan_against(grid, None)
}

/// What says whether a record is committed; nothing where none is.
type Committed<'c> = Option<&'c (dyn Fn(&Id) -> bool + Sync)>;

fn plan_against(grid: &Grid, committed: Committed<'_>) -> Plan {
    let groups = Groups::of(grid);
    let planner = Planner::new(grid, &groups);
    let experiments = grid.experiments.len();
    let counts = Counts { experiments, ..Counts::default() };
    let mut plan = Plan { tasks: Vec::new(), counts, done: vec![0; experiments] };
    let n = groups.groups.len().max(1);
    let repeats: Vec<u32> = (0..grid.n_runs).collect();
    // As many repeats at once as keep all threads busy, and no more: what is found out of them is larger than what is kept.
    for block in repeats.chunks((AT_ONCE / n).max(1)) {
        let found: Vec<Found> = (0..block.len() * groups.groups.len())
            .into_par_iter()
            .map_init(Cache::default, |cache, at| planner.look(block[at / n], at % n, committed, cache))
            .collect();
        let mut found = found.into_iter();
        for _ in block {
            plan.add(found.by_ref().take(n).collect());
        }
    }
    plan.counts.missing = plan.counts.runs - plan.counts.done;
    plan
}

/// Trainings looked at between two gatherings.
const AT_ONCE: usize = 1 << 16;
/// Groups whose names are kept for all their repeats; those of more would fill the memory.
const MOST_KEPT: usize = 10_000;

impl Plan {
    /// Adds what was found out of one repeat: the longest task first, of equal ones the first of the grid.
    fn add(&mut self, mut round: Vec<Found>) {
        for found in &round {
            self.counts.trainings += usize::from(found.runs > 0);
            self.counts.runs += found.runs as usize;
            match &found.done {
                Done::None => {}
                Done::One(experiment) => self.count_done(*experiment),
                Done::Some(experiments) => experiments.iter().for_each(|experiment| self.count_done(*experiment)),
            }
            self.counts.measurements += found.measurements as usize;
        }
        round.sort_by(|one, other| other.cost.total_cmp(&one.cost));
        self.tasks.extend(round.into_iter().filter_map(|found| found.task));
    }

    fn count_done(&mut self, experiment: u32) {
        self.counts.done += 1;
        self.done[experiment as usize] += 1;
    }
}

/// Experiments of which a repeat is done.
#[derive(Default)]
enum Done {
    #[default]
    None,
    One(u32),
    Some(Box<[u32]>),
}

/// What is found out of one repeat of one group of experiments.
#[derive(Default)]
struct Found {
    /// None if nothing is left to do.
    task: Option<Task>,
    /// Its cost.
    cost: f64,
    runs: u32,
    measurements: u32,
    done: Done,
}

/// What repeats of a group miss of its measurements, by the places of those in its list: mostly many miss the same.
type Cache = HashMap<(usize, Vec<u32>), Arc<[Measure]>>;

/// Looks at repeats of groups.
struct Planner<'a> {
    grid: &'a Grid,
    groups: &'a Groups,
    names: Vec<Names>,
}

/// What the repeats of a group have in common.
#[derive(Clone)]
struct Names {
    ids: TrainingIds,
    spec: Arc<TrainingSpec>,
    training_cost: f64,
    /// Of each measurement of its list.
    costs: Vec<f64>,
}

impl<'a> Planner<'a> {
    fn new(grid: &'a Grid, groups: &'a Groups) -> Self {
        let mut planner = Self { grid, groups, names: Vec::new() };
        planner.names = groups.groups.iter().take(MOST_KEPT).map(|group| planner.names_of(group)).collect();
        planner
    }

    fn names_of(&self, group: &Group) -> Names {
        let spec = &self.grid.experiments[group.experiment as usize].settings.training;
        let recorded = spec.schedule.count(spec.epochs);
        let measures = self.groups.ready(group.list).iter();
        Names {
            ids: TrainingIds::new(spec),
            spec: Arc::clone(spec),
            training_cost: cost::training(spec),
            costs: measures.map(|m| cost::measurement(spec, recorded, &m.estimator, m.split)).collect(),
        }
    }

    /// Finds out what is missing of one repeat of a group.
    fn look(&self, repeat: u32, place: usize, committed: Committed<'_>, cache: &mut Cache) -> Found {
        let group = &self.groups.groups[place];
        let new;
        let names = match self.names.get(place) {
            Some(kept) => kept,
            None => {
                new = self.names_of(group);
                &new
            }
        };
        let alone = [Member { experiment: group.experiment, list: group.list }];
        let asking = self.asking(repeat, self.groups.members(place).unwrap_or(&alone));
        let Some(wanted) = asking.wanted(self.groups) else { return Found::default() };
        let seed = self.grid.run_seed(&self.grid.experiments[group.experiment as usize].settings, repeat);
        let training = if repeat == 0 { group.first } else { names.ids.of(seed) };
        let is_there = |id: &dyn Fn() -> Id| committed.is_some_and(|committed| committed(&id()));
        let train = !is_there(&|| training);
        let places = self.groups.places(group.list);
        let is_missing = |at: &u32| {
            let place = places[*at as usize];
            wanted.as_ref().is_none_or(|wanted| wanted.contains(&place))
                && !is_there(&|| self.groups.measure(place).1.of(training))
        };
        // No more than a cohort has points, times a few.
        let missing: Vec<u32> = (0..places.len() as u32).filter(is_missing).collect();
        let cost =
            missing.iter().map(|at| names.costs[*at as usize]).sum::<f64>() + if train { names.training_cost } else { 0.0 };
        let done = if train { Done::None } else { asking.done(self.groups, missing.iter().map(|at| places[*at as usize])) };
        let task = (train || !missing.is_empty()).then(|| {
            let ready = self.groups.ready(group.list);
            let measure = match missing.len() {
                n if n == ready.len() => Arc::clone(ready),
                _ => Arc::clone(
                    cache
                        .entry((place, missing))
                        .or_insert_with_key(|(_, missing)| missing.iter().map(|at| ready[*at as usize].clone()).collect()),
                ),
            };
            Task { training, spec: Arc::clone(&names.spec), seed, train, measure }
        });
        // No more than a cohort has points, times a few.
        let measurements = wanted.map_or(places.len(), |wanted| wanted.len()) as u32;
        Found { task, cost, runs: asking.members.len() as u32, measurements, done }
    }

    /// The experiments of a group that still need a repeat.
    fn asking<'m>(&self, repeat: u32, members: &'m [Member]) -> Asking<'m> {
        let needs = |member: &Member| repeat < self.grid.repeats(member.experiment as usize);
        if members.iter().all(needs) {
            return Asking { members: Cow::Borrowed(members), is_all: true };
        }
        Asking { members: members.iter().copied().filter(needs).collect(), is_all: false }
    }
}

/// The experiments of a group that ask for one repeat.
struct Asking<'m> {
    members: Cow<'m, [Member]>,
    /// Whether that is the whole group.
    is_all: bool,
}

impl Asking<'_> {
    /// The measurements that they ask for, if not all of the group's; nothing if nobody asks.
    fn wanted(&self, groups: &Groups) -> Option<Option<HashSet<u32>>> {
        let all = || self.members.iter().flat_map(|member| groups.places(member.list).iter().copied()).collect();
        (!self.members.is_empty()).then(|| (!self.is_all).then(all))
    }

    /// Those of which nothing is missing, where these measurements of a finished training are.
    fn done(&self, groups: &Groups, missing: impl ExactSizeIterator<Item = u32>) -> Done {
        match (&*self.members, missing.len()) {
            ([one], 0) => Done::One(one.experiment),
            ([_], _) => Done::None,
            (several, n) => {
                let missing: HashSet<u32> = missing.collect();
                let is_done = |member: &&Member| n == 0 || groups.places(member.list).iter().all(|m| !missing.contains(m));
                Done::Some(several.iter().filter(is_done).map(|member| member.experiment).collect())
            }
        }
    }
}
