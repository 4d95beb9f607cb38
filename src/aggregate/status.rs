//! How far a run is: done, ended badly, or not there yet.

use crate::grid::ids::Id;
use crate::store::records::AttemptStatus;
use crate::store::{Index, StoreError};

/// Status of a run, as in the table `runs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RunStatus {
    /// Its training and all its measurements are committed.
    Ok,
    /// The last attempt failed; the same again would fail again.
    Failed,
    /// The last attempt was lost.
    Lost,
    /// The last attempt ran out of memory.
    Oom,
    /// Not attempted, or its records are gone.
    Missing,
}

impl RunStatus {
    /// Every status, in the order of summaries.
    pub const ALL: &'static [Self] = &[Self::Ok, Self::Failed, Self::Lost, Self::Oom, Self::Missing];

    /// The name used in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Oom => "oom",
            Self::Missing => "missing",
        }
    }
}

/// Runs by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCounts {
    counts: [u64; RunStatus::ALL.len()],
}

impl StatusCounts {
    /// So many runs, all of them done.
    #[must_use]
    pub const fn all_ok(runs: u64) -> Self {
        Self { counts: [runs, 0, 0, 0, 0] }
    }

    /// Counts one run.
    pub const fn add(&mut self, status: RunStatus) {
        self.counts[status as usize] += 1;
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
    }

    /// Runs of a status.
    #[must_use]
    pub const fn of(&self, status: RunStatus) -> u64 {
        self.counts[status as usize]
    }

    /// All runs.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Status of a run with this training and these measurements, as far as the index knows; reads attempts only of a run that is not done.
///
/// # Errors
/// [`StoreError::Io`].
pub fn run_status(index: &Index, training: Id, measurements: impl IntoIterator<Item = Id>) -> Result<RunStatus, StoreError> {
    if index.contains(training) && measurements.into_iter().all(|id| index.contains(id)) {
        return Ok(RunStatus::Ok);
    }
    Ok(match index.attempts(training)?.last().map(|attempt| attempt.status) {
        Some(AttemptStatus::Failed) => RunStatus::Failed,
        Some(AttemptStatus::Lost) => RunStatus::Lost,
        Some(AttemptStatus::Oom) => RunStatus::Oom,
        // An attempt that ended well whose records are not there: damaged since, or of another cohort that asked for less.
        Some(AttemptStatus::Ok) | None => RunStatus::Missing,
    })
}
