//! Cohort → experiments → runs → tasks; ids and seeds. Pure: no I/O, no clock.
//!
//! Reading order: `ids` (what a name means), `expand` (points of the grid), `plan` (what is still missing).

pub mod ids;

use crate::cohort::settings::Settings;

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
}
