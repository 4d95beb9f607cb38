//! Sweeps under way, for `status`: how far their batches are, what the scheduler says of their pilots, what a person must do.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::attend::{Known, ask, open_sweeps};
use crate::launch::sge::advice;
use crate::launch::sge::scheduler::Programs;
use crate::launch::sge::sweep::{Sweep, SweepDir};
use crate::query::running::Notice;
use crate::store::lease::{FileBoard, Standing, Watch};

/// A sweep under way, as it was found.
pub struct Found {
    dir: SweepDir,
    sweep: Sweep,
    jobs: Vec<u64>,
    /// Batches that are done, and in somebody's hands.
    batches: (usize, usize),
    known: Known,
}

/// The sweeps of a cohort that have not ended. Asks the scheduler only if there are any.
pub fn look(root: &Path, cohort: &str, live: &[Notice]) -> Vec<Found> {
    let alive = live.iter().any(|notice| notice.cohort == cohort && notice.launcher == "sge");
    let found = |(dir, sweep): (SweepDir, Sweep)| {
        let known = ask(&dir, &sweep, alive, &mut Programs);
        let jobs = dir.journal().map(|journal| journal.jobs()).unwrap_or_default();
        Found { batches: batches(&dir), dir, sweep, jobs, known }
    };
    open_sweeps(root, Some(cohort)).into_iter().map(found).collect()
}

/// Batches done and held. One look cannot tell who is alive; it tells what was taken.
fn batches(dir: &SweepDir) -> (usize, usize) {
    let board = FileBoard::existing(dir.leases());
    let view = Watch::new(Duration::from_secs(1)).look(&board, Duration::ZERO).unwrap_or_default();
    let of = |standing: Standing| view.iter().filter(|(what, e)| what.starts_with("batch-") && e.standing == standing).count();
    (of(Standing::Done), of(Standing::Held))
}

impl Found {
    /// For people, indented.
    pub fn text(&self) -> String {
        let jobs: Vec<String> = self.jobs.iter().map(u64::to_string).collect();
        let jobs = if jobs.is_empty() { "no job known by number".to_owned() } else { format!("job {}", jobs.join(", ")) };
        let states = match &self.known.tasks {
            Ok(tasks) if tasks.is_empty() => "Grid Engine knows of no pilot".to_owned(),
            Ok(tasks) => format!("pilots {}", advice::states(tasks)),
            Err(error) => format!("Grid Engine was asked in vain ({error})"),
        };
        let (done, held) = self.batches;
        let mut text = format!(
            "  sweep {} ({jobs}): {done} of {} batches done, {held} taken; {states}\n",
            self.dir.id(),
            self.sweep.batches.len()
        );
        for line in &self.known.advice {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  note: {line}");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let states = self.known.tasks.as_ref().map(|tasks| {
            let counts = advice::counts(tasks);
            counts.into_iter().map(|(state, count)| (state.name().to_owned(), json!(count))).collect::<serde_json::Map<_, _>>()
        });
        json!({
            "sweep": self.dir.id(),
            "jobs": self.jobs,
            "batches": self.sweep.batches.len(),
            "batches_done": self.batches.0,
            "batches_taken": self.batches.1,
            "pilots": states.ok(),
            "advice": self.known.advice,
        })
    }
}
