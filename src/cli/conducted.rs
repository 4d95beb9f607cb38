//! What one call did for one cohort: what `conduct` fills in and `summary` tells.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::exit::Exit;
use crate::aggregate::{RunStatus, Summary};
use crate::grid::plan::Counts;
use crate::launch::drive::Outcomes;

/// What a call did.
#[derive(Default)]
pub struct Conducted {
    /// The cohort in numbers, before the last round.
    pub counts: Counts,
    /// Statuses and accuracies; none if the call was interrupted.
    pub summary: Option<Summary>,
    /// Figures drawn or found.
    pub figures: Vec<PathBuf>,
    /// Tasks that this call ran, and what became of them.
    pub outcomes: Outcomes,
    /// Messages of the failed tasks, by training.
    pub errors: BTreeMap<String, String>,
    /// Tasks not taken up because they failed before.
    pub passed_over: usize,
    /// Runs that are not needed, since their experiments have repeats enough.
    pub not_needed: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Workers and threads, where any were needed.
    pub spread: Option<(u32, u32)>,
}

impl Conducted {
    /// The exit code that this deserves.
    pub fn exit(&self) -> Exit {
        match &self.summary {
            None => Exit::Interrupted,
            Some(summary) if summary.runs.of(RunStatus::Ok) == summary.runs.total() => Exit::Done,
            Some(_) => Exit::SomeFailed,
        }
    }
}
