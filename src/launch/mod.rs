//! Where tasks run. One trait, [`Launcher`]: submit, poll, cancel; the loop that drives any launcher; what coordinator and worker say to
//! each other. No kernels here, and no knowledge of what a task computes.
//!
//! Reading order: `wire` (messages), `drive` (which task when, what becomes of a lost one), `place` (what a worker holds), `local`
//! (worker processes on this machine), `ranks`, `crew` and `mpi` (the ranks of an MPI job), `sge` (array jobs of pilots on a cluster).

pub mod crew;
pub mod drive;
#[cfg(test)]
pub mod fake;
pub mod local;
#[cfg(feature = "mpi")]
pub mod mpi;
pub mod place;
pub mod ranks;
pub mod sge;
pub mod wire;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::grid::plan::Task;

/// What a launcher tells of the tasks that it was given. Tickets are the caller's.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Work on the task has begun.
    Started {
        /// The submission.
        ticket: u64,
    },
    /// The task is under way; share done, 0 to 1.
    Progress {
        /// The submission.
        ticket: u64,
        /// Share of its work that is done.
        share: f32,
    },
    /// The task's training goes on from a checkpoint that an earlier attempt left.
    Continued {
        /// The submission.
        ticket: u64,
        /// The epoch behind which it was left.
        epoch: i64,
    },
    /// The task ended; where it ended well, its records are committed.
    Finished {
        /// The submission.
        ticket: u64,
        /// How it ended.
        outcome: wire::Outcome,
    },
    /// These tasks come back as they went: nobody began them.
    Returned {
        /// The submissions.
        tickets: Vec<u64>,
    },
    /// One worker is gone, and with it what it had begun. What was committed is in the store.
    Lost {
        /// The submissions that it had begun and that it had not told to be committed.
        tickets: Vec<u64>,
        /// What is known of the cause.
        reason: String,
        /// Who is to blame.
        blame: Blame,
    },
}

/// What a loss speaks against, if losses do not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The worker, or the machine below it.
    Worker,
    /// The store: the worker lived and could not keep its results.
    Store,
}

/// A launcher that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A worker process cannot be started.
    #[error("cannot start a worker process with {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing but losses: something is wrong with the machine or the store, not with a task.
    #[error("{losses} workers in a row died without finishing a task; the last: {reason}")]
    NothingWorks {
        /// How many.
        losses: u32,
        /// The last reason.
        reason: String,
    },
    /// Nothing but workers that live and cannot keep their results: something is wrong with the store, not with the launcher.
    #[error("{losses} tasks in a row were lost, the last because of the store: {reason}")]
    NothingKept {
        /// How many.
        losses: u32,
        /// The last reason.
        reason: String,
    },
    /// No rank of an MPI job is left that takes tasks.
    #[error("no rank is left that works: {reason}; run again to go on")]
    Deserted {
        /// What became of the last.
        reason: String,
    },
    /// The launcher was asked for something it lost track of: a defect.
    #[error("the launcher has no place for a task, though it said so")]
    NoPlace,
}

/// Runs tasks somewhere. Implementations never block longer than the timeout of [`Launcher::poll`].
///
/// A place takes several short tasks at once, so that it need not ask after each. It may lie wrong about what is short; so it gives back
/// what it has not begun when another place has nothing to do.
pub trait Launcher {
    /// Whether a task of this [`Load`] can be submitted now.
    fn has_room(&self, load: Load) -> bool;

    /// Hands over a task. `attempt` is its number, counted from 1 over the life of the store.
    ///
    /// # Errors
    /// [`LaunchError`] if no worker can be had at all.
    fn submit(&mut self, ticket: u64, attempt: u32, task: &Task, load: Load) -> Result<(), LaunchError>;

    /// Asks for tasks that wait at busy places while others idle: they come back as [`Event::Returned`]. Called when no more tasks wait
    /// to be submitted.
    fn balance(&mut self);

    /// Asks for all tasks that were not begun: they come back as [`Event::Returned`].
    fn recall(&mut self);

    /// What happened since the last call; waits up to `timeout` for the first event.
    ///
    /// # Errors
    /// [`LaunchError`] if the launcher cannot go on.
    fn poll(&mut self, timeout: Duration) -> Result<Vec<Event>, LaunchError>;

    /// Ends all work at once. Committed records stay.
    fn cancel(&mut self);
}

/// How much a task adds to what waits at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// About that many nanoseconds of work, the messages about it included.
    Nanoseconds(f64),
    /// The task takes a place for itself: it is suspected of killing its worker, and no other task shall be lost with it.
    Alone,
}

impl Load {
    /// What may be under way at one place, in nanoseconds: short beside a task worth speaking of, long beside the way of a message.
    pub const MOST: f64 = 20e6;
    /// Least that a task and each of its measurements count for: bounds how many orders, and bytes of orders, wait at one place.
    const FLOOR: (f64, f64) = (80e3, 20e3);

    /// The load of a task that nothing is known against.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        Self::Nanoseconds(task.cost() + Self::FLOOR.0 + Self::FLOOR.1 * task.measure.len() as f64)
    }

    /// In nanoseconds, endless for a task that must be alone.
    #[must_use]
    pub const fn nanoseconds(self) -> f64 {
        match self {
            Self::Nanoseconds(n) => n,
            Self::Alone => f64::INFINITY,
        }
    }
}
