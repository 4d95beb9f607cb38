//! A checked cohort: base settings, axes, what is excluded and included, repeats. Values only, no text.

use super::setting::{Draft, Setting};
use super::stop::StopWhen;

/// Points of a cohort at most; more would not fit a machine's memory in the tables.
pub const MAX_POINTS: u128 = 10_000_000;
/// Repeats of an experiment at most.
pub const MAX_RUNS: u64 = 1_000_000;
/// Points times repeats at most.
pub const MAX_ALL_RUNS: u128 = 100_000_000;

/// A checked cohort.
#[derive(Clone, Debug, PartialEq)]
pub struct Cohort {
    /// Its name: 1 to 64 characters out of `A-Za-z0-9._-`, safe as the name of a directory.
    pub name: String,
    /// Free text; empty if not given.
    pub description: String,
    /// Repeats of every experiment, ≥ 1.
    pub n_runs: u32,
    /// The seed that the seeds of the repeats are derived from.
    pub seed: u64,
    /// The settings of `[experiment]`, in file order.
    pub base: Vec<Setting>,
    /// One product of axes for each `[grid]`; never empty: without a grid one product without axes, which is one point.
    pub grids: Vec<Vec<Dimension>>,
    /// The `[[zip]]`s, multiplied with every grid.
    pub zips: Vec<Dimension>,
    /// The `[[exclude]]`s.
    pub excludes: Vec<Exclude>,
    /// The `[[include]]`s.
    pub includes: Vec<Include>,
    /// Whether figures show the median over repeats instead of the mean; never part of an id.
    pub plot_median: bool,
    /// When an experiment has repeats enough.
    pub stop_when: Option<StopWhen>,
    /// How to run; never part of an id.
    pub launcher: LauncherSettings,
}

impl Cohort {
    /// The base settings, ready for those of a point.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let mut draft = Draft::default();
        self.base.iter().for_each(|setting| draft.apply(setting));
        draft
    }
}

/// Axes that advance together: one axis of a grid, or those of a `[[zip]]`. All have the same number of values, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// The axes, in file order; never empty.
    pub axes: Vec<Axis>,
}

impl Dimension {
    /// Number of values of each axis.
    #[must_use]
    pub fn len(&self) -> usize {
        self.axes.first().map_or(0, |axis| axis.values.len())
    }

    /// Whether there is nothing to vary.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One axis: its key, and what each of its values sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// A setting's key, or a name of its own.
    pub name: String,
    /// The values, in file order.
    pub values: Vec<AxisValue>,
}

/// One value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisValue {
    /// Its label, or the compact text of its value: what stands in an experiment's label.
    pub text: String,
    /// The settings that it sets.
    pub set: Vec<Setting>,
}

/// A set of conditions; a point of the grid that meets them all is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Exclude {
    /// The conditions, in file order; never empty.
    pub conditions: Vec<Condition>,
}

/// One condition on a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The point's experiment has this setting.
    Has(Setting),
    /// The point's value on an axis has this label.
    Labelled {
        /// The axis.
        axis: String,
        /// The label.
        label: String,
    },
}

/// A point added to the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Include {
    /// Its label, if the file gives one.
    pub label: Option<String>,
    /// The settings that differ from the base, in file order.
    pub set: Vec<Setting>,
}

/// How to run a cohort, by launcher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LauncherSettings {
    /// `[launcher.local]`
    pub local: LocalSettings,
    /// `[launcher.sge]`
    pub sge: SgeSettings,
}

/// Processes and threads on this machine; what is not given is chosen by the launcher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalSettings {
    /// Worker processes, ≥ 1.
    pub workers: Option<u32>,
    /// Threads of each worker, ≥ 1.
    pub threads: Option<u32>,
}

/// What a pilot asks of Grid Engine; what is not given is the site's, or has the documented default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SgeSettings {
    /// Queues to use.
    pub queue: Option<String>,
    /// Project that is charged.
    pub project: Option<String>,
    /// Parallel environment on one host.
    pub pe: Option<String>,
    /// Slots of each pilot, ≥ 1.
    pub slots: Option<u32>,
    /// Threads of each worker, ≥ 1.
    pub threads: Option<u32>,
    /// Memory of each slot, in bytes.
    pub memory: Option<u64>,
    /// Memory of each slot up to which tasks that ran out of it are tried again, in bytes.
    pub max_memory: Option<u64>,
    /// Name of the resource that limits memory.
    pub memory_resource: Option<String>,
    /// Time that a pilot may take, in seconds.
    pub h_rt: Option<u32>,
    /// Environment modules to load.
    pub modules: Option<Vec<String>>,
    /// Pilots of a submission at most.
    pub max_pilots: Option<u32>,
    /// Pilots at work at once.
    pub max_concurrent: Option<u32>,
    /// Pilots of one array job at most.
    pub max_array: Option<u32>,
    /// Further words for `qsub`.
    pub flags: Option<Vec<String>>,
    /// Seconds between two heartbeats of a pilot.
    pub heartbeat: Option<u32>,
    /// Seconds without a heartbeat after which a pilot's tasks go to another.
    pub deadline: Option<u32>,
}

impl SgeSettings {
    /// These settings, and where they say nothing those of the site.
    #[must_use]
    pub fn over(self, site: &Self) -> Self {
        Self {
            queue: self.queue.or_else(|| site.queue.clone()),
            project: self.project.or_else(|| site.project.clone()),
            pe: self.pe.or_else(|| site.pe.clone()),
            slots: self.slots.or(site.slots),
            threads: self.threads.or(site.threads),
            memory: self.memory.or(site.memory),
            max_memory: self.max_memory.or(site.max_memory),
            memory_resource: self.memory_resource.or_else(|| site.memory_resource.clone()),
            h_rt: self.h_rt.or(site.h_rt),
            modules: self.modules.or_else(|| site.modules.clone()),
            max_pilots: self.max_pilots.or(site.max_pilots),
            max_concurrent: self.max_concurrent.or(site.max_concurrent),
            max_array: self.max_array.or(site.max_array),
            flags: self.flags.or_else(|| site.flags.clone()),
            heartbeat: self.heartbeat.or(site.heartbeat),
            deadline: self.deadline.or(site.deadline),
        }
    }
}
