//! Where tasks run. One trait, [`Launcher`]: submit, poll, cancel; the loop that drives any launcher; what coordinator and worker say to
//! each other. No kernels here, and no knowledge of what a task computes.
//!
//! Reading order: `wire` (messages), `drive` (which task when, what becomes of a lost one), `local` (worker processes on this machine).

pub mod drive;
#[cfg(test)]
pub mod fake;
pub mod local;
pub mod wire;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::grid::plan::Task;

/// What a launcher tells of a task that it was given. Tickets are the caller's.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The task is under way; share done, 0 to 1.
    Progress {
        /// The submission.
        ticket: u64,
        /// Share of its work that is done.
        share: f32,
    },
    /// The task ended; where it ended well, its records are committed.
    Finished {
        /// The submission.
        ticket: u64,
        /// How it ended.
        outcome: wire::Outcome,
    },
    /// Whoever worked on it is gone. What it had committed is in the store.
    Lost {
        /// The submission.
        ticket: u64,
        /// What is known of the cause.
        reason: String,
    },
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
    /// The launcher was asked for something it lost track of: a defect.
    #[error("the launcher has no place for a task, though it said so")]
    NoPlace,
}

/// Runs tasks somewhere. Implementations never block longer than the timeout of [`Launcher::poll`].
pub trait Launcher {
    /// How many more tasks can be submitted now.
    fn free(&self) -> usize;

    /// Hands over a task. `attempt` is its number, counted from 1 over the life of the store.
    ///
    /// # Errors
    /// [`LaunchError`] if no worker can be had at all.
    fn submit(&mut self, ticket: u64, attempt: u32, task: &Task) -> Result<(), LaunchError>;

    /// What happened since the last call; waits up to `timeout` for the first event.
    ///
    /// # Errors
    /// [`LaunchError`] if the launcher cannot go on.
    fn poll(&mut self, timeout: Duration) -> Result<Vec<Event>, LaunchError>;

    /// Ends all work at once. Committed records stay.
    fn cancel(&mut self);
}
