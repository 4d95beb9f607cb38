//! Cohort → experiments → runs → tasks; ids and seeds. Pure: no I/O, no clock.
//!
//! Reading order: `ids` (what a name means), `expand` (points of the grid), `groups` (which of them share trainings), `plan` (what is still missing), `cost` (what that takes,
//! roughly), `predict` (in seconds, from what is known).

pub mod cost;
pub mod expand;
pub mod groups;
pub mod ids;
pub mod plan;
pub mod predict;

pub use expand::{ExpandError, expand};
pub use plan::{Counts, Measure, Plan, Task, plan};

use crate::cohort::settings::Settings;
use ids::Id;

/// One point of the grid: all settings fixed, repeated `n_runs` times.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Unique within the grid; stands in every table.
    pub label: String,
    /// The settings.
    pub settings: Settings,
}

/// A cohort, expanded: what every table is about, in the order of its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The cohort's name.
    pub cohort: String,
    /// Repeats of every experiment.
    pub n_runs: u32,
    /// The cohort's seed.
    pub seed: u64,
    /// The experiments, in grid order, each meaning once.
    pub experiments: Vec<Experiment>,
    /// Points left out because they mean what an earlier point means: (label kept, label left out).
    pub duplicates: Vec<(String, String)>,
    /// Repeats that are enough for each experiment, where the cohort says when they are; empty: all.
    pub enough: Vec<u32>,
}

/// One repeat of one experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Index of the experiment in the grid.
    pub experiment: usize,
    /// Which repeat, from 0.
    pub repeat: u32,
    /// Its seed, below 2^53.
    pub seed: u64,
    /// The training that it needs; runs that differ only in how they are measured share one.
    pub training: Id,
}

impl Grid {
    /// All runs, in the order of the tables: by experiment, then by repeat.
    pub fn runs(&self) -> impl Iterator<Item = Run> {
        (0..self.experiments.len())
            .flat_map(move |experiment| (0..self.repeats(experiment)).map(move |repeat| self.run(experiment, repeat)))
    }

    /// Repeats that the tables have of the experiment at index `experiment`: those before it had enough.
    #[must_use]
    pub fn repeats(&self, experiment: usize) -> u32 {
        self.enough.get(experiment).map_or(self.n_runs, |enough| self.n_runs.min(*enough))
    }

    /// Runs that the tables have.
    #[must_use]
    pub fn n_needed(&self) -> u64 {
        (0..self.experiments.len()).map(|experiment| u64::from(self.repeats(experiment))).sum()
    }

    /// Runs that are not needed, since their experiments have repeats enough.
    #[must_use]
    pub fn not_needed(&self) -> u64 {
        self.enough.iter().map(|enough| u64::from(self.n_runs.saturating_sub(*enough))).sum()
    }

    /// One repeat of the experiment at index `experiment`, which must be one of the grid's.
    #[must_use]
    pub fn run(&self, experiment: usize, repeat: u32) -> Run {
        let settings = &self.experiments[experiment].settings;
        let seed = self.run_seed(settings, repeat);
        Run { experiment, repeat, seed, training: Id::training(&settings.training, seed) }
    }

    /// The seed of a repeat of an experiment of these settings.
    #[must_use]
    pub fn run_seed(&self, settings: &Settings, repeat: u32) -> u64 {
        // Both are below 2^53, so the sum cannot overflow.
        ids::run_seed(self.seed + settings.seed_offset, repeat)
    }
}

#[cfg(test)]
mod tests;
